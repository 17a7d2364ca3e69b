"""What an int8 activation can hold: shared by the simulation in torch and by what writes the file without it."""

from __future__ import annotations

import numpy as np

LEAST_SPAN = 1e-5
"""The narrowest range of an activation, in units of white: far below anything that shows."""

LEAKY_SLOPES = (1 / 32, 16.0)
"""The slopes of an int8 LEAKY_RELU that are written as one.

XNNPACK takes one whose slope times in_scale/out_scale lies in [1/256, 128] (or the same below zero); a factor of 8 to
the lower bound is left for that ratio of scales.
"""


def affine(low: float, high: float) -> tuple[float, int]:
    """Scale (a float32 value) and zero point of int8 for a range, widened to hold 0 and shifted so that 0 is exact.

    0 must be exact, for it is what convolutions pad with.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max(high - low, LEAST_SPAN) / 255))
    return scale, max(-128, min(127, round(-128 - low / scale)))
