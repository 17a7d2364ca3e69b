"""An image in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .color import round_to

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Picture:
    """An image as stored in a file, upright.

    `pixels` is [H, W, 3] (RGB) or [H, W, 1] (gray), uint8 or uint16; `alpha` is [H, W] of the same type, or None. `icc`
    is the color profile of `pixels`; `exif` is EXIF metadata in TIFF form, without orientation and thumbnail.
    """

    pixels: NDArray[np.unsignedinteger]
    alpha: NDArray[np.unsignedinteger] | None = None
    icc: bytes | None = None
    exif: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def peak(self) -> int:
        """The value of white: 255 or 65535."""
        return int(np.iinfo(self.pixels.dtype).max)

    @property
    def is_opaque(self) -> bool:
        """Whether no pixel is transparent, with or without alpha."""
        return self.alpha is None or int(self.alpha.min(initial=self.peak)) == self.peak

    def rgb(self) -> NDArray[np.uint8]:
        """The image as 8-bit RGB [H, W, 3]: without alpha, 16-bit values rounded, gray repeated."""
        pixels = self.pixels
        if pixels.dtype != np.uint8:
            pixels = round_to(pixels / 257.0, np.uint8)
        return pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
