from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile import Picture, images, zoo
from ecbsr_mobile.errors import EcbsrError
from export.validation.sample_images import frame, samples


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such folder"),
        ("empty", "contains no image"),
        ("damaged", "a.png"),
        ("tiny", "at least 64x64"),
        ("flat", "or only flat ones"),
    ],
)
def test_images_that_cannot_be_used_are_refused(kind: str, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    if kind != "missing":
        folder.mkdir()
    if kind == "damaged":
        (folder / "a.png").write_bytes(zoo.pictures()[0].read_bytes()[:200])
    if kind == "tiny":
        images.write(Picture(np.zeros((20, 90, 3), np.uint8)), folder / "a.png")
    if kind == "flat":
        images.write(Picture(np.full((90, 90, 3), 7, np.uint8)), folder / "a.png")
    with pytest.raises(EcbsrError, match=message):
        samples(folder, 2, 1)


def test_gray_deep_and_large_images_become_samples(tmp_path: Path, random: np.random.Generator) -> None:
    images.write(Picture(random.integers(0, 256, (70, 101, 1), np.uint8)), tmp_path / "gray.png")
    images.write(Picture(random.integers(0, 65536, (64, 64, 3), np.uint16)), tmp_path / "deep.png")
    images.write(Picture(random.integers(0, 256, (900, 1400, 3), np.uint8)), tmp_path / "large.png")
    for colors in (1, 3):
        found = samples(tmp_path, 3, colors)
        assert [sample.name for sample in found] == ["deep.png", "gray.png", "large.png"]
        assert [sample.lr.shape for sample in found] == [(21, 21, colors), (23, 33, colors), (256, 256, colors)]
        assert [sample.hr_luma.shape for sample in found] == [(63, 63), (69, 99), (768, 768)]


def test_networks_of_every_scale_are_calibrated_on_the_same_pixels() -> None:
    at_2, at_8 = (samples(None, scale, 1)[0] for scale in (2, 8))
    height, width = at_8.hr_luma.shape
    assert at_8.lr.shape == (height // 8, width // 8, 1)
    for ours, other in zip(at_2.views, at_8.views, strict=True):
        np.testing.assert_array_equal(ours, other)


def test_a_frame_has_the_size_and_the_pixels_of_the_sample() -> None:
    sample = samples(None, 2, 3)[0]
    height, width = sample.lr.shape[:2]
    larger = frame(sample, (width + 5, height - 7))
    assert larger.shape == (height - 7, width + 5, 3)
    np.testing.assert_array_equal(larger[:, :width], sample.image[: height - 7])
    np.testing.assert_array_equal(larger[:, width:], sample.image[: height - 7, :-6:-1])


def test_many_images_are_thinned_out_evenly(tmp_path: Path) -> None:
    for number in range(30):
        images.write(Picture(255 * np.eye(64, dtype=np.uint8)[:, :, None]), tmp_path / f"{number:02}.png")
        images.write(Picture(255 * np.eye(48, dtype=np.uint8)[:, :, None]), tmp_path / f"{number:02}-small.png")
    names = [sample.name for sample in samples(tmp_path, 4, 1)]
    assert len(names) == 24
    assert (names[0], names[-1]) == ("00.png", "29.png")


def test_a_flat_image_among_others_is_left_out(tmp_path: Path) -> None:
    images.write(Picture(np.zeros((90, 90, 3), np.uint8)), tmp_path / "black.png")
    images.write(Picture(255 * np.eye(90, dtype=np.uint8)[:, :, None]), tmp_path / "line.png")
    assert [sample.name for sample in samples(tmp_path, 2, 1)] == ["line.png"]


def test_lr_images_beside_hr_are_not_samples(tmp_path: Path, random: np.random.Generator) -> None:
    for number in range(3):
        hr = random.integers(0, 256, (160, 160, 3), np.uint8)
        images.write(Picture(hr), tmp_path / f"img_{number}_SRF_2_HR.png")
        images.write(Picture(images.downscale(hr, 2)), tmp_path / f"img_{number}_SRF_2_LR.png")
    assert [sample.name for sample in samples(tmp_path, 2, 1)] == [f"img_{n}_SRF_2_HR.png" for n in range(3)]
