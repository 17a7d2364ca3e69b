"""Folder layouts of training and test sets: each gives the same pairs."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile import EcbsrError, Picture, images
from ecbsr_mobile.dataset import Pair, pairs


def test_layouts_give_the_same_pairs(train_images: Path, tmp_path: Path) -> None:
    from_hr = list(pairs(train_images, 2))
    assert all(p.hr.shape == (120, 96, 3) and p.lr.shape == (60, 48, 3) for p in from_hr)
    layouts = ((tmp_path / "a", "LR", ""), (tmp_path / "b" / "x2", "LR", "x2"), (tmp_path / "c", "LR_bicubic/X2", "x2"))
    for base, lr, suffix in layouts:
        for pair in from_hr:
            images.write(Picture(pair.hr), base / "HR" / pair.name)
            images.write(Picture(pair.lr), base / lr / f"{Path(pair.name).stem}{suffix}.png")
    for folder in (tmp_path / "a", tmp_path / "b", tmp_path / "c"):
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


def lay_out(folder: Path, train_images: Path, high: str, low: str, scale: int = 2) -> list[Pair]:
    """HR and darkened LR images (to tell them from LR that is made) in one folder, under the given names."""
    made = list(pairs(train_images, scale))
    for pair in made:
        name = Path(pair.name).stem
        images.write(Picture(pair.hr), folder / f"{high.format(name)}.png")
        images.write(Picture(pair.lr // 2), folder / f"{low.format(name)}.png")
    return made


@pytest.mark.parametrize(
    ("high", "low"),
    [("img_{}_SRF_2_HR", "img_{}_SRF_2_LR"), ("{}", "{}x2"), ("{}", "{}_LR"), ("{}_HR", "{}_LRBI_x2"),
     ("{}-GT", "{}-LQ"), ("{}_hr", "{}_lr_x2"), ("HR_{}", "LR_{}"), ("{}", "{}_x2_LR"), ("{}_HR", "{}_LR2")],
)  # fmt: skip
def test_hr_and_lr_in_one_folder_are_told_apart(train_images: Path, tmp_path: Path, high: str, low: str) -> None:
    expected = lay_out(tmp_path / "set", train_images, high, low)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = list(pairs(tmp_path / "set", 2))
    assert [pair.name for pair in found] == [f"{high.format(Path(pair.name).stem)}.png" for pair in expected]
    for ours, pair in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.hr, pair.hr)
        np.testing.assert_array_equal(ours.lr, pair.lr // 2)


def test_selfexsr_as_it_is_unpacked(train_images: Path, tmp_path: Path) -> None:
    for scale in (2, 4):
        lay_out(tmp_path / f"image_SRF_{scale}", train_images, f"{{}}_SRF_{scale}_HR", f"{{}}_SRF_{scale}_LR", scale)
    expected = list(pairs(train_images, 2))
    for pair in expected:  # results of other methods lie beside them
        name = f"{Path(pair.name).stem}_SRF_2_bicubic.png"
        images.write(Picture(pair.hr // 3), tmp_path / "image_SRF_2" / name)
    with pytest.warns(UserWarning, match=f"image_SRF_2: without .*_bicubic.png and {len(expected) - 1} more"):
        found = list(pairs(tmp_path, 2))
    for ours, pair in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.hr, pair.hr)
        np.testing.assert_array_equal(ours.lr, pair.lr // 2)
    with pytest.raises(EcbsrError, match="LR folder of another scale"):
        list(pairs(tmp_path / "image_SRF_4", 2))


def test_names_that_look_like_marks_are_names_where_nothing_is_a_pair(train_images: Path, tmp_path: Path) -> None:
    names = [path.name for path in images.find(train_images)]
    for word in ("High", "Low"):
        folder = shutil.copytree(train_images, tmp_path / word)
        shutil.copy(folder / names[0], folder / f"{word} tide.png")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert sorted(pair.name for pair in pairs(folder, 2)) == sorted([*names, f"{word} tide.png"])
        assert [str(note.message) for note in caught] == (
            [] if word == "High" else [f"{folder}: there is no HR image for Low tide.png, so each counts as one"]
        )


def test_hr_and_lr_that_cannot_be_told_apart_are_refused(train_images: Path, tmp_path: Path) -> None:
    made = lay_out(tmp_path / "set", train_images, "{}", "{}x3")
    with pytest.warns(UserWarning, match="set: without .*x3.png and"):  # LR of another scale
        for ours, pair in zip(pairs(tmp_path / "set", 2), made, strict=True):
            np.testing.assert_array_equal(ours.lr, pair.lr)
    name = Path(made[0].name).stem
    images.write(Picture(made[0].hr), tmp_path / "results" / f"{name}.png")
    images.write(Picture(made[0].hr.repeat(2, 0).repeat(2, 1)), tmp_path / "results" / f"{name}-x2.png")
    with pytest.raises(EcbsrError, match=f"{name}-x2.png, which is not smaller"):
        list(pairs(tmp_path / "results", 2))
    images.write(Picture(made[0].lr), tmp_path / "low" / f"{name}_LR.png")
    with pytest.raises(EcbsrError, match=f"{name}_LR.png, but no HR image for it"):
        list(pairs(tmp_path / "low", 2))
    lay_out(tmp_path / "some", train_images, "{}_HR", "{}_LR")
    (tmp_path / "some" / f"{name}_LR.png").unlink()
    with pytest.raises(EcbsrError, match=f"none for {name}_HR.png"):
        list(pairs(tmp_path / "some", 2))
    images.write(Picture(made[0].hr), tmp_path / "some" / "other.png")
    with pytest.raises(EcbsrError, match=r"other\.png, which is neither HR nor LR"):
        list(pairs(tmp_path / "some", 2))
    images.write(Picture(made[0].hr), tmp_path / "alone" / "photo-x2.png")
    assert [pair.name for pair in pairs(tmp_path / "alone", 2)] == ["photo-x2.png"]


def test_all_images_that_cannot_be_read_are_said_at_once(train_images: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(train_images, tmp_path / "set")
    (folder / "0.png").write_bytes(b"")
    with pytest.raises(EcbsrError, match=r"^\S+0\.png: is empty$"):
        list(pairs(folder, 2))
    (folder / "z.jpg").write_text("no picture")
    with pytest.raises(EcbsrError, match=r"set: 2 images cannot be used: \S+0\.png: is empty; \S+z\.jpg: is not"):
        list(pairs(folder, 2))
    for number in range(20):
        (folder / f"{number}.png").write_bytes(b"")
    with pytest.raises(EcbsrError, match=r"21 images cannot be used: .*; and 11 more$"):
        list(pairs(folder, 2))


def test_images_that_are_not_read_are_named(train_images: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(train_images, tmp_path / "set")
    shutil.copytree(train_images, folder / "more")
    (folder / "empty").mkdir()
    (folder / "a.NEF").touch()
    with pytest.warns(UserWarning) as caught:
        assert len(list(pairs(folder, 2))) == 3
    assert [str(note.message) for note in caught] == [
        f"{folder}: without a.NEF, because .nef cannot be read",
        f"{folder}: without the images in the folders below it: more",
    ]
    with pytest.raises(EcbsrError, match=r"contains neither images \(those in set are not read\), nor HR/ and LR/"):
        list(pairs(tmp_path, 2))
