"""BT.601 luma and chroma as papers measure them, on float values in 0..255."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.floating]

RGB_TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
"""Limited-range BT.601 for RGB in 0..255, as in MATLAB's rgb2ycbcr, without the offsets 16, 128, 128; rows Y, Cb, Cr.

Source: ITU-R BT.601-7, section 2.5; the sums of the rows are 219/255, 0 and 0.
"""

YCBCR_TO_RGB = np.linalg.inv(RGB_TO_YCBCR)
"""The inverse, with rows R, G, B."""


def luma(rgb: NDArray[np.generic]) -> NDArray[np.float32]:
    """BT.601 luma [H, W] in 16..235 of RGB [H, W, 3] in 0..255; not rounded."""
    weights = RGB_TO_YCBCR[0].astype(np.float32)
    planes = rgb.astype(np.float32)
    # Summed in a fixed order, unlike a matrix product, so that a tile has the same bits as the whole image.
    return planes[..., 0] * weights[0] + planes[..., 1] * weights[1] + planes[..., 2] * weights[2] + np.float32(16)


def chroma(rgb: NDArray[np.generic]) -> NDArray[np.float32]:
    """BT.601 Cb and Cr [H, W, 2] in 16..240 of RGB [H, W, 3] in 0..255; not rounded."""
    planes, (cb, cr) = rgb.astype(np.float32), RGB_TO_YCBCR[1:].astype(np.float32)
    both = [planes[..., 0] * row[0] + planes[..., 1] * row[1] + planes[..., 2] * row[2] for row in (cb, cr)]
    return np.stack(both, axis=-1) + np.float32(128)


def ycbcr_to_rgb(y: FloatArray, cbcr: FloatArray) -> NDArray[np.float32]:
    """RGB [H, W, 3] in 0..255 (not clipped) of luma [H, W] and chroma [H, W, 2]."""
    inverse = YCBCR_TO_RGB.astype(np.float32)
    y, cb, cr = y - np.float32(16), cbcr[..., 0] - np.float32(128), cbcr[..., 1] - np.float32(128)
    return np.stack([row[0] * y + row[1] * cb + row[2] * cr for row in inverse], axis=-1)


def round_to(values: FloatArray, dtype: np.dtype[Any] | type) -> NDArray[Any]:
    """Round half up and clip to the range of an unsigned integer type, as MATLAB's `uint8()` does."""
    return np.floor(np.clip(values, 0, np.iinfo(dtype).max) + 0.5).astype(dtype)
