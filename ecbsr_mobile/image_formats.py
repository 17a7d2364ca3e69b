"""The image formats that can be written, and what each can hold; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ImageFormat:
    """What a format can hold.

    Attributes:
        pillow: Pillow's name of it; empty for a format that is written row by row.
        options: of Pillow's encoder, where no quality is asked for.
        sixteen_bit: 16 bits per channel.
        alpha: transparency.
        color: RGB; otherwise gray alone.
        metadata: a color profile and EXIF.
        quality: a quality from 1 to 100.
        max_side: pixels along a side; None: no limit that matters.
    """

    pillow: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    sixteen_bit: bool = False
    alpha: bool = False
    color: bool = True
    metadata: bool = False
    quality: bool = False
    max_side: int | None = None


FORMATS = {
    ".png": ImageFormat(sixteen_bit=True, alpha=True, metadata=True),
    ".jpg": ImageFormat("JPEG", {"quality": 95}, metadata=True, quality=True, max_side=65500),
    ".webp": ImageFormat(
        "WEBP", {"lossless": True, "exact": True}, alpha=True, metadata=True, quality=True, max_side=16383
    ),
    ".tif": ImageFormat("TIFF", {"compression": "tiff_lzw"}, sixteen_bit=True, alpha=True, metadata=True),
    ".bmp": ImageFormat("BMP"),
    ".ppm": ImageFormat(sixteen_bit=True),
    ".pgm": ImageFormat(sixteen_bit=True, color=False),
}
"""The formats by file name extension."""

ALIASES = {".jpeg": ".jpg", ".tiff": ".tif"}
"""Other extensions of the same formats."""

WRITABLE = (*FORMATS, *ALIASES)
"""Every extension of a format."""


def normalized(extension: str) -> str:
    """An extension such as ".JPEG" as it stands in `FORMATS`: ".jpg"; one that is unknown in lower case."""
    return ALIASES.get(extension.lower(), extension.lower())
