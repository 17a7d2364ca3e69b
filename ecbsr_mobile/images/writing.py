"""Writing images: PNG and PNM row by row, the other formats at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import EcbsrError, UsageError
from ..image_formats import FORMATS, WRITABLE, normalized
from ..utils.files import atomic_write
from ..utils.opencv import opencv
from . import metadata, png
from .picture import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # of Pillow, by the number of channels
_WEBP_BYTES = 24  # for a pixel; measured
MAX_MEMORY = 1_200_000_000
"""Bytes for an image whose encoder needs it whole."""

_MAX_JPEG_EXIF = 65533 - 6


Add = Callable[[Picture], None]
"""Takes the next rows of an image, from top to bottom."""


def write(image: Picture, path: str | os.PathLike[str], quality: int | None = None) -> None:
    """Write an image in the format of the extension of `path` (see `open_writer`).

    Raises:
        UsageError: the format is unknown, or cannot hold the image or the quality.
        EcbsrError: the file cannot be written.
    """
    with open_writer(path, image, image.size, quality=quality) as add:
        add(image)


@contextmanager
def open_writer(
    path: str | os.PathLike[str],
    like: Picture,
    size: tuple[int, int],
    overwrite: bool = True,
    quality: int | None = None,
) -> Iterator[Add]:
    """Write an image strip by strip (see `files.atomic_write`); PNG, PPM and PGM need memory for a strip alone.

    Warns (`UserWarning`) of metadata that the format cannot hold.

    Args:
        path: the file; its extension is the format.
        like: an image with the channels, data type, opacity and metadata of the result.
        size: (width, height) of the result.
        overwrite: replace a file.
        quality: 1 to 100 for JPEG and WebP; by default JPEG gets 95, and WebP is lossless.

    Raises:
        UsageError: the format is unknown or cannot hold such an image or a quality, or the file exists.
        EcbsrError: the file cannot be written.
    """
    ending = check_format(path, quality)
    has_alpha = _check(path, ending, like, size)
    icc, exif = _metadata(path, ending, like, size)
    color = like.pixels.shape[2]
    with atomic_write(path, overwrite) as temporary, temporary.open("wb") as file:
        if ending == ".png":
            writer: _Writer = png.Writer(file, size, color + has_alpha, like.pixels.dtype, icc, exif)
        elif ending in (".ppm", ".pgm"):
            writer = _Pnm(file, size, 3 if ending == ".ppm" else 1, like.peak)
        else:
            options = {"icc_profile": icc, "exif": exif and b"Exif\0\0" + exif, "quality": quality}
            writer = _Whole(file, ending, size, color + has_alpha, like.pixels.dtype, options)

        def add(strip: Picture) -> None:
            writer.add(np.dstack([strip.pixels, strip.alpha]) if has_alpha else strip.pixels)  # type: ignore[list-item]

        yield add
        writer.close()


def check_format(path: str | os.PathLike[str], quality: int | None = None) -> str:
    """The extension of `path` as it stands in `image_formats.FORMATS`, such as `.png`.

    Raises:
        UsageError: it is not the extension of a format that can be written, or a format without quality gets one.
    """
    ending = normalized(Path(path).suffix)
    if ending not in FORMATS:
        raise UsageError(f"{path}: cannot write the image format {ending!r}; use one of {', '.join(WRITABLE)}")
    if quality is not None and not FORMATS[ending].quality:
        others = ", ".join(extension for extension, kind in FORMATS.items() if kind.quality)
        raise UsageError(f"{path}: a {ending} file has no quality; leave it out, or write one of {others}")
    return ending


def _check(path: str | os.PathLike[str], ending: str, like: Picture, size: tuple[int, int]) -> bool:
    """Whether the file gets alpha; refuses what the format cannot hold."""
    kind = FORMATS[ending]
    if like.pixels.dtype == np.uint16 and not kind.sixteen_bit:
        raise UsageError(f"{path}: a {ending} file cannot have 16 bits per channel; write a .png")
    if not like.is_opaque and not kind.alpha:
        raise UsageError(f"{path}: a {ending} file cannot have transparency; write a .png")
    if like.pixels.shape[2] == 3 and not kind.color:
        raise UsageError(f"{path}: a .pgm file cannot have color; write a .ppm")
    memory = _memory(ending, size, like)
    if memory > MAX_MEMORY:
        raise UsageError(
            f"{path}: to write {size[0]}x{size[1]} pixels, a {ending} file needs {memory / 1e9:.1f} GB of memory, more "
            f"than the limit of {MAX_MEMORY / 1e9:.1f}; write a .png, which is written row by row"
        )
    if kind.max_side and max(size) > kind.max_side:
        raise UsageError(f"{path}: a {ending} file cannot have {size[0]}x{size[1]} pixels; write a .png")
    return like.alpha is not None and kind.alpha


def _memory(ending: str, size: tuple[int, int], like: Picture) -> int:
    """About how many bytes the encoder needs, beside a strip."""
    kind = FORMATS[ending]
    if not kind.pillow:
        return 0
    channels = like.pixels.shape[2] + (like.alpha is not None and kind.alpha)
    if like.pixels.dtype == np.uint16:
        each = 5 * (channels if channels != 2 else 4)  # the pixels, and the file
    elif ending == ".webp":
        each = _WEBP_BYTES
    else:
        each = 1 if channels == 1 else 4  # as Pillow stores them
    return each * size[0] * size[1]


def _metadata(
    path: str | os.PathLike[str], ending: str, like: Picture, size: tuple[int, int]
) -> tuple[bytes | None, bytes | None]:
    """The color profile and EXIF that the file gets; warns of what is left out."""
    icc, exif = like.icc, metadata.exif_for(like.exif, size) if like.exif else None
    lost = []
    deep_tiff = ending == ".tif" and like.pixels.dtype == np.uint16
    if not FORMATS[ending].metadata or deep_tiff:
        lost = [name for name, value in (("color profile", icc), ("EXIF", exif)) if value]
        icc = exif = None
    elif exif and ending == ".jpg" and len(exif) > _MAX_JPEG_EXIF:
        lost, exif = ["EXIF"], None
    if lost:
        kind = f"16-bit {ending}" if deep_tiff else ending
        warnings.warn(
            f"{path}: a {kind} file is written without the {' and the '.join(lost)} of the image; a .png keeps them",
            UserWarning,
            stacklevel=4,
        )
    return icc, exif


class _Writer(Protocol):
    def add(self, strip: NDArray[Any]) -> None: ...
    def close(self) -> None: ...


class _Pnm:
    """PGM or PPM, with 1 or 3 channels."""

    def __init__(self, file: IO[bytes], size: tuple[int, int], channels: int, peak: int) -> None:
        self._file, self._channels = file, channels
        file.write(b"P%d\n%d %d\n%d\n" % (5 if channels == 1 else 6, *size, peak))

    def add(self, strip: NDArray[Any]) -> None:
        repeated = strip if strip.shape[2] == self._channels else strip.repeat(3, axis=2)
        self._file.write(repeated.astype(repeated.dtype.newbyteorder(">")).tobytes())

    def close(self) -> None:
        pass


class _Whole:
    """A format whose encoder needs the whole image: by Pillow or, for 16-bit color, by OpenCV."""

    def __init__(
        self,
        file: IO[bytes],
        ending: str,
        size: tuple[int, int],
        channels: int,
        dtype: np.dtype[Any],
        options: dict[str, Any],
    ) -> None:
        from PIL import Image

        self._file, self._format, self._filled = file, FORMATS[ending], 0
        self._options = {name: value for name, value in options.items() if value}
        self._deep = np.empty((size[1], size[0], channels), dtype) if dtype == np.uint16 else None
        # Filled directly: an array would need its memory beside that of Pillow's image.
        self._image = None if self._deep is not None else Image.new(_MODES[channels], size)

    def add(self, strip: NDArray[Any]) -> None:
        if self._image is not None:
            from PIL import Image

            rows = Image.fromarray(strip[:, :, 0] if strip.shape[2] == 1 else strip)
            self._image.paste(rows, (0, self._filled))
        elif self._deep is not None:
            self._deep[self._filled : self._filled + len(strip)] = strip
        self._filled += len(strip)

    def close(self) -> None:
        if self._image is None:
            self._file.write(_deep_tiff(self._deep).data)  # type: ignore[arg-type]
            return
        name, options = self._format.pillow, self._format.options
        if "quality" in self._options:
            options = {}
        if name == "TIFF" and "exif" in self._options:
            options = {}  # Pillow's compressed TIFF cannot hold it
        try:
            self._image.save(self._file, name, **{**options, **self._options})
        except (ValueError, SyntaxError, RuntimeError) as error:
            raise EcbsrError(f"cannot encode the image as {name}: {error}; write a .png") from None


def _deep_tiff(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The content of a file; the memory of `pixels` is used again."""
    cv2 = opencv()
    channels = pixels.shape[2]
    if channels == 2:  # OpenCV has no gray with alpha
        pixels, channels = np.dstack([pixels[:, :, 0]] * 3 + [pixels[:, :, 1]]), 4
    if channels > 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if channels == 3 else cv2.COLOR_RGBA2BGRA, pixels)
    try:
        done, data = cv2.imencode(".tiff", pixels)
    except cv2.error as error:
        raise EcbsrError(f"cannot encode the image as TIFF: {error.err}") from None
    if not done:
        raise EcbsrError("cannot encode the image as TIFF; write a .png")
    return data  # type: ignore[no-any-return]
