"""The planes of an image of Pillow, whatever its mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EcbsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_GRAY_STEP = {"L;2": 85, "L;4": 17}  # Pillow scales pixels of 2 and 4 bits to 8, but not the transparent value
_ROWS = 256  # converted at once, since Pillow needs several times the memory of what it converts


@dataclass(frozen=True)
class Planes:
    """Gray [H, W, 1] or RGB [H, W, 3] and alpha [H, W] as they lie in the file, and the EXIF orientation 1 to 8."""

    color: NDArray[Any]
    alpha: NDArray[Any] | None = None
    orientation: int = 1

    @classmethod
    def from_opencv(cls, pixels: NDArray[Any], orientation: int) -> Planes:
        """Of [H, W], or [H, W, 3 or 4] as BGR and alpha; the memory of BGR is used again."""
        if pixels.ndim == 2:
            return cls(pixels[:, :, None], None, orientation)
        if pixels.shape[2] == 3:
            for top in range(0, len(pixels), _ROWS):
                strip = pixels[top : top + _ROWS]
                strip[:] = strip[:, :, ::-1].copy()
            return cls(pixels, None, orientation)
        return cls(np.ascontiguousarray(pixels[:, :, 2::-1]), np.ascontiguousarray(pixels[:, :, 3]), orientation)

    def gray(self) -> Planes:
        """The same with the first channel alone."""
        return Planes(np.ascontiguousarray(self.color[:, :, :1]), self.alpha, self.orientation)

    def upright(self) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Color and alpha, turned as the orientation says."""
        alpha = None if self.alpha is None else _turned(self.alpha, self.orientation)
        return _turned(self.color, self.orientation), alpha


def planes_of(image: Image, layout: str, notes: list[str]) -> Planes:
    """The planes of a loaded image, whose raw mode in the file is `layout`; adds notes on what cannot be kept.

    Raises:
        EcbsrError: its values are neither 8 nor 16 bits without sign.
    """
    from . import metadata

    mode = image.mode
    orientation = metadata.orientation_of(image)
    if (mode == "I" and image.format in ("PPM", "PNG")) or mode.startswith("I;16"):
        return _gray_16(image, orientation)
    sample_formats = image.tag_v2.get(339, ()) if image.format == "TIFF" else ()  # type: ignore[attr-defined]
    if mode in ("I", "F") or set(np.atleast_1d(sample_formats).tolist()) - {1, 4}:
        kind = "float" if mode == "F" else "signed or 32-bit"
        raise EcbsrError(f"contains {kind} values; convert it to 8 or 16 bits per channel without sign")
    if mode in ("CMYK", "LAB", "YCbCr"):
        return Planes(_array(metadata.to_srgb(image, notes)), None, orientation)
    transparent = image.has_transparency_data
    if transparent and mode in ("1", "L"):
        value = int(image.info["transparency"]) * _GRAY_STEP.get(layout, 1)
        plane = _array(image.convert("L"))
        return Planes(plane, np.where(plane[:, :, 0] == value, 0, 255).astype(np.uint8), orientation)
    target = ("L" if mode in ("1", "L", "LA", "La") else "RGB") + "A" * transparent
    values = _array(image if mode == target else image.convert(target))
    if not transparent:
        return Planes(values, None, orientation)
    return Planes(np.ascontiguousarray(values[:, :, :-1]), np.ascontiguousarray(values[:, :, -1]), orientation)


def _gray_16(image: Image, orientation: int) -> Planes:
    values = _array(image)
    if int(values.min(initial=0)) < 0 or int(values.max(initial=0)) > 65535:
        raise EcbsrError("contains 32-bit values; convert it to 8 or 16 bits per channel without sign")
    values = values.astype(np.uint16)
    transparency = image.info.get("transparency")
    alpha = None if transparency is None else np.where(values[:, :, 0] == transparency, 0, 65535).astype(np.uint16)
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits = int(np.atleast_1d(tags.get(258, 16))[0])
        peak = (1 << bits) - 1
        if bits < 16:
            values = ((values.astype(np.uint32) * 65535 + peak // 2) // peak).astype(np.uint16)
        if tags.get(262) == 0:  # white is zero; Pillow inverts 8 bits alone
            values = 65535 - values
    return Planes(values, alpha, orientation)


def _array(image: Image) -> NDArray[Any]:
    """The pixels [H, W, C]."""
    channels = len(image.getbands())
    dtype = np.uint16 if image.mode.startswith("I;16") else np.int32 if image.mode == "I" else np.uint8
    result = np.empty((image.height, image.width, channels), dtype)
    for top in range(0, image.height, _ROWS):
        bottom = min(top + _ROWS, image.height)
        strip = np.asarray(image.crop((0, top, image.width, bottom)))
        result[top:bottom] = strip.reshape(bottom - top, image.width, channels)
    return result


def _turned(plane: NDArray[Any], orientation: int) -> NDArray[Any]:
    """EXIF 2.32, tag 0x0112: 5 to 8 swap rows and columns; then rows, columns or both are mirrored."""
    if orientation >= 5:
        plane = plane.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        plane = plane[::-1]
    if orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1]
    return np.ascontiguousarray(plane)
