"""Images: files, BT.601 luma and chroma as papers measure them, MATLAB-compatible bicubic, and windows of images.

Arrays are [H, W, C] in RGB order, or [H, W] for a single plane. Color conversion works on float values in 0..255.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import EcbsrError, UsageError
from .utils.files import atomic_write
from .utils.opencv import opencv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.floating]

READABLE = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
"""File name extensions of the images in a folder."""

WITHOUT_16_BIT = (".jpg", ".jpeg", ".webp", ".bmp")
WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp", ".ppm", ".pgm")

RGB_TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
"""Limited-range BT.601 for RGB in 0..255, as in MATLAB's rgb2ycbcr, without the offsets 16, 128, 128; rows Y, Cb, Cr.

Source: ITU-R BT.601-7, section 2.5; the sums of the rows are 219/255, 0 and 0.
"""

_YCBCR_TO_RGB = np.linalg.inv(RGB_TO_YCBCR)


@dataclass(frozen=True)
class Picture:
    """An image as stored in a file.

    `pixels` is [H, W, 3] (RGB) or [H, W, 1] (gray), uint8 or uint16; `alpha` is [H, W] of the same type, or None.
    """

    pixels: NDArray[np.unsignedinteger]
    alpha: NDArray[np.unsignedinteger] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def peak(self) -> int:
        """The value of white: 255 or 65535."""
        return int(np.iinfo(self.pixels.dtype).max)

    def rgb(self) -> NDArray[np.uint8]:
        """The image as 8-bit RGB [H, W, 3]: without alpha, 16-bit values rounded, gray repeated."""
        pixels = self.pixels
        if pixels.dtype != np.uint8:
            pixels = round_to(pixels / 257.0, np.uint8)
        return pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels


def read(path: str | os.PathLike[str]) -> Picture:
    """Read an image of any format that OpenCV supports; the EXIF orientation of a JPEG is applied.

    Raises:
        EcbsrError: the file is missing, empty, truncated, or not an image.
    """
    cv2 = opencv()
    data = _file_bytes(path)
    try:
        # UNCHANGED keeps alpha but ignores the orientation, which in practice only files without alpha have.
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if pixels is not None and (pixels.ndim == 2 or pixels.shape[2] == 3):
            upright = cv2.IMREAD_ANYDEPTH | (cv2.IMREAD_GRAYSCALE if pixels.ndim == 2 else cv2.IMREAD_COLOR)
            pixels = cv2.imdecode(data, upright)
    except cv2.error as error:
        raise EcbsrError(f"{path}: cannot be read as an image ({error.err})") from None
    if pixels is None:
        raise EcbsrError(f"{path}: is not an image of a known format, or is truncated; use a complete PNG or JPEG")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise EcbsrError(f"{path}: contains {pixels.dtype} values; convert it to 8 or 16 bits per channel")
    if pixels.ndim == 2:
        return Picture(pixels[:, :, None])
    alpha = np.ascontiguousarray(pixels[:, :, 3]) if pixels.shape[2] == 4 else None
    return Picture(np.ascontiguousarray(pixels[:, :, 2::-1]), alpha)


def write(image: Picture, path: str | os.PathLike[str]) -> None:
    """Write an image in the format of the extension of `path` (see `files.atomic_write`); JPEG with quality 95.

    Raises:
        UsageError: the format is unknown, or does not support the image's 16 bits or alpha.
        EcbsrError: the file cannot be written.
    """
    cv2 = opencv()
    ending = check_format(path)
    pixels = image.pixels
    if pixels.dtype == np.uint16 and ending in WITHOUT_16_BIT:
        raise UsageError(f"{path}: a {ending} file cannot have 16 bits per channel; write a .png")
    if image.alpha is not None and ending in WITHOUT_ALPHA:
        raise UsageError(f"{path}: a {ending} file cannot have transparency; write a .png")
    if image.alpha is not None:
        color = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, ::-1]
        stored = np.dstack([color, image.alpha])
    else:
        stored = pixels if pixels.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if ending in (".jpg", ".jpeg") else []
    with atomic_write(path) as temporary:
        try:
            done = cv2.imwrite(os.fspath(temporary), stored, options)
        except cv2.error as error:
            raise EcbsrError(f"cannot write {path}: {error.err}") from None
        # OpenCV gives no reason for a failure, and can report success for an empty file on a full disk.
        if not done or temporary.stat().st_size == 0:
            raise EcbsrError(f"cannot write {path}: the disk may be full, or the image too large for the format")


def check_format(path: str | os.PathLike[str]) -> str:
    """The lower-case extension of `path`, such as `.png`.

    Raises:
        UsageError: it is not the extension of an image format.
    """
    ending = Path(path).suffix.lower()
    if ending not in READABLE:
        raise UsageError(f"{path}: unknown image format {ending!r}; use one of {', '.join(READABLE)}")
    return ending


def find(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files directly inside a folder, sorted by name.

    Raises:
        EcbsrError: the folder is missing, is a file, or contains no image.
    """
    root = Path(folder)
    if not root.is_dir():
        raise EcbsrError(f"{folder}: no such folder" if not root.exists() else f"{folder}: is a file, not a folder")
    try:
        paths = sorted(p for p in root.iterdir() if p.suffix.lower() in READABLE and not p.name.startswith("."))
    except OSError as error:
        raise EcbsrError(f"{folder}: cannot be listed: {error.strerror}") from None
    if not paths:
        raise EcbsrError(f"{folder}: contains no image ({', '.join(READABLE)})")
    return paths


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
    inverse = _YCBCR_TO_RGB.astype(np.float32)
    y, cb, cr = y - np.float32(16), cbcr[..., 0] - np.float32(128), cbcr[..., 1] - np.float32(128)
    return np.stack([row[0] * y + row[1] * cb + row[2] * cr for row in inverse], axis=-1)


def round_to(values: FloatArray, dtype: np.dtype[Any] | type) -> NDArray[Any]:
    """Round half up and clip to the range of an unsigned integer type, as MATLAB's `uint8()` does."""
    return np.floor(np.clip(values, 0, np.iinfo(dtype).max) + 0.5).astype(dtype)


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


def most_detailed_crop(image: NDArray[Any], size: tuple[int, int], step: int = 16) -> NDArray[Any]:
    """The `size` (width, height) window with the most `detail`, of those on a grid of `step` pixels; a view.

    The image must be at least as large (see `pad_to_size`).
    """
    width, height = size
    tops, lefts = range(0, image.shape[0] - height + 1, step), range(0, image.shape[1] - width + 1, step)
    return max((image[y : y + height, x : x + width] for y in tops for x in lefts), key=detail)


def tiles(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Divide 0..length into (start, stop) pieces of at most `step`."""
    for start in range(0, length, step):
        yield start, min(start + step, length)


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


def _file_bytes(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise EcbsrError(f"{path}: cannot be read: {error.strerror}") from None
    if not data.size:
        raise EcbsrError(f"{path}: is empty")
    return data
