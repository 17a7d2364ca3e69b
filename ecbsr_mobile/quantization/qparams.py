"""int8 quantization parameters: scale and zero point of an activation, and how values are rounded with them.

Shared by the simulation in PyTorch and by the exporter, which does not import PyTorch.

Requantizing an int8 value costs another rounding error, unless the new scale divides the old one. Where an activation
is computed from another, or added to it, their ranges are therefore widened until the scales are aligned: one is an
integer multiple of the other. Then the values that a PReLU does not change (the positive half) and the sum of two
activations are not requantized, and the sum of image and residual is exact.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray
    from torch import Tensor

Value = TypeVar("Value", float, "Tensor")
Range = tuple[Value, Value]
"""The minimum and the maximum of a range: numbers, or 0-dimensional tensors that gradients pass through."""

MIN_RANGE_WIDTH = 1e-5
"""The narrowest range of an activation, where 1 is white: far below anything visible."""

IMAGE_RANGE = (0.0, 1.0)
"""The range of the image and of the result: scale 1/255, zero point -128, so that an int8 value is a pixel xor 0x80."""

RESIDUAL_RANGE = (-128 / 255, 127 / 255)
"""The range of the residual, which is added to the image: it has the image's scale."""

_MAX_RATIO = 32
"""Largest ratio of aligned scales of a convolution and its activation; XNNPACK's limits for it are far higher."""

LEAKY_SLOPES = (1 / 32, 16.0)
"""The slopes that an int8 LEAKY_RELU can have; others need another operator.

XNNPACK requires slope · in_scale/out_scale to lie in [1/256, 128] or in [-127.996, -1/256]. The limits here leave a
factor of 8 on both sides for the ratio of the scales.
"""


def scale_and_zero_point(low: float, high: float) -> tuple[float, int]:
    """The int8 scale (a float32 value) and zero point of a range of real values.

    The range is first widened to include 0, then shifted by less than half a scale so that 0 is exact: convolutions
    pad with it.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max(high - low, MIN_RANGE_WIDTH) / 255))
    return scale, max(-128, min(127, round(-128 - low / scale)))


def quantize(
    values: NDArray[np.floating],
    scale: float | NDArray[np.floating],
    zero_point: int | NDArray[np.integer] = 0,
    dtype: DTypeLike = np.int8,
    narrow: bool = False,
) -> NDArray[Any]:
    """Integers that stand for real values: round(values / scale) + zero_point, clipped to the range of `dtype`.

    Rounds half to even, as XNNPACK, NumPy and PyTorch do, so that the simulation, the exporter and the runtime agree.

    Args:
        values: real values, of any shape.
        scale: a number, or an array that broadcasts (one scale per channel).
        zero_point: likewise.
        dtype: an integer type.
        narrow: leave out the lowest integer, as int8 weights do: [-127, 127].
    """
    limits = np.iinfo(np.dtype(dtype))
    return np.clip(np.round(values / scale) + zero_point, limits.min + narrow, limits.max).astype(dtype)


def dequantize(
    stored: NDArray[np.integer],
    scale: float | NDArray[np.floating],
    zero_point: int | NDArray[np.integer] = 0,
    dtype: DTypeLike = np.float32,
) -> NDArray[Any]:
    """The real values that integers stand for: (stored - zero_point) * scale, computed in `dtype`."""
    return (stored.astype(dtype) - np.asarray(zero_point, dtype)) * np.asarray(scale, dtype)


def align_activation_ranges(conv: Range[Value], act: Range[Value], summed: bool) -> tuple[Range[Value], Range[Value]]:
    """Widen the ranges of a convolution and of its activation until the scales are aligned.

    The convolution's scale becomes an integer multiple of the activation's. If the activation is not `summed` with
    the convolution (x + relu((slope - 1)·x) is), this is done only where it makes the scale less than √2 coarser:
    exact positive values are then worth more than the precision that negative values lose.

    Both ranges must contain 0.
    """
    conv_width, act_width = conv[1] - conv[0], act[1] - act[0]
    ratio = _number(conv_width) / max(_number(act_width), MIN_RANGE_WIDTH)
    if ratio < 1:
        return _widened(conv, act_width), act
    times = min(math.floor(ratio), _MAX_RATIO)
    if not summed and ratio**2 > 2 * times**2:
        return conv, act
    return conv, _widened(act, conv_width / times)


def align_addend_max(addend_max: Value, total: Range[Value]) -> Value:
    """The maximum of an addend's range [0, `addend_max`], raised until its scale is a multiple of the sum's.

    Unchanged where such a scale is so coarse that requantizing the sum costs less.
    """
    width = total[1] - total[0]
    ratio = _number(addend_max) / max(_number(width), MIN_RANGE_WIDTH)
    times = max(1, math.ceil(ratio))
    return width * times if times**2 <= ratio**2 + 1 else addend_max


def double_ranges(act: Range[Value]) -> tuple[Range[Value], Range[Value]]:
    """The ranges of relu((1 - slope)·x) and slope·x, whose sum has the range `act`: all three have one scale.

    The sum is then not requantized.
    """
    low, high = act
    return (low - low, high - low), act


def _widened(limits: Range[Value], width: Value) -> Range[Value]:
    low, high = limits
    if _number(high - low) < MIN_RANGE_WIDTH:
        return limits
    factor = width / (high - low)
    return low * factor, high * factor


def _number(value: Value) -> float:
    return value if isinstance(value, float) else value.item()
