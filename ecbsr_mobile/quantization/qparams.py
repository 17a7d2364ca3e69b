"""What an int8 activation can hold: shared by the simulation in torch and by what writes the file without it.

To round what was rounded before costs as much again, unless it lies on the new steps already. So where an activation is
computed from another, or added to one, the steps of both are made to fit into each other: what passes through unchanged
(PReLU's positive half) and the sum of two are exact then, and so is the image with the residual added.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

End = TypeVar("End", float, "Tensor")
Ends = tuple[End, End]
"""The lowest and the highest value of a range."""

MIN_RANGE_WIDTH = 1e-5
"""The narrowest range of an activation, in units of white: far below anything that shows."""

IMAGE_RANGE = (0.0, 1.0)
"""The range of the image and of the result: scale 1/255, zero point -128, so that an int8 is a pixel xor 0x80."""

RESIDUAL_RANGE = (-128 / 255, 127 / 255)
"""The range of what is added to the image: the image's own steps."""

_MOST = 32
"""Of the steps of an activation in one of its convolution: XNNPACK's limits for such a ratio are far from it."""

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
    scale = float(np.float32(max(high - low, MIN_RANGE_WIDTH) / 255))
    return scale, max(-128, min(127, round(-128 - low / scale)))


def align_activation_ranges(conv: Ends[End], act: Ends[End], summed: bool) -> tuple[Ends[End], Ends[End]]:
    """The ranges of a convolution and of its activation, widened until its steps are a multiple of the activation's.

    Where the result is not `summed` with a rest, that pays if it makes them less than the square root of 2 coarser:
    what is won on values above 0 is lost below. All ranges hold 0. Ends are numbers, or 0-dimensional tensors that
    gradients pass through.
    """
    conv_width, act_width = conv[1] - conv[0], act[1] - act[0]
    ratio = _number(conv_width) / max(_number(act_width), MIN_RANGE_WIDTH)
    if ratio < 1:
        return _widened(conv, act_width), act
    times = min(math.floor(ratio), _MOST)
    if not summed and ratio**2 > 2 * times**2:
        return conv, act
    return conv, _widened(act, conv_width / times)


def added(rest: End, total: Ends[End]) -> End:
    """The highest value of what is added, from 0 up to `rest` or more, whose steps are a multiple of the sum's.

    `rest` itself where such steps are so coarse that rounding the sum once more costs less.
    """
    width = total[1] - total[0]
    ratio = _number(rest) / max(_number(width), MIN_RANGE_WIDTH)
    times = max(1, math.ceil(ratio))
    return width * times if times**2 <= ratio**2 + 1 else rest


def _widened(ends: Ends[End], width: End) -> Ends[End]:
    low, high = ends
    if _number(high - low) < MIN_RANGE_WIDTH:
        return ends
    factor = width / (high - low)
    return low * factor, high * factor


def _number(end: End) -> float:
    return end if isinstance(end, float) else end.item()
