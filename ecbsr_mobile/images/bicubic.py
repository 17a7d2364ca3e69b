"""MATLAB-compatible bicubic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from .color import round_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.floating]


def resize_bicubic(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Bicubic resize (a = −0.5) as MATLAB's `imresize`: with antialiasing when it shrinks, and repeated borders.

    Args:
        image: [H, W] or [H, W, C]; integers or floats.
        size: (width, height) of the result.

    Returns:
        An array of the type of `image`. Integers are rounded and clipped after each axis, rows first, as in MATLAB;
        floats are neither, so that the kernel can overshoot.
    """
    values = image
    for axis, length in ((0, size[1]), (1, size[0])):
        weights, taps = _contributions(image.shape[axis], length)
        if image.dtype.kind == "f":
            values = _weighted_sum(values, weights.astype(image.dtype), taps, axis)
        else:
            # The last bits depend on the order of the sum; without this, exact halves would round either way.
            exact = np.round(_weighted_sum(values.astype(np.float64), weights, taps, axis), 9)
            values = round_to(exact, image.dtype)
    return values


def downscale(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """The LR image of an HR image by MATLAB-compatible bicubic: [scale·H, scale·W, C] → [H, W, C].

    Raises:
        UsageError: width or height is not a multiple of `scale`.
    """
    height, width = image.shape[:2]
    if height % scale or width % scale:
        raise UsageError(
            f"{width}x{height} pixels are not a multiple of {scale}; crop the image first (`crop_to_multiple`)"
        )
    return resize_bicubic(image, (width // scale, height // scale))


def _contributions(in_length: int, out_length: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Weights and input positions, both [out_length, taps], of every output position along one axis."""
    scale = out_length / in_length
    shrink = min(scale, 1.0)
    support = 4.0 / shrink
    centers = (np.arange(out_length) + 0.5) / scale - 0.5
    first = np.floor(centers - support / 2).astype(np.int64)
    positions = first[:, None] + np.arange(math.ceil(support) + 2)
    weights = shrink * _cubic(shrink * (centers[:, None] - positions))
    weights /= weights.sum(axis=1, keepdims=True)
    weights = np.round(weights, 12)  # positions far from 0 are less precise; a tile must get the same weights
    used = np.any(weights != 0, axis=0)
    return weights[:, used], np.clip(positions[:, used], 0, in_length - 1)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic convolution kernel with a = −0.5 (R. Keys, 1981)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _weighted_sum(image: FloatArray, weights: FloatArray, taps: NDArray[np.int64], axis: int) -> FloatArray:
    # Summed in a fixed order, unlike a matrix product, so that a tile has the same bits as the whole image.
    shape = [1] * image.ndim
    shape[axis] = -1
    total = weights[:, 0].reshape(shape) * image.take(taps[:, 0], axis)
    for tap in range(1, taps.shape[1]):
        total += weights[:, tap].reshape(shape) * image.take(taps[:, tap], axis)
    return total
