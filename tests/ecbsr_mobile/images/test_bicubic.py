"""Bicubic, color and windows against scikit-image, Pillow and results of MATLAB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import color

from ecbsr_mobile import images
from tests.ecbsr_mobile.images.conftest import noise


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_equals_matlab(benchmark_sets: Path, scale: int) -> None:
    worst = 0
    for name in ("Set5", "Set14"):
        for high in images.find(benchmark_sets / name / f"x{scale}" / "HR"):
            low = images.read(benchmark_sets / name / f"x{scale}" / "LR" / high.name).rgb()
            ours = images.downscale(images.read(high).rgb(), scale)
            worst = max(worst, int(np.abs(ours.astype(int) - low).max()))
    assert worst <= 1


@pytest.mark.parametrize("size", [(40, 30), (21, 20), (160, 120), (240, 180), (101, 77), (1, 1)])
def test_bicubic_equals_pillow_inside(size: tuple[int, int], random: np.random.Generator) -> None:
    picture = noise(random, 60, 80, 3)
    ours = images.resize_bicubic(picture.astype(np.float64), size)
    planes = [
        Image.fromarray(picture[..., c].astype(np.float32)).resize(size, Image.Resampling.BICUBIC) for c in range(3)
    ]
    expected = np.dstack([np.asarray(plane) for plane in planes])
    edge = max(3, 3 * size[0] // 80)  # Pillow treats the border in another way than MATLAB
    inner = (slice(edge, -edge), slice(edge, -edge)) if min(size) > 3 * edge else (slice(0), slice(0))
    np.testing.assert_allclose(ours[inner], expected[inner], atol=1e-3)
    assert ours.shape == (size[1], size[0], 3)


def test_bicubic_keeps_a_flat_image_flat() -> None:
    for dtype in (np.uint8, np.uint16, np.float32):
        flat = np.full((7, 5), 77, dtype)
        for size in ((10, 14), (3, 2), (1, 1)):
            result = images.resize_bicubic(flat, size)
            assert result.dtype == dtype
            np.testing.assert_allclose(result, 77, rtol=1e-6)


def test_luma_and_chroma_equal_skimage(random: np.random.Generator) -> None:
    rgb = noise(random, 40, 50, 3)
    expected = color.rgb2ycbcr(rgb)
    np.testing.assert_allclose(images.luma(rgb), expected[..., 0], atol=1e-4)
    np.testing.assert_allclose(images.chroma(rgb), expected[..., 1:], atol=1e-4)
    back = images.ycbcr_to_rgb(images.luma(rgb), images.chroma(rgb))
    np.testing.assert_allclose(back, rgb, atol=1e-3)


def test_padding_mirrors_and_crops_are_windows(random: np.random.Generator) -> None:
    plane = noise(random, 30, 50)
    padded = images.pad_to_size(plane, (64, 20))
    np.testing.assert_array_equal(padded, np.hstack([plane, plane[:, :35:-1]]))
    color_image = noise(random, 30, 50, 3)
    assert images.pad_to_size(color_image, (64, 40)).shape == (40, 64, 3)
    np.testing.assert_array_equal(images.center_crop(color_image, (20, 99)), color_image[:, 15:35])
    flat = np.full((64, 64), 9, np.uint8)
    flat[33:40, 17:25] = noise(random, 7, 8)
    np.testing.assert_array_equal(images.most_detailed_crop(flat, (16, 16)), flat[32:48, 16:32])
