"""Resampling of planes: against bicubic of whole images, and against linear ramps for every chroma siting."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ecbsr_mobile import images
from ecbsr_mobile.video.chroma import LUMA, SITINGS, Grid, resample


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_luma_is_enlarged_as_whole_images_are(scale: int, dtype: type) -> None:
    peak = 255 if dtype == np.uint8 else 1023
    plane = np.random.default_rng(0).integers(0, peak + 1, (29, 43)).astype(dtype)
    size = (43 * scale, 29 * scale)
    ours = resample(plane, size, (LUMA, LUMA), (LUMA, LUMA), scale, peak).astype(np.float64)
    expected = images.resize_bicubic(plane.astype(np.float64), size).clip(0, peak)
    assert ours.shape == (29 * scale, 43 * scale)
    assert np.abs(ours - expected).max() <= 0.5 + peak * 2.0**-12


@pytest.mark.parametrize("siting", SITINGS)
@pytest.mark.parametrize("subsampling", [(2, 2), (2, 1), (4, 1), (1, 1)])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_ramp_stays_where_it_is(siting: str, subsampling: tuple[int, int], scale: int) -> None:
    """What a chroma sample means is the color at its place; a ramp shows a shift of a hundredth of a pixel."""
    grids = [Grid.of_chroma(*pair) for pair in zip(subsampling, SITINGS[siting], strict=True)]
    width = height = 36

    def places(axis: int, count: int) -> np.ndarray:
        share = SITINGS[siting][axis] / 2  # of the way from the first to the last luma sample that it stands for
        return np.arange(count) * subsampling[axis] + share * (subsampling[axis] - 1)

    def color(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 10000 + 90 * x[None, :] + 130 * y[:, None]

    plane = np.rint(color(places(0, width), places(1, height))).astype(np.uint16)
    size = (width * scale, height * scale)
    ours = resample(plane, size, (grids[0], grids[1]), (grids[0], grids[1]), scale, 65535)
    x, y = ((places(axis, size[axis]) + 0.5) / scale - 0.5 for axis in (0, 1))
    inner = slice(3 * scale, -3 * scale)
    assert np.abs(ours - color(x, y))[inner, inner].max() < 1.2  # a shift of a hundredth of a luma pixel is 1


@pytest.mark.parametrize(("place", "offset"), [(0, 0.0), (1, 1.5), (2, 3.0)])
def test_other_subsamplings_become_usual_ones(place: int, offset: float) -> None:
    source, target = Grid.of_chroma(4, place), Grid.of_chroma(2, 0)
    plane = np.rint(1000 + 100 * (np.arange(30) * 4 + offset)).astype(np.uint16)[None].repeat(8, 0)
    ours = resample(plane, (60, 8), (source, LUMA), (target, LUMA), 1, 65535)
    assert np.abs(ours[4] - (1000 + 100 * np.arange(60) * 2))[8:-8].max() <= 1


def test_full_resolution_goes_to_half_without_a_shift() -> None:
    plane = np.rint(1000 + 100 * np.arange(64)).astype(np.uint16)[None].repeat(8, 0)
    for place, offset in ((0, 0.0), (1, 0.5)):
        ours = resample(plane, (32, 8), (LUMA, LUMA), (Grid.of_chroma(2, place), LUMA), 1, 65535)
        assert np.abs(ours[4] - (1000 + 100 * (np.arange(32) * 2 + offset)))[4:-4].max() <= 1


def test_odd_sizes_and_the_type_are_kept() -> None:
    plane = np.full((3, 5), 1023, np.uint16)
    chroma = Grid(2, Fraction(1, 2))
    ours = resample(plane, (15, 9), (chroma, chroma), (chroma, chroma), 3, 1023)
    assert ours.dtype == np.uint16 and ours.shape == (9, 15) and (ours == 1023).all()
