"""A before/after page of upscaled images: bicubic left of a divider, the model's result right of it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import images
from ..images import Picture
from ..utils.templates import environment
from ..utils.text import to_utf8

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SAMPLES = 12
"""Images of a page; with `MAX_BYTES` for each of their two halves, a page has at most 20 MB."""

MAX_BYTES = 600_000

_MAX_SIZE = (960, 720)  # pixels of a shown part: the page's width, and the height of most screens
_QUALITIES = (95, 85, 70, 50, 30)  # of JPEG without chroma subsampling; the first that is small enough
_MIN_SHOWN = 480  # CSS pixels; smaller results are shown larger
_HALO = 4  # LR pixels around a part that change its bicubic enlargement
_STRIDE = 4  # the most detailed part is searched among every fourth pixel: that of a large image takes a moment


@dataclass(frozen=True)
class Sample:
    """A part of an image, enlarged by bicubic and by a model, as JPEG; `size` and `larger` are of the whole image."""

    name: str
    size: tuple[int, int]
    larger: tuple[int, int]
    shown: tuple[int, int]
    bicubic: bytes
    result: bytes

    @property
    def is_part(self) -> bool:
        """Whether less than the whole image is shown."""
        return self.shown != self.larger

    @property
    def css_width(self) -> int:
        """The width at which the sample is shown: a multiple of its pixels."""
        return self.shown[0] * max(1, round(_MIN_SHOWN / self.shown[0]))


class Sampler:
    """Takes the strips of an image's result, from top to bottom, and keeps the part that a page shows."""

    def __init__(self, image: Picture, scale: int) -> None:
        """Choose the part with the most detail of `image`, whose result is `scale` times as large."""
        self._image, self._scale, self._row = image, scale, 0
        size = min(image.size[0], _MAX_SIZE[0] // scale), min(image.size[1], _MAX_SIZE[1] // scale)
        self._window = _most_detailed_window(image.pixels, size)
        self._strips: list[NDArray[np.uint8]] = []

    def add(self, strip: Picture) -> None:
        """Take the next rows of the result."""
        rows, columns = (slice(part.start * self._scale, part.stop * self._scale) for part in self._window)
        first, last = max(rows.start - self._row, 0), rows.stop - self._row
        self._row += strip.size[1]
        if first < strip.size[1] and last > 0:
            alpha = None if strip.alpha is None else strip.alpha[first:last, columns]
            self._strips.append(_on_white(Picture(strip.pixels[first:last, columns], alpha)))

    def sample(self, name: str) -> Sample:
        """The shown part, when all strips were added."""
        result = np.concatenate(self._strips)
        rows, columns = self._window
        height, width = result.shape[:2]
        top, left = max(rows.start - _HALO, 0), max(columns.start - _HALO, 0)
        around = slice(top, rows.stop + _HALO), slice(left, columns.stop + _HALO)
        alpha = None if self._image.alpha is None else self._image.alpha[around]
        low = _on_white(Picture(self._image.pixels[around], alpha))
        scale = self._scale
        enlarged = images.resize_bicubic(low, (low.shape[1] * scale, low.shape[0] * scale))
        y, x = (rows.start - top) * scale, (columns.start - left) * scale
        size = self._image.size
        return Sample(
            name,
            size,
            (size[0] * scale, size[1] * scale),
            (width, height),
            _jpeg(enlarged[y : y + height, x : x + width], self._image.icc),
            _jpeg(result, self._image.icc),
        )


def page(samples: Sequence[Sample], model: str, total: int) -> bytes:
    """The page of some samples, in UTF-8; it needs nothing else.

    Args:
        samples: the images, at most `MAX_SAMPLES`.
        model: name of the model.
        total: how many images were upscaled.
    """
    templates = environment(__package__)
    templates.filters["data_url"] = lambda jpeg: f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    templates.filters["name"] = to_utf8
    template = templates.get_template("comparison.html.j2")
    return template.render(samples=samples, model=to_utf8(model), total=total).encode()


def _on_white(picture: Picture) -> NDArray[np.uint8]:
    """8-bit RGB, on white where it is transparent."""
    rgb = picture.rgb()
    if picture.alpha is None:
        return rgb
    share = picture.alpha[:, :, None].astype(np.float32) / np.float32(picture.peak)
    return images.round_to(rgb * share + 255 * (1 - share), np.uint8)


def _most_detailed_window(pixels: NDArray[np.unsignedinteger], size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the window of `size` (width, height) with the most detail among every fourth pixel."""
    gray = pixels[::_STRIDE, ::_STRIDE].mean(axis=2)
    width, height = (max(1, side // _STRIDE) for side in size)
    corner = images.most_detailed_corner(gray, (width, height), grid=1)
    top, left = min(corner[0] * _STRIDE, pixels.shape[0] - size[1]), min(corner[1] * _STRIDE, pixels.shape[1] - size[0])
    return slice(top, top + size[1]), slice(left, left + size[0])


def _jpeg(pixels: NDArray[np.uint8], icc: bytes | None) -> bytes:
    """RGB as JPEG of at most `MAX_BYTES`, if the lowest quality allows it."""
    from PIL import Image

    # A profile of gray or CMYK does not fit RGB.
    options = {"icc_profile": icc} if icc and icc[16:20] == b"RGB " else {}
    for quality in _QUALITIES:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0, **options)
        if file.tell() <= MAX_BYTES:
            break
    return file.getvalue()
