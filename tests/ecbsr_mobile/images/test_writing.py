"""What is written, as Pillow and OpenCV read it; what a format cannot hold is refused or noted."""

from __future__ import annotations

import struct
import tracemalloc
from dataclasses import replace
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from ecbsr_mobile import EcbsrError, Picture, UsageError, images, zoo
from tests.ecbsr_mobile.images.conftest import noise

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("ending", ["png", "tiff", "tif", "webp", "bmp", "ppm", "jpg", "jpeg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_reads_what_is_written(tmp_path: Path, ending: str, channels: int) -> None:
    pixels = np.ascontiguousarray(images.read(zoo.pictures()[0]).rgb()[:, :, :channels])
    images.write(Picture(pixels), tmp_path / "new" / f"p.{ending}")
    with Image.open(tmp_path / "new" / f"p.{ending}") as opened:
        read = np.asarray(opened.convert("L" if channels == 1 else "RGB")).reshape(pixels.shape)
    assert np.abs(read.astype(int) - pixels).mean() <= (4 if ending.startswith("jp") else 0)


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint8, 3), (np.uint16, 1), (np.uint16, 3)])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_round_trip(
    tmp_path: Path, random: np.random.Generator, dtype: type, channels: int, alpha: bool, ending: str
) -> None:
    picture = Picture(noise(random, 5, 7, channels, dtype=dtype), noise(random, 5, 7, dtype=dtype) if alpha else None)
    path = tmp_path / f"p.{ending}"
    images.write(picture, path)
    again = images.read(path)
    repeated = picture.pixels.repeat(again.pixels.shape[2] // channels, 2)  # OpenCV's 16-bit TIFF has no gray and alpha
    np.testing.assert_array_equal(again.pixels, repeated)
    assert (again.alpha is not None) == alpha
    if alpha:
        np.testing.assert_array_equal(again.alpha, picture.alpha)
    multiplied = (ending, dtype, alpha) == ("tiff", np.uint8, True)  # by OpenCV, with alpha
    if (channels == 3 or not alpha) and not multiplied:
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        expected = np.dstack([picture.pixels[:, :, ::-1], *([picture.alpha] if alpha else [])]).squeeze()
        np.testing.assert_array_equal(stored, expected)


@pytest.mark.parametrize("kind", ["flat", "photo", "noise", "gradient"])
@pytest.mark.parametrize("strip", [1, 3, 1000])
def test_png_in_strips(tmp_path: Path, random: np.random.Generator, kind: str, strip: int) -> None:
    photo = images.read(zoo.pictures()[0]).rgb()[:50, :60]
    pixels = {
        "flat": np.full((50, 60, 3), 200, np.uint8),
        "photo": photo,
        "noise": noise(random, 50, 60, 3),
        "gradient": np.add.outer(np.arange(50), np.arange(60))[:, :, None].repeat(3, 2).astype(np.uint8) * 2,
    }[kind]
    like = Picture(pixels)
    with images.open_writer(tmp_path / "p.png", like, like.size) as add:
        for top in range(0, 50, strip):
            add(Picture(pixels[top : top + strip]))
    with Image.open(tmp_path / "p.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), pixels)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "p.png"))[:, :, ::-1], pixels)
    with Image.open(tmp_path / "p.png") as opened:
        opened.verify()


def test_png_is_about_as_small_as_pillows(tmp_path: Path) -> None:
    picture = replace(images.read(zoo.pictures()[0]), icc=None)
    images.write(picture, tmp_path / "ours.png")
    Image.fromarray(picture.pixels).save(tmp_path / "pillows.png")
    assert (tmp_path / "ours.png").stat().st_size < 1.1 * (tmp_path / "pillows.png").stat().st_size


@pytest.mark.parametrize("ending", ["png", "ppm"])
def test_memory_does_not_grow_with_the_height(tmp_path: Path, ending: str) -> None:
    strip = Picture(np.zeros((64, 4000, 3), np.uint8))
    tracemalloc.start()
    try:
        with images.open_writer(tmp_path / f"p.{ending}", strip, (4000, 6400)) as add:
            for _ in range(100):
                add(strip)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4000 * 6400 * 3 / 2


def with_metadata(**sizes: int) -> Picture:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "maker"
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.DateTime] = "2024:05:06 07:08:09"
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.ExifImageWidth: 80, ExifTags.Base.ExifImageHeight: 60, ExifTags.Base.FNumber: 1.8,
    }  # fmt: skip
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (52.0, 30.0, 1.5)}
    return Picture(np.full((80, 60, 3), 90, np.uint8), None, SRGB, exif.tobytes()[6:])


