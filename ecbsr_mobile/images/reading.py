"""Reading images: Pillow says what a file is, and decodes it unless OpenCV does that better."""

from __future__ import annotations

import os
import re
import warnings
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..errors import EcbsrError
from . import metadata, native, png
from .opening import MAX_PIXELS, header, opened, reason
from .picture import Picture
from .pixels import Planes, planes_of

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_HEIF_HEADER = 65536  # bytes in which its properties are


def read(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Picture:
    """Read an image upright: the orientation that EXIF records is applied.

    Of an animation or a file with several pages, the first image is read. CMYK is converted to sRGB by its profile.
    Warns (`UserWarning`) of damage that the decoder notices, and of what is left out.

    Args:
        path: a PNG, JPEG, WebP, TIFF, BMP, GIF, PNM or AVIF file; HEIC if `pi-heif` or `pillow-heif` is installed.
        max_pixels: limit of width times height.

    Raises:
        EcbsrError: the file is missing, empty, truncated, not an image, of another data type than 8 or 16 bits without
            sign per channel, or larger than `max_pixels`.
    """
    with opened(path) as file:
        image = header(file, path, max_pixels)
        notes = _frames(image)
        try:
            planes = _decoded(image, file, notes)
        except MemoryError:
            raise
        except EcbsrError as error:
            raise EcbsrError(f"{path}: {error}") from None
        except Exception as error:  # each of Pillow's readers has its own errors
            raise EcbsrError(f"{path}: is truncated or damaged ({reason(error)}); use a complete file") from None
        exif, exif_note = metadata.exif_of(image)
        icc, icc_note = metadata.icc_of(image, planes)
    for note in filter(None, [*notes, exif_note, icc_note]):
        warnings.warn(f"{path}: {note}", UserWarning, stacklevel=2)
    color, alpha = planes.upright()
    return Picture(color, alpha, icc, exif)


def header_size(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(width, height) of an image, upright, from its header alone.

    Raises:
        EcbsrError: the file is missing, not an image, or larger than `max_pixels`.
    """
    with opened(path) as file:
        image = header(file, path, max_pixels)
        width, height = image.size
        turned = image.format != "TIFF" and metadata.orientation_of(image) >= 5  # Pillow turns TIFF itself
        return (height, width) if turned else (width, height)


def _frames(image: ImageFile) -> list[str]:
    """Notes on images in the file that are not read."""
    try:
        count = getattr(image, "n_frames", 1)
    except Exception:  # a damaged later image is no reason to refuse the first
        return ["contains more images than the first, which is used; they cannot be counted"]
    if count == 1:
        return []
    place = image.tell()  # HEIC names its main image
    used = f"number {place + 1}, the main one," if place else "the first"
    return [f"contains {count} images (an animation, or pages); {used} is used"]


def _decoded(image: ImageFile, file: IO[bytes], notes: list[str]) -> Planes:
    """The planes of the image; adds notes on damage."""
    if image.format in ("JPEG", "MPO"):
        return _jpeg(image, file, notes)
    if image.format == "PNG":
        found, exif = png.scan(file)
        notes += found
        if exif is not None or "Raw profile type exif" not in image.info:
            image.info.setdefault("exif", exif or b"")  # Pillow would decode the image to look for EXIF behind it
    if planes := _deep_color(image, file):
        return planes
    if image.format in ("AVIF", "HEIF"):
        notes += _notes_on_heif(image, file)
    layout = str(image.tile[0].args) if image.tile else ""
    with native.messages(native.LIBTIFF) if image.format == "TIFF" else nullcontext(list) as damage:
        image.load()
    if found := damage():
        notes.append(f"is damaged, and parts of it may be wrong ({found[0]})")
    return planes_of(image, layout, notes)


def _notes_on_heif(image: ImageFile, file: IO[bytes]) -> list[str]:
    """Notes on colors of AVIF or HEIC that Pillow does not hand on: what is not in a profile, and more than 8 bits.

    The boxes are those of ISO/IEC 23008-12 and 14496-12: `colr` of the kind `nclx` has the code points of ITU-T H.273.
    """
    file.seek(0)
    start = file.read(_HEIF_HEADER)
    notes = []
    at = start.find(b"colrnclx") + 8
    primaries, transfer = (int.from_bytes(start[at + i : at + i + 2], "big") for i in (0, 2))
    plain = primaries in (1, 2) and transfer in (1, 2, 6, 13)  # those of sRGB, or nearly
    if at > 8 and not plain and not image.info.get("icc_profile"):
        notes.append("its color information (nclx) is not kept; convert it to sRGB for true colors")
    at = start.find(b"pixi\0\0\0\0") + 8
    depth = start[at + 1] if at > 8 and len(start) > at + 1 else 8
    if depth > 8:
        notes.append(f"has {depth} bits per channel, of which 8 are read")
    return notes


def _jpeg(image: ImageFile, file: IO[bytes], notes: list[str]) -> Planes:
    file.seek(0)
    data = file.read()
    orientation = metadata.orientation_of(image)
    if image.mode in ("L", "RGB"):
        pixels, damage = native.decode(data, "GRAYSCALE" if image.mode == "L" else "COLOR", "IGNORE_ORIENTATION")
        if pixels is None:
            raise EcbsrError(f"is truncated or damaged{f' ({damage})' if damage else ''}; use a complete file")
        planes = Planes.from_opencv(pixels, orientation)
    else:
        _, damage = native.decode(data, "REDUCED_GRAYSCALE_8", "IGNORE_ORIENTATION")
        image.load()
        planes = planes_of(image, "", notes)
    if damage:
        notes.append(f"is damaged, and parts of it may be wrong ({damage})")
    return planes


def _deep_color(image: ImageFile, file: IO[bytes]) -> Planes | None:
    """The planes of a file with 16 bits for each of several channels, which Pillow would cut to 8; None for others."""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits, samples = tags.get(258, ()), tags.get(338, ())
        deep = len(bits) > 1 and max(bits) > 8
        # OpenCV confuses the channels of a file with a plane for each.
        if deep and (tags.get(284) == 2 or set(bits) != {16} or image.mode not in ("RGB", "RGBA") or 1 in samples):
            raise EcbsrError("has an unusual kind of 16-bit TIFF channels; convert it to 16-bit RGB or PNG")
        orientation = 1  # OpenCV turns TIFF, as Pillow does
    elif image.format == "PPM":
        return _deep_ppm(image, file)
    else:
        deep = image.format == "PNG" and len(image.getbands()) > 1 and ";16" in str(image.tile[0].args)
        samples, orientation = (), metadata.orientation_of(image) if deep else 1
    if not deep:
        return None
    file.seek(0)
    pixels, damage = native.decode(file.read(), "UNCHANGED")
    if pixels is None or pixels.dtype != np.uint16:
        raise EcbsrError(f"is truncated or damaged{f' ({damage})' if damage else ''}; use a complete file")
    if pixels.shape[2] == 4 and 0 in samples:  # the fourth channel is not alpha
        pixels = pixels[:, :, :3]
    planes = Planes.from_opencv(pixels, orientation)
    return planes.gray() if image.format == "PNG" and "LA;16" in str(image.tile[0].args) else planes


def _deep_ppm(image: ImageFile, file: IO[bytes]) -> Planes | None:
    name, _, offset, arguments = image.tile[0]
    if image.mode != "RGB" or not isinstance(arguments, tuple) or not int(arguments[1]) > 255:
        return None
    peak, count = int(arguments[1]), image.width * image.height * 3
    file.seek(offset)
    content = file.read()
    if name == "ppm_plain":
        values: Any = re.sub(rb"#[^\n]*", b"", content).split(None, count)[:count]
    else:
        values = np.frombuffer(content, ">u2", len(content) // 2)
    if len(values) < count:
        raise EcbsrError("is truncated; use a complete file")
    values = np.minimum(np.asarray(values[:count]).astype(np.uint32), peak)
    scaled = (values * 65535 + peak // 2) // peak
    return Planes(scaled.astype(np.uint16).reshape(image.height, image.width, 3))
