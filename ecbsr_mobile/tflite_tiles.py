"""Tiles of a model that runs at its own size only: by how much they overlap, and why they may have seams."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .tflite.receptive_field import ReceptiveField

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAY_LEVEL = 1 / 255


def halo(size: int, radius: int | None) -> int:
    """By how many pixels tiles of a size overlap on each side."""
    return size // 4 if radius is None else min(radius, size // 2 - 1)


def seams(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]], shape: tuple[int, int, int], field: ReceptiveField
) -> str:
    """Why tiles of `shape` [H, W, C] may have seams; "" where they have none.

    `run` is the model: an image of that shape in [0, 1] → a larger one.
    """
    radius, step = field
    if radius is None:
        return "can depend on all of it"
    if radius > halo(min(shape[:2]), radius):
        return f"can depend on what is {radius} pixels away"
    gray = run(np.full(shape, 0.5, np.float32))
    scale = len(gray) // shape[0]
    inner = gray[radius * scale : len(gray) - radius * scale, radius * scale : gray.shape[1] - radius * scale]
    if max(_spread(inner, step * scale), _spread(inner.swapaxes(0, 1), step * scale)) > GRAY_LEVEL:
        return "turns one gray into another at each place"
    return ""


def _spread(values: NDArray[np.float32], period: int) -> float:
    """How far rows that are `period` apart differ."""
    count = len(values) // period
    rows = values[: count * period].reshape(count, period, *values.shape[1:])
    return float(np.ptp(rows, axis=0).max(initial=0)) if count else 0.0
