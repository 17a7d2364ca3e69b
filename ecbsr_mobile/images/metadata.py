"""Color profiles and EXIF: what a file says about its pixels, made true for an upright image of another size."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ..errors import EcbsrError
from .opening import quiet

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

    from .pixels import Planes

_ORIENTATION, _EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x0112, 0x8769, 0x8825, 0xA005
_WIDTH, _HEIGHT = 0xA002, 0xA003
_EMPTY = 20  # bytes of EXIF without a tag

# Tags that describe how a TIFF stores its pixels (TIFF 6.0), and blocks of metadata that are not EXIF.
_OF_THE_FILE = {
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292,
    293, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 342,
    347, *range(512, 522), 529, 530, 531, 532, 700, 33723, 34377, 34675, 50838, 50839,
}  # fmt: skip


def orientation_of(image: Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where there is none or none that can be read."""
    try:
        with quiet():
            value = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF: `exif_of` says so
        return 1
    return value if 1 <= value <= 8 else 1


def exif_of(image: Image) -> tuple[bytes | None, str]:
    """The EXIF of a loaded image in TIFF form, without orientation, thumbnail and layout, and a note if it is lost."""
    from PIL.Image import Exif

    stored = image.info.get("exif")
    try:
        with quiet():
            found, kept = image.getexif(), Exif()
            for tag, value in found.items():
                if tag not in _OF_THE_FILE and tag not in (_EXIF_IFD, _GPS_IFD, _ORIENTATION):
                    kept[tag] = value
            for ifd in (_EXIF_IFD, _GPS_IFD):
                if tags := _tags(found, ifd):
                    kept[ifd] = tags
            if len(kept):
                return _bytes(kept), ""
        damaged = len(stored or b"") > _EMPTY and not len(found)
    except Exception:
        damaged = True
    return None, "its EXIF is damaged and left out" if damaged else ""


def exif_for(exif: bytes, size: tuple[int, int]) -> bytes:
    """EXIF with the size (width, height) of an upright image, where it states one."""
    from PIL.Image import Exif

    result = Exif()
    result.load(exif)
    result[_ORIENTATION] = 1
    details = _tags(result, _EXIF_IFD) if _EXIF_IFD in result else {}
    for tag, value in zip((_WIDTH, _HEIGHT), size, strict=True):
        if tag in details:
            details[tag] = value
    if details:
        result[_EXIF_IFD] = details
    return _bytes(result)


def _tags(exif: Exif, ifd: int) -> dict[int, Any]:
    """The tags of an IFD, with those of the interoperability IFD within it, where cameras mark Adobe RGB."""
    tags = dict(exif.get_ifd(ifd))
    if tags.pop(_INTEROP_IFD, None) is not None and (within := dict(exif.get_ifd(_INTEROP_IFD))):
        tags[_INTEROP_IFD] = within
    return tags


def icc_of(image: Image, planes: Planes) -> tuple[bytes | None, str]:
    """The color profile of the planes, and a note if the one in the file is not theirs."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode in ("CMYK", "LAB"):  # converted to sRGB, which needs no profile
        return None, ""
    space = {1: b"GRAY", 3: b"RGB "}[planes.color.shape[2]]
    if len(profile) < 128 or profile[16:20] != space:
        return None, "its color profile is damaged or of another color space, and is left out"
    return bytes(profile), ""


def to_srgb(image: Image, notes: list[str]) -> Image:
    """A CMYK, LAB or YCbCr image as RGB in sRGB, by its profile where it has one."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    try:
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif profile and image.mode == "CMYK":
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            if image.mode == "CMYK":
                notes.append("is CMYK without a color profile; its colors are approximate")
            return image.convert("RGB")
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        converted = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        if image.mode == "LAB":
            raise EcbsrError("is in CIELAB, which cannot be converted here; convert it to RGB") from error
        notes.append("is CMYK with a color profile that cannot be used; its colors are approximate")
        return image.convert("RGB")
    assert converted is not None
    return converted


def _bytes(exif: object) -> bytes:
    return exif.tobytes().removeprefix(b"Exif\0\0")  # type: ignore[attr-defined]