@pytest.mark.parametrize("source", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("target", ["jpg", "png", "webp", "tiff"])
def test_profile_and_exif_are_kept(tmp_path: Path, source: str, target: str) -> None:
    made = with_metadata()
    options = {"icc_profile": made.icc, "exif": b"Exif\0\0" + (made.exif or b"")}
    Image.fromarray(made.pixels).save(tmp_path / f"in.{source}", **options)
    picture = images.read(tmp_path / f"in.{source}")
    assert picture.size == (80, 60)  # turned
    larger = replace(picture, pixels=picture.pixels.repeat(2, 0).repeat(2, 1))
    images.write(larger, tmp_path / f"out.{target}")
    with Image.open(tmp_path / f"out.{target}") as opened:
        assert opened.size == (160, 120)
        assert opened.info["icc_profile"] == SRGB
        exif = opened.getexif()
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.DateTime]) == ("maker", "2024:05:06 07:08:09")
        details = exif.get_ifd(ExifTags.IFD.Exif)
        assert float(details[ExifTags.Base.FNumber]) == pytest.approx(1.8)
        assert [details[tag] for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)] == [160, 120]
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert [float(value) for value in place[ExifTags.GPS.GPSLatitude]] == [52.0, 30.0, 1.5]
        if target != "tiff":
            assert not exif.get_ifd(ExifTags.IFD.IFD1)
            assert not {ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength, ExifTags.Base.StripOffsets} & set(exif)
    again = images.read(tmp_path / f"out.{target}")
    assert again.size == (160, 120)


def test_a_thumbnail_is_left_out(tmp_path: Path) -> None:
    made = with_metadata()
    body = made.exif or b""
    # A second directory (the thumbnail's) behind the first: its offset stands behind the first one's entries.
    order, thumbnail, offset = "<" if body[:2] == b"II" else ">", b"\xff\xd8\xff thumbnail \xff\xd9", len(body)
    (first,) = struct.unpack_from(f"{order}I", body, 4)
    (count,) = struct.unpack_from(f"{order}H", body, first)
    end = first + 2 + 12 * count
    entries = (0x0103, 3, 1, 6), (0x0201, 4, 1, offset + 2 + 3 * 12 + 4), (0x0202, 4, 1, len(thumbnail))
    directory = struct.pack(f"{order}H HHIHxx HHII HHII I", 3, *chain(*entries), 0)
    body = body[:end] + struct.pack(f"{order}I", offset) + body[end + 4 :] + directory + thumbnail
    Image.fromarray(made.pixels).save(tmp_path / "in.jpg", exif=b"Exif\0\0" + body)
    with Image.open(tmp_path / "in.jpg") as opened:
        assert opened.getexif().get_ifd(ExifTags.IFD.IFD1)  # it is there
    images.write(images.read(tmp_path / "in.jpg"), tmp_path / "out.jpg")
    assert b"thumbnail" not in (tmp_path / "out.jpg").read_bytes()
    with Image.open(tmp_path / "out.jpg") as opened:
        assert not opened.getexif().get_ifd(ExifTags.IFD.IFD1)
        assert opened.getexif()[ExifTags.Base.Make] == "maker"


