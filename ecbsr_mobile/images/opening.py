"""Opening a file as an image of Pillow: its header, but no pixels yet."""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import EcbsrError
from ..utils.text import printable

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 200_000_000
"""Default limit of width times height: the largest cameras of phones have 200 megapixels, 16320x12240."""

_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB", "TIFF", "PPM", "GIF", "AVIF", "HEIF")
_NAMES = "PNG, JPEG, WebP, TIFF, BMP, GIF, PPM, PGM, PBM, AVIF, HEIC"
_MAX_STREAM = 1_000_000_000  # bytes read from a pipe
_LOCK = threading.Lock()
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}
_SIGNATURES = {
    b"\x89PNG": "PNG", b"\xff\xd8": "JPEG", b"RIFF": "WebP", b"GIF8": "GIF", b"BM": "BMP",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    **dict.fromkeys((b"PF", b"Pf"), "PFM (float values)"),
    **dict.fromkeys((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7"), "PNM"),
}  # fmt: skip


@contextmanager
def quiet() -> Iterator[None]:
    """Hide Pillow's warnings of damaged EXIF, which do not name the file; one thread at a time."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def opened(path: str | os.PathLike[str]) -> IO[bytes]:
    """A file that can be read from any position; the content of a pipe is read into memory.

    Raises:
        EcbsrError: the file cannot be read, or is empty.
    """
    try:
        file: IO[bytes] = Path(path).open("rb")  # noqa: SIM115 - the caller closes it
        kind = os.fstat(file.fileno())
        if not stat.S_ISREG(kind.st_mode):
            with file:
                content = file.read(_MAX_STREAM + 1)
            if len(content) > _MAX_STREAM:
                raise EcbsrError(f"{path}: has more than {_MAX_STREAM:,} bytes; save it to a file first")
            file = io.BytesIO(content)
    except OSError as error:
        raise EcbsrError(f"{path}: cannot be read: {error.strerror}") from None
    if not file.seek(0, os.SEEK_END):
        file.close()
        raise EcbsrError(f"{path}: is empty")
    file.seek(0)
    return file


def header(file: IO[bytes], path: str | os.PathLike[str], max_pixels: int) -> ImageFile:
    """The image without its pixels, of at most `max_pixels`."""
    image = _image(file, path)
    if image.width * image.height > max_pixels:
        raise EcbsrError(
            f"{path}: has {image.width}x{image.height} pixels, more than the limit of {max_pixels:,}; "
            "ecbsr-upscale --max-pixels (in Python: max_pixels) raises the limit"
        )
    return image


def _image(file: IO[bytes], path: str | os.PathLike[str]) -> ImageFile:
    from PIL import Image, UnidentifiedImageError

    start = file.read(64)
    file.seek(0)
    brands = _brands(start)
    reader_missing = _register_heif() if brands & _HEIF and not brands & _AVIF else ""
    with quiet():
        # Pillow's own limit is a global variable; `max_pixels` takes its place.
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=[name for name in _FORMATS if name in _known_formats()])
        except UnidentifiedImageError:
            raise EcbsrError(f"{path}: {reader_missing or _avif_missing(start) or _unreadable(start)}") from None
        except MemoryError:
            raise
        except Exception as error:
            raise EcbsrError(f"{path}: cannot be read as an image ({reason(error)})") from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _known_formats() -> set[str]:
    from PIL import Image

    Image.init()
    return set(Image.OPEN)


def _brands(start: bytes) -> set[bytes]:
    """The brands of a file of the HEIF family, which includes AVIF; empty for others."""
    if start[4:8] != b"ftyp":
        return set()
    brands = start[8 : min(len(start), int.from_bytes(start[:4], "big"))]
    return {brands[i : i + 4] for i in range(0, len(brands), 4)} - {b""}


def _register_heif() -> str:
    """Let Pillow read HEIC with `pi-heif` or `pillow-heif`; what to do where neither is installed."""
    for name in ("pi_heif", "pillow_heif"):
        try:
            __import__(name).register_heif_opener()
        except ImportError:
            continue
        return ""
    return "is HEIC; to read it, pip install pi-heif, or convert it to JPEG"


def _avif_missing(start: bytes) -> str:
    from PIL import features

    if _brands(start) & _AVIF and not features.check("avif"):
        return "is AVIF; to read it, pip install --upgrade pillow (11.3 or newer), or convert it to JPEG"
    return ""


def _unreadable(start: bytes) -> str:
    name = next((name for signature, name in _SIGNATURES.items() if start.startswith(signature)), None)
    if name is None:
        return f"is not an image of a known format ({_NAMES})"
    return f"is damaged, or an unusual kind of {name} that cannot be read; convert it to PNG"


def reason(error: Exception) -> str:
    """The message of an error of Pillow, for a sentence."""
    return printable(str(error) or type(error).__name__, 200)
