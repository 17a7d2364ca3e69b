"""Resampling planes of video between grids whose samples do not lie at the same places (chroma siting).

Coordinates are those of luma pixels, whose centers are at 0, 1, 2, …. A chroma sample k of a plane that is subsampled
by 2 lies at 2k where it is sited left or top, and at 2k + 0.5 where it is sited in the center: ITU-T H.264, Annex E
(`chroma_sample_loc_type`). The kernel is that of `images.resize_bicubic`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.opencv import opencv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.unsignedinteger]

_ONE = 1 << 14  # weights are multiples of 1/_ONE, so that sums are exact, in any order, on any processor

SITINGS = {
    "left": (0, 1), "center": (1, 1), "topleft": (0, 0), "top": (1, 0), "bottomleft": (0, 2), "bottom": (1, 2),
}  # fmt: skip
"""Horizontal and vertical place of a chroma sample among the two luma samples, in halves: FFmpeg's names."""


@dataclass(frozen=True)
class Grid:
    """Where the samples of a plane lie along one axis: at `offset + k · step`, in luma pixels."""

    step: int = 1
    offset: Fraction = Fraction(0)

    @classmethod
    def of_chroma(cls, subsampling: int, place: int) -> Grid:
        """Of chroma that is subsampled by 1, 2 or 4; `place`: 0 first, 1 between, 2 last (see `SITINGS`)."""
        return cls(subsampling, Fraction(subsampling - 1, 2) * place)

    def length(self, pixels: int) -> int:
        """The samples of a plane of so many luma pixels."""
        return -(-pixels // self.step)


LUMA = Grid()


def resample(plane: Plane, size: tuple[int, int], source: tuple[Grid, Grid], target: tuple[Grid, Grid], scale: int = 1,
             peak: int = 255) -> Plane:  # fmt: skip
    """A plane [H, W] on another grid, and `scale` times as large, by bicubic (a = −0.5) with repeated borders.

    Args:
        plane: uint8 or uint16.
        size: (width, height) of the result.
        source: the horizontal and the vertical grid of `plane`.
        target: those of the result, in pixels of the enlarged luma.
        scale: how many times the luma of the result is as large.
        peak: the largest value of the result.

    Returns:
        The samples [height, width] in the type of `plane`; rounded half up.
    """
    cv2 = opencv()
    across, down = (_axis(*grids, scale) for grids in zip(source, target, strict=True))
    if across == down == (1, 1, ((0, (_ONE,)),)) and plane.shape == (size[1], size[0]):
        return plane
    result = np.empty((size[1], size[0]), plane.dtype)
    padded = _covering(plane, size, across, down)
    exact = cv2.CV_32F if plane.dtype == np.uint8 else cv2.CV_64F  # for sums of one axis
    border = cv2.BORDER_REPLICATE
    columns = [
        np.ascontiguousarray(cv2.sepFilter2D(padded, exact, horizontal, _SAME, borderType=border)[:, :: across[1]])
        for horizontal in _kernels(across)
    ]
    for row, vertical in enumerate(_kernels(down)):
        part = result[row :: down[0]]
        for column, values in enumerate(columns):
            filtered = cv2.sepFilter2D(values, cv2.CV_64F, _SAME, vertical, borderType=border)[:: down[1]]
            # A little more than nothing, so that exact halves are rounded up: OpenCV rounds them to even.
            rounded = cv2.add(filtered, 2.0**-30, dtype=cv2.CV_8U if plane.dtype == np.uint8 else cv2.CV_16U)
            places = part[:, column :: across[0]]
            places[:] = rounded[: places.shape[0], : places.shape[1]]
    return result if peak == np.iinfo(plane.dtype).max else np.minimum(result, peak, out=result)


_SAME = np.ones(1)  # the kernel of an axis that stays

_Axis = tuple[int, int, tuple[tuple[int, tuple[int, ...]], ...]]  # phases, stride, and the taps of each phase


@lru_cache
def _axis(source: Grid, target: Grid, scale: int) -> _Axis:
    """The number of phases, the input samples from one output of a phase to the next, and each phase's taps.

    The taps of a phase are the position of the first, from its input sample, and their weights.
    """
    step = Fraction(target.step, scale * source.step)
    phases, stride = step.denominator, step.numerator
    half = Fraction(1, 2)
    first = ((target.offset + half) / scale - half - source.offset) / source.step
    return phases, stride, tuple(_taps(first + phase * step, max(step, Fraction(1))) for phase in range(phases))


def _taps(position: Fraction, width: Fraction) -> tuple[int, tuple[int, ...]]:
    """The weights, in 1/_ONE, of the samples around a position, for a kernel that is `width` times as wide."""
    start, stop = math.ceil(position - 2 * width), math.floor(position + 2 * width)
    weights = [_cubic(abs(position - index) / width) for index in range(start, stop + 1)]
    total = sum(weights)
    whole = [round(weight / total * _ONE) for weight in weights]
    whole[max(range(len(whole)), key=whole.__getitem__)] += _ONE - sum(whole)
    while len(whole) > 1 and whole[0] == 0:
        whole, start = whole[1:], start + 1
    while len(whole) > 1 and whole[-1] == 0:
        whole = whole[:-1]
    return start, tuple(whole)


def _cubic(x: Fraction) -> Fraction:
    """The cubic convolution kernel with a = −0.5 (R. Keys, 1981)."""
    if x <= 1:
        return (Fraction(3, 2) * x - Fraction(5, 2)) * x * x + 1
    return ((Fraction(-1, 2) * x + Fraction(5, 2)) * x - 4) * x + 2 if x < 2 else Fraction(0)


def _kernels(axis: _Axis) -> Iterator[NDArray[np.float64]]:
    """Each phase's kernel for OpenCV, whose middle is the input sample of the phase."""
    for start, weights in axis[2]:
        radius = max(-start, start + len(weights) - 1, 0)
        kernel = np.zeros(2 * radius + 1)
        kernel[radius + start : radius + start + len(weights)] = weights
        yield kernel / _ONE


def _covering(plane: Plane, size: tuple[int, int], across: _Axis, down: _Axis) -> NDArray[Any]:
    """The plane, with its last row and column repeated where the result reaches further."""
    needed = [
        (-(-length // phases) - 1) * stride + 1
        for length, (phases, stride, _) in zip((size[1], size[0]), (down, across), strict=True)
    ]
    missing = [(0, max(need - have, 0)) for need, have in zip(needed, plane.shape, strict=True)]
    return np.pad(plane, missing, mode="edge") if any(after for _, after in missing) else plane