@pytest.mark.parametrize(
    ("name", "dtype"), [("p.bmp", np.uint8), ("p.ppm", np.uint8), ("p.tiff", np.uint16), ("p.ppm", np.uint16)]
)
def test_metadata_that_a_format_cannot_hold_is_noted(tmp_path: Path, name: str, dtype: type) -> None:
    made = with_metadata()
    picture = replace(made, pixels=made.pixels.astype(dtype))
    with pytest.warns(UserWarning, match=rf"{name}: .* without the color profile and the EXIF"):
        images.write(picture, tmp_path / name)
    np.testing.assert_array_equal(images.read(tmp_path / name).pixels, picture.pixels)
    with pytest.warns(UserWarning, match="without the EXIF"):
        images.write(replace(picture, icc=None), tmp_path / name)


def test_exif_too_long_for_a_jpeg_is_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 70000
    picture = Picture(np.zeros((4, 4, 3), np.uint8), None, None, exif.tobytes()[6:])
    with pytest.warns(UserWarning, match=r"p\.jpg: .* without the EXIF"):
        images.write(picture, tmp_path / "p.jpg")
    images.write(picture, tmp_path / "p.png")
    assert b"x" * 70000 in (images.read(tmp_path / "p.png").exif or b"")


@pytest.mark.parametrize("ending", ["jpg", "bmp", "ppm"])
def test_opaque_alpha_is_left_out(tmp_path: Path, random: np.random.Generator, ending: str) -> None:
    pixels = noise(random, 8, 8, 3)
    images.write(Picture(pixels, np.full((8, 8), 255, np.uint8)), tmp_path / f"p.{ending}")
    with Image.open(tmp_path / f"p.{ending}") as opened:
        assert (opened.mode, opened.size) == ("RGB", (8, 8))
    with pytest.raises(UsageError, match="cannot have transparency"):
        images.write(Picture(pixels, noise(random, 8, 8)), tmp_path / f"q.{ending}")


def test_refusals(tmp_path: Path, random: np.random.Generator) -> None:
    deep, color = Picture(noise(random, 4, 4, 3, dtype=np.uint16)), Picture(noise(random, 4, 4, 3))
    with pytest.raises(UsageError, match="16 bits"):
        images.write(deep, tmp_path / "p.jpg")
    with pytest.raises(UsageError, match="cannot have color"):
        images.write(color, tmp_path / "p.pgm")
    with pytest.raises(UsageError, match="20000x10 pixels"):
        images.write(Picture(np.zeros((10, 20000, 1), np.uint8)), tmp_path / "p.webp")
    for ending in ("xyz", "gif", "heic"):
        with pytest.raises(UsageError, match=rf"\.{ending}"):
            images.write(deep, tmp_path / f"p.{ending}")
    (tmp_path / "file").write_text("x")
    with pytest.raises(EcbsrError, match="cannot write"):
        images.write(deep, tmp_path / "file" / "p.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_failure_between_strips_leaves_nothing(tmp_path: Path) -> None:
    strip = Picture(np.zeros((2, 8, 3), np.uint8))
    for ending in ("png", "jpg"):
        with pytest.raises(KeyError), images.open_writer(tmp_path / f"p.{ending}", strip, (8, 4)) as add:
            add(strip)
            raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "dtype", "size", "memory"),
    [
        ("o.jpg", np.uint8, (20_000, 20_000), "1.6 GB"),
        ("o.bmp", np.uint8, (20_000, 20_000), "1.6 GB"),
        ("o.tif", np.uint16, (10_000, 10_000), "1.5 GB"),
        ("o.webp", np.uint8, (10_000, 10_000), "2.4 GB"),
    ],
)
def test_what_does_not_fit_into_memory_is_refused(
    tmp_path: Path, name: str, dtype: type[np.unsignedinteger], size: tuple[int, int], memory: str
) -> None:
    like = Picture(np.zeros((1, 1, 3), dtype))
    with (
        pytest.raises(UsageError, match=rf"needs {memory} of memory, more than the limit of 1.2; write a .png"),
        images.open_writer(tmp_path / name, like, size),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
