"""The colors below transparency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPREAD = 4
"""How many pixels beyond what is seen get its colors: more than the bicubic kernel and most of a network's."""


def filled(pixels: NDArray[np.unsignedinteger], alpha: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """The pixels [H, W, C] with the colors of visible ones spread over fully transparent ones beside them.

    Nobody sees their own color, which editors often leave black: a filter would blend it into the edges of what is
    seen. `alpha` is [H, W]. A pixel gets the mean of those of its 8 neighbors that have a color, `SPREAD` times; the
    Android app does the same, in integers.
    """
    known = alpha > 0
    if known.all() or not known.any():
        return pixels
    result = pixels.astype(np.int32)
    for _ in range(SPREAD):
        counts = _sum_of_neighbors(known.astype(np.int32)[:, :, None])
        sums = _sum_of_neighbors(result * known[:, :, None])
        new = ~known & (counts[:, :, 0] > 0)
        result[new] = (2 * sums[new] + counts[new]) // (2 * counts[new])
        known |= new
    return result.astype(pixels.dtype)


def _sum_of_neighbors(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """The sum over 3x3 pixels around each one, of [H, W, C]; 0 beyond the borders."""
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    result: NDArray[np.int32] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return result
