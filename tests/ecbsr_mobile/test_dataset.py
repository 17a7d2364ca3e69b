"""Folder layouts of training and test sets: each gives the same pairs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile import EcbsrError, Picture, images
from ecbsr_mobile.dataset import pairs


def test_layouts_give_the_same_pairs(train_images: Path, tmp_path: Path) -> None:
    from_hr = list(pairs(train_images, 2))
    assert all(p.hr.shape == (120, 96, 3) and p.lr.shape == (60, 48, 3) for p in from_hr)
    for base, suffix in ((tmp_path / "a", ""), (tmp_path / "b" / "x2", "x2")):
        for pair in from_hr:
            images.write(Picture(pair.hr), base / "HR" / pair.name)
            images.write(Picture(pair.lr), base / "LR" / f"{Path(pair.name).stem}{suffix}.png")
    for folder in (tmp_path / "a", tmp_path / "b"):
        for ours, expected in zip(pairs(folder, 2), from_hr, strict=True):
            np.testing.assert_array_equal(ours.lr, expected.lr)
            np.testing.assert_array_equal(ours.hr, expected.hr)
    with pytest.raises(EcbsrError, match="LR folder of another scale"):
        list(pairs(tmp_path / "a", 3))
    (tmp_path / "a" / "LR" / from_hr[0].name).unlink()
    with pytest.raises(EcbsrError, match=f"no LR image for {from_hr[0].name}"):
        list(pairs(tmp_path / "a", 2))
    shutil.rmtree(tmp_path / "a" / "LR")
    with pytest.raises(EcbsrError, match="contains HR/ but no LR/"):
        list(pairs(tmp_path / "a", 2))


def test_div2k_as_it_is_unpacked(train_images: Path, tmp_path: Path) -> None:
    from_hr = list(pairs(train_images, 2))
    for part, used in (("train", from_hr[:2]), ("valid", from_hr[2:])):
        for pair in used:
            stem = Path(pair.name).stem
            images.write(Picture(pair.hr), tmp_path / f"DIV2K_{part}_HR" / f"{stem}.png")
            # Darkened, to tell the folder's LR images from those made from HR.
            images.write(Picture(pair.lr // 2), tmp_path / f"DIV2K_{part}_LR_bicubic" / "X2" / f"{stem}x2.png")
    for ours, expected in zip(pairs(tmp_path / "DIV2K_train_HR", 2), from_hr[:2], strict=True):
        np.testing.assert_array_equal(ours.hr, expected.hr)
        np.testing.assert_array_equal(ours.lr, expected.lr // 2)
    (made,) = pairs(tmp_path / "DIV2K_valid_HR", 3)  # there is no X3, so LR is made from HR
    assert made.lr.shape == (40, 32, 3)
    with pytest.raises(EcbsrError, match="DIV2K_train_HR and DIV2K_valid_HR; give one"):
        list(pairs(tmp_path, 2))
    with pytest.raises(EcbsrError, match="NAME_LR_bicubic/X3"):
        list(pairs(tmp_path, 3))
    shutil.rmtree(tmp_path / "DIV2K_valid_HR")
    assert len(list(pairs(tmp_path, 2))) == 2


def test_images_below_the_scale_are_refused(tmp_path: Path) -> None:
    images.write(Picture(np.zeros((2, 9, 3), np.uint8)), tmp_path / "a.png")
    with pytest.raises(EcbsrError, match=r"a\.png: is smaller than 3x3 pixels"):
        list(pairs(tmp_path, 3))
