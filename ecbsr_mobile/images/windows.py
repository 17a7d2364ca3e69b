"""Windows of images: crops, borders and tiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = 16
"""Pixels between the windows that are compared."""


def crop_to_multiple(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """The top left part of an image [H, W, C], with the largest multiples of `scale` as width and height; a view."""
    height, width = image.shape[:2]
    return image[: height - height % scale, : width - width % scale]


def pad_to_size(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """An image [H, W] or [H, W, C] of at least `size` (width, height), mirrored beyond its right and bottom borders."""
    missing = [(0, max(full - side, 0)) for full, side in zip((size[1], size[0]), image.shape, strict=False)]
    return np.pad(image, [*missing, *[(0, 0)] * (image.ndim - 2)], mode="symmetric")


def center_crop(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """The middle of an image [H, W] or [H, W, C], at most `size` (width, height); a view."""
    top, left = (max(side - full, 0) // 2 for side, full in zip(image.shape[:2], (size[1], size[0]), strict=True))
    return image[top : top + size[1], left : left + size[0]]


def detail(image: NDArray[Any]) -> float:
    """How much neighboring pixels of [H, W] or [H, W, C] differ: mean absolute difference by column plus by row."""
    values = image.astype(np.float64)
    return sum(float(np.abs(np.diff(values, axis=axis)).mean()) for axis in (0, 1))


def most_detailed_crop(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """The `size` (width, height) window with the most `detail`, of those on a grid of `GRID` pixels; a view.

    The image must be at least as large (see `pad_to_size`).
    """
    top, left = most_detailed_corner(image, size)
    return image[top : top + size[1], left : left + size[0]]


def most_detailed_corner(image: NDArray[Any], size: tuple[int, int], grid: int = GRID) -> tuple[int, int]:
    """(top, left) of that window, where the windows are on a grid of `grid` pixels; the first of equal ones."""
    width, height = size
    values = image.astype(np.float64).reshape(*image.shape[:2], -1)
    across, down = (np.abs(np.diff(values, axis=axis)).sum(axis=2) for axis in (1, 0))
    details = _window_means(across, height, width - 1) + _window_means(down, height - 1, width)
    row, column = np.unravel_index(np.argmax(details[::grid, ::grid]), details[::grid, ::grid].shape)
    return int(row) * grid, int(column) * grid


def _window_means(plane: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """The mean of each window of [H, W], by its top left corner; 0 for windows of no pixels."""
    sums = np.pad(plane, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    rows, columns = plane.shape[0] - height + 1, plane.shape[1] - width + 1
    below, above = sums[height:], sums[:rows]
    total = below[:, width:] - above[:, width:] - below[:, :columns] + above[:, :columns]
    return total / max(height * width, 1)


def tiles(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Divide 0..length into (start, stop) pieces of at most `step`."""
    for start in range(0, length, step):
        yield start, min(start + step, length)
