"""Images of every kind that Pillow can write, read and compared with Pillow's own reading."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, features

from ecbsr_mobile import EcbsrError, Picture, images, zoo
from ecbsr_mobile.utils.scheduling import kept_scheduling
from tests.ecbsr_mobile.images.conftest import noise
from tests.helpers.commands import environment


@pytest.fixture
def cat() -> Image.Image:
    path = next(path for path in zoo.pictures() if path.stem == "chelsea")
    image = Image.open(path).convert("RGB").crop((100, 60, 164, 100))
    image.info.clear()
    return image


def stored(image: Picture) -> np.ndarray:
    """The channels as Pillow has them."""
    pixels = image.pixels if image.alpha is None else np.dstack([image.pixels, image.alpha])
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


@pytest.mark.parametrize(
    ("mode", "ending", "read_as"),
    [
        ("RGB", "png", "RGB"), ("RGBA", "png", "RGBA"), ("L", "png", "L"), ("LA", "png", "LA"), ("I;16", "png", "I;16"),
        ("1", "png", "L"), ("RGB", "webp", "RGB"), ("RGBA", "webp", "RGBA"), ("RGB", "bmp", "RGB"), ("L", "bmp", "L"),
        ("1", "bmp", "L"), ("RGB", "tiff", "RGB"), ("RGBA", "tiff", "RGBA"), ("L", "tiff", "L"), ("LA", "tiff", "LA"),
        ("I;16", "tiff", "I;16"), ("I;16B", "tiff", "I;16"), ("1", "tiff", "L"), ("RGB", "ppm", "RGB"),
        ("L", "pgm", "L"), ("1", "pbm", "L"), ("I;16", "pgm", "I;16"), ("YCbCr", "tiff", "RGB"),
    ],
)  # fmt: skip
def test_modes(tmp_path: Path, random: np.random.Generator, mode: str, ending: str, read_as: str) -> None:
    if mode.startswith("I;16"):
        written = Image.fromarray(noise(random, 9, 13, dtype=np.uint16))
        expected = np.asarray(written)
        written = Image.frombytes(mode, written.size, expected.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    else:
        planes = {"1": 1, "L": 1, "LA": 2, "RGBA": 4}.get(mode, 3)
        pixels = noise(random, 9, 13, planes)
        written = Image.fromarray(pixels[:, :, 0] if planes == 1 else pixels, None if mode == "1" else mode)
        written = written.convert("1") if mode == "1" else written
        expected = np.asarray(written.convert(read_as))
    path = tmp_path / f"p.{ending}"
    written.save(path, **({"lossless": True, "exact": True} if ending == "webp" else {}))
    picture = images.read(path)
    assert picture.pixels.dtype == expected.dtype
    np.testing.assert_array_equal(stored(picture), expected)


@pytest.mark.parametrize("mode", ["P", "PA"])
@pytest.mark.parametrize("ending", ["png", "gif", "tiff", "bmp"])
def test_palettes(tmp_path: Path, cat: Image.Image, mode: str, ending: str) -> None:
    options = {}
    image = cat.quantize(16)
    if mode == "PA" and ending in ("png", "gif"):
        options = {"transparency": 3}
    image.save(tmp_path / f"p.{ending}", **options)
    expected = Image.open(tmp_path / f"p.{ending}").convert("RGBA" if options else "RGB")
    np.testing.assert_array_equal(stored(images.read(tmp_path / f"p.{ending}")), np.asarray(expected))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("ending", "mode"),
    [("jpg", "RGB"), ("jpg", "L"), ("jpg", "CMYK"), ("png", "RGB"), ("png", "RGBA"), ("png", "LA"), ("png", "I;16"),
     ("webp", "RGB"), ("webp", "RGBA"), ("tiff", "RGB"), ("tiff", "RGBA"), ("tiff", "L"), ("avif", "RGBA")],
)  # fmt: skip
def test_orientation(tmp_path: Path, cat: Image.Image, ending: str, mode: str, orientation: int) -> None:
    if ending == "avif" and not features.check("avif"):
        pytest.skip("Pillow is built without AVIF")
    image = (
        Image.fromarray(np.asarray(cat.convert("L")).astype(np.uint16) * 257) if mode == "I;16" else cat.convert(mode)
    )
    if mode.endswith("A"):
        image.putalpha(cat.convert("L"))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"p.{ending}"
    image.save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(path.read_bytes())))
    if ending in ("png", "tiff"):
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(tagged(image, orientation))), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if mode == "CMYK" else "error")
        picture = images.read(path)
    assert picture.size == expected.size == images.header_size(path)
    np.testing.assert_array_equal(stored(picture), np.asarray(expected.convert("RGB") if mode == "CMYK" else expected))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("ending", "channels"), [("png", 3), ("png", 4), ("tiff", 3), ("tiff", 4)])
def test_orientation_of_16_bit_color(
    tmp_path: Path, random: np.random.Generator, ending: str, channels: int, orientation: int
) -> None:
    tifffile = pytest.importorskip("tifffile")
    pixels = noise(random, 5, 7, channels, dtype=np.uint16)
    path = tmp_path / f"p.{ending}"
    if ending == "tiff":
        extra = ["unassalpha"] if channels == 4 else None
        tags = [(274, 3, 1, orientation, True)]
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=extra, extratags=tags)
    else:
        exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0]) + bytes(4)
        path.write_bytes(png(pixels, {b"eXIf": exif}))
    planes = [
        ImageOps.exif_transpose(tagged(Image.fromarray(plane), orientation)) for plane in pixels.transpose(2, 0, 1)
    ]
    np.testing.assert_array_equal(stored(images.read(path)), np.dstack(planes))


def tagged(image: Image.Image, orientation: int) -> Image.Image:
    image = image.copy()
    image.getexif()[0x0112] = orientation
    return image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: np.ndarray, chunks: dict[bytes, bytes], bits: int = 0, late: dict[bytes, bytes] | None = None) -> bytes:
    """A PNG of gray [H, W] or [H, W, 1 to 4] with chunks before and after the pixels; `bits` below 8: packed."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    rows = [row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels]
    if 0 < bits < 8:
        rows = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :]).tobytes() for row in pixels]
    bits = bits or 8 * pixels.dtype.itemsize
    header = struct.pack(">IIBBBBB", pixels.shape[1], len(pixels), bits, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = [chunk(b"IHDR", header), *(chunk(*item) for item in chunks.items())]
    parts += [chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))]
    parts += [chunk(*item) for item in (late or {}).items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_transparent_gray(tmp_path: Path, random: np.random.Generator, bits: int) -> None:
    dtype = np.uint16 if bits == 16 else np.uint8
    values = random.integers(0, 1 << bits, (6, 16)).astype(dtype)
    values[0, 0] = transparent = (1 << bits) - 1 if bits < 4 else 9
    (tmp_path / "p.png").write_bytes(png(values, {b"tRNS": struct.pack(">H", transparent)}, bits))
    picture = images.read(tmp_path / "p.png")
    white = 65535 if bits == 16 else 255
    np.testing.assert_array_equal(picture.pixels[:, :, 0], values.astype(int) * white // ((1 << bits) - 1))
    np.testing.assert_array_equal(picture.alpha, np.where(values == transparent, 0, white))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_color(tmp_path: Path, random: np.random.Generator, dtype: type) -> None:
    pixels = noise(random, 6, 8, 3, dtype=dtype)
    pixels[2:4, 3] = pixels[0, 0]
    (tmp_path / "p.png").write_bytes(png(pixels, {b"tRNS": struct.pack(">HHH", *map(int, pixels[0, 0]))}))
    picture = images.read(tmp_path / "p.png")
    np.testing.assert_array_equal(picture.pixels, pixels)
    transparent = (pixels == pixels[0, 0]).all(axis=2)
    np.testing.assert_array_equal(picture.alpha, np.where(transparent, 0, np.iinfo(dtype).max))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_channels(tmp_path: Path, random: np.random.Generator, channels: int) -> None:
    pixels = noise(random, 6, 8, channels, dtype=np.uint16)
    (tmp_path / "p.png").write_bytes(png(pixels, {}))
    np.testing.assert_array_equal(stored(images.read(tmp_path / "p.png")), pixels)


@pytest.mark.parametrize("peak", [1, 15, 100, 255, 256, 1023, 4095, 40000, 65535])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_maxval(tmp_path: Path, random: np.random.Generator, kind: int, peak: int) -> None:
    shape = (5, 7, 3) if kind in (3, 6) else (5, 7, 1)
    values = random.integers(0, peak + 1, shape)
    values[0, 0], values[0, 1] = peak, 0
    if kind >= 5:
        body = values.astype(np.uint8 if peak < 256 else ">u2").tobytes()
    else:
        body = b" # a comment\n".join(str(int(value)).encode() for value in values.ravel()) + b"\n"
    (tmp_path / "p.pnm").write_bytes(b"P%d\n# made by a test\n7 5\n%d\n" % (kind, peak) + body)
    picture = images.read(tmp_path / "p.pnm")
    white = 255 if peak < 256 else 65535
    assert picture.peak == white
    assert np.abs(picture.pixels - values * white / peak).max() <= 0.5


def test_12_bits_and_white_is_zero(tmp_path: Path, random: np.random.Generator) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = noise(random, 4, 6, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(images.read(tmp_path / "p.tif").pixels[:, :, 0], 65535 - values)
    packed = bytes([0xFF, 0xF0, 0x00, 0x80, 0x0F, 0xFF])  # 4095, 0, 2048, 4095
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 6}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    (tmp_path / "12.tif").write_bytes(b"II*\0" + struct.pack("<I", 14) + packed + directory)
    assert images.read(tmp_path / "12.tif").pixels.ravel().tolist() == [65535, 0, round(2048 * 65535 / 4095), 65535]


@pytest.mark.parametrize("kind", ["float", "float RGB", "int32", "uint32", "int16", "int8", "planar", "premultiplied"])
def test_values_that_are_refused(tmp_path: Path, random: np.random.Generator, kind: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    pixels = random.integers(0, 100, (6, 8, 4))
    arrays: dict[str, tuple[np.ndarray, dict[str, object]]] = {
        "float": (pixels[:, :, 0].astype(np.float32), {}),
        "float RGB": (pixels[:, :, :3].astype(np.float32), {"photometric": "rgb"}),
        "planar": (pixels[:, :, :3].transpose(2, 0, 1).astype(np.uint16),
                   {"photometric": "rgb", "planarconfig": "separate"}),
        "premultiplied": (pixels.astype(np.uint16), {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
    }  # fmt: skip
    array, options = arrays.get(kind) or (pixels[:, :, 0].astype(kind), {})
    tifffile.imwrite(tmp_path / "p.tif", array, **options)
    with pytest.raises(EcbsrError, match=r"p\.tif: .*convert it to"):
        images.read(tmp_path / "p.tif")


def test_pfm_is_refused(tmp_path: Path) -> None:
    for head in (b"Pf", b"PF"):
        (tmp_path / "p.pfm").write_bytes(head + b"\n2 2\n-1.0\n" + bytes(48))
        with pytest.raises(EcbsrError, match="float values"):
            images.read(tmp_path / "p.pfm")


def test_cmyk_is_converted_by_its_profile(tmp_path: Path, cat: Image.Image) -> None:
    cat.convert("CMYK").save(tmp_path / "p.jpg", quality=95)
    with pytest.warns(UserWarning, match="CMYK without a color profile"):
        picture = images.read(tmp_path / "p.jpg")
    expected = Image.open(tmp_path / "p.jpg").convert("RGB")
    np.testing.assert_array_equal(picture.pixels, np.asarray(expected))
    profiles = [*Path("/usr/share/color/icc").rglob("*[cC][mM][yY][kK]*.icc")] if os.name == "posix" else []
    if not profiles:
        return
    profile = ImageCms.ImageCmsProfile(str(profiles[0]))
    cat.convert("CMYK").save(tmp_path / "q.jpg", quality=95, icc_profile=profile.tobytes())
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(Image.open(tmp_path / "q.jpg"), profile, target, outputMode="RGB")
    picture = images.read(tmp_path / "q.jpg")
    np.testing.assert_array_equal(picture.pixels, np.asarray(converted))
    assert picture.icc is None


def test_profiles_are_kept_where_they_describe_the_pixels(tmp_path: Path, cat: Image.Image) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for ending in ("png", "jpg", "webp", "tiff"):
        cat.save(tmp_path / f"p.{ending}", icc_profile=srgb)
        assert images.read(tmp_path / f"p.{ending}").icc == srgb
    for name, image, profile in (("gray", cat.convert("L"), srgb), ("damaged", cat, srgb[:100])):
        image.save(tmp_path / f"{name}.png", icc_profile=profile)
        with pytest.warns(UserWarning, match=rf"{name}\.png: its color profile is .* left out"):
            assert images.read(tmp_path / f"{name}.png").icc is None


@pytest.mark.parametrize(
    ("name", "data", "noted"),
    [(b"gAMA", struct.pack(">I", 100000), True), (b"gAMA", struct.pack(">I", 45455), False),
     (b"cICP", bytes([12, 13, 0, 1]), True), (b"cICP", bytes([1, 13, 0, 1]), False), (b"sRGB", b"\0", False)],
)  # fmt: skip
def test_color_information_without_a_profile(
    tmp_path: Path, random: np.random.Generator, name: bytes, data: bytes, noted: bool
) -> None:
    (tmp_path / "p.png").write_bytes(png(noise(random, 4, 4, 3), {name: data}))
    if noted:
        with pytest.warns(UserWarning, match="color information"):
            images.read(tmp_path / "p.png")
    else:
        images.read(tmp_path / "p.png")


def test_the_mark_of_adobe_rgb_is_kept(tmp_path: Path, cat: Image.Image) -> None:
    """Cameras write it as R03 in an IFD within that of EXIF (DCF 2.0, ColorSpace 65535)."""
    exif = Image.Exif()
    exif[0x010F], exif[0x8769] = "maker", {0xA001: 65535, 0xA002: cat.width, 0xA005: {1: "R03", 2: b"0100"}}
    cat.save(tmp_path / "p.jpg", exif=exif)
    picture = images.read(tmp_path / "p.jpg")
    images.write(picture, tmp_path / "q.png")
    with Image.open(tmp_path / "q.png") as written:
        assert dict(written.getexif().get_ifd(0xA005)) == {1: "R03", 2: b"0100"}
        assert written.getexif().get_ifd(0x8769)[0xA001] == 65535


@pytest.mark.parametrize(
    ("transfer", "primaries", "bits", "notes"),
    [(13, 1, 8, []), (13, 12, 8, ["nclx"]), (16, 9, 10, ["nclx", "10 bits per channel"])],
)
def test_what_pillow_does_not_read_of_avif_is_noted(
    tmp_path: Path, cat: Image.Image, transfer: int, primaries: int, bits: int, notes: list[str]
) -> None:
    if not features.check("avif"):
        pytest.skip("Pillow is built without AVIF")
    with kept_scheduling(), av.open(str(tmp_path / "p.avif"), "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p10le" if bits == 10 else "yuv420p"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, primaries, 1, 2
        frame = av.VideoFrame.from_image(cat.resize((128, 96))).reformat(format=stream.pix_fmt)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        images.read(tmp_path / "p.avif")
    assert len(caught) == len(notes), [str(each.message) for each in caught]
    for note, each in zip(notes, caught, strict=True):
        assert note in str(each.message)


def test_exif_behind_the_pixels(tmp_path: Path, random: np.random.Generator) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    for dtype in (np.uint8, np.uint16):
        pixels = noise(random, 4, 6, 3, dtype=dtype)
        (tmp_path / "p.png").write_bytes(png(pixels, {}, late={b"eXIf": exif.tobytes()[6:]}))
        picture = images.read(tmp_path / "p.png")
        np.testing.assert_array_equal(picture.pixels, np.rot90(pixels, -1))
        assert b"maker" in (picture.exif or b"")


def test_damaged_exif_is_left_out(tmp_path: Path, cat: Image.Image) -> None:
    cat.save(tmp_path / "p.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(30))
    with pytest.warns(UserWarning, match=r"p\.jpg: its EXIF is damaged"):
        assert images.read(tmp_path / "p.jpg").exif is None


def test_empty_exif_is_not_called_damaged(tmp_path: Path, cat: Image.Image) -> None:
    cat.save(tmp_path / "p.jpg", exif=Image.Exif())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert images.read(tmp_path / "p.jpg").exif is None


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff", "mpo"])
def test_more_images_than_one_are_announced(tmp_path: Path, cat: Image.Image, ending: str) -> None:
    frames = [cat, ImageOps.invert(cat), ImageOps.mirror(cat)]
    path = tmp_path / f"p.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **({"lossless": True} if ending == "webp" else {}))
    with pytest.warns(UserWarning, match="contains 3 images .*; the first is used"):
        picture = images.read(path)
    first = Image.open(path).convert("RGB")
    assert np.abs(picture.rgb().astype(int) - np.asarray(first)).mean() < 1
    assert np.abs(picture.rgb().astype(int) - np.asarray(cat)).mean() < 6


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_damage_inside_a_jpeg_is_noted(tmp_path: Path, cat: Image.Image, mode: str, progressive: bool) -> None:
    data = jpeg(cat.resize((256, 160)).convert(mode), progressive=progressive)
    middle = len(data) // 2
    damaged = {
        "cut out": data[:middle] + data[middle + 200 :],
        "ends early": data[:middle] + b"\xff\xd9",
        "extra bytes": data[:-2] + bytes(range(1, 200)) + b"\xff\xd9",
    }
    for name, content in damaged.items():
        (tmp_path / "p.jpg").write_bytes(content)
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            try:
                images.read(tmp_path / "p.jpg")
            except EcbsrError as error:
                noted.append(error)
        assert any("damaged" in str(getattr(note, "message", note)) for note in noted), name
    (tmp_path / "p.jpg").write_bytes(data[:middle])
    with pytest.raises(EcbsrError, match=r"p\.jpg: is truncated or damaged"):
        images.read(tmp_path / "p.jpg")


def test_the_note_on_damage_does_not_leave_the_decoder_on_standard_error(tmp_path: Path, cat: Image.Image) -> None:
    data = jpeg(cat)
    (tmp_path / "p.jpg").write_bytes(data[:700] + data[760:])
    code = (
        "import os, sys, warnings; from ecbsr_mobile import images; warnings.simplefilter('ignore')\n"
        f"images.read({str(tmp_path / 'p.jpg')!r}); os.write(2, b'still open')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), check=True)
    assert result.stderr == b"still open"


@pytest.mark.parametrize("mode", ["RGB", "I;16", "RGB;16"])
def test_damage_inside_a_png_is_noted_or_refused(tmp_path: Path, random: np.random.Generator, mode: str) -> None:
    pixels = noise(random, 40, 40, 3, dtype=np.uint8 if mode == "RGB" else np.uint16)
    data = bytearray(png(pixels[:, :, 0] if mode == "I;16" else pixels, {}))
    data[len(data) // 2] ^= 255
    (tmp_path / "p.png").write_bytes(data)
    with pytest.raises((EcbsrError, UserWarning), match=r"p\.png: is .*damaged"):
        images.read(tmp_path / "p.png")


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tiff", "ppm", "gif"])
def test_truncated_files_are_refused(tmp_path: Path, cat: Image.Image, ending: str) -> None:
    path = tmp_path / f"p.{ending}"
    cat.save(path)
    whole = path.read_bytes()
    for share in (0.02, 0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(EcbsrError, match=rf"p\.{ending}: "):
            images.read(path)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(50), b"P5 2 2 0 ", b"GIF89a"])
def test_files_that_are_not_images(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.png").write_bytes(content)
    with pytest.raises(EcbsrError, match=r"p\.png: "):
        images.read(tmp_path / "p.png")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match="No such file"):
        images.read(tmp_path / "none.png")
    with pytest.raises(EcbsrError, match="Is a directory"):
        images.read(tmp_path)
    with pytest.raises(EcbsrError, match="contains no image"):
        images.find(tmp_path)
    with pytest.raises(EcbsrError, match="no such folder"):
        images.find(tmp_path / "none")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_read(tmp_path: Path, cat: Image.Image) -> None:
    content = jpeg(cat)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    assert images.read(tmp_path / "pipe").size == cat.size
    writer.join()


def test_16_bit_pixels_are_opencvs_too(tmp_path: Path, random: np.random.Generator) -> None:
    pixels = noise(random, 20, 30, 3, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "p.png"), pixels[:, :, ::-1])
    cv2.imwrite(str(tmp_path / "p.tiff"), pixels[:, :, ::-1])
    for ending in ("png", "tiff"):
        np.testing.assert_array_equal(images.read(tmp_path / f"p.{ending}").pixels, pixels)


def test_avif_and_heic(tmp_path: Path, cat: Image.Image) -> None:
    if features.check("avif"):
        cat.save(tmp_path / "p.avif", quality=90)
        with Image.open(tmp_path / "p.avif") as opened:
            np.testing.assert_array_equal(images.read(tmp_path / "p.avif").pixels, np.asarray(opened))
    try:
        import pillow_heif
    except ImportError:
        (tmp_path / "p.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(100))
        if not any(map(__import__("importlib.util").util.find_spec, ("pi_heif",))):
            with pytest.raises(EcbsrError, match=r"p\.heic: is HEIC; .*pip install pi-heif"):
                images.read(tmp_path / "p.heic")
        return
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    cat.info["exif"] = exif.tobytes()  # written as a rotation of the file's own, as phones do
    cat.save(tmp_path / "p.heic", quality=90)
    assert b"irot" in (tmp_path / "p.heic").read_bytes()
    expected = np.rot90(np.asarray(cat), -1).astype(int)
    assert np.abs(images.read(tmp_path / "p.heic").pixels - expected).mean() < 3


def test_of_a_heic_file_the_main_image_is_read(tmp_path: Path, cat: Image.Image) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    Image.new("RGB", cat.size).save(
        tmp_path / "p.heic", save_all=True, append_images=[cat], primary_index=1, quality=95
    )
    with pytest.warns(UserWarning, match="2 images .*; number 2, the main one, is used"):
        read = images.read(tmp_path / "p.heic").pixels
    assert np.abs(read - np.asarray(cat).astype(int)).mean() < 3


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (32_000, 32_000), (100_000_000, 3)])
def test_large_images_are_refused_by_their_header(tmp_path: Path, width: int, height: int) -> None:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    (tmp_path / "p.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    with pytest.raises(EcbsrError, match=rf"p\.png: has {width}x{height} pixels.*200,000,000.*--max-pixels"):
        images.read(tmp_path / "p.png")
    with pytest.raises(EcbsrError, match="limit of"):
        images.header_size(tmp_path / "p.png")


def test_pillows_own_limit_is_left_alone(tmp_path: Path, cat: Image.Image) -> None:
    cat.save(tmp_path / "p.png")
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(EcbsrError, match=r"has 64x40 pixels, more than the limit of 2,559"):
        images.read(tmp_path / "p.png", max_pixels=64 * 40 - 1)
    assert images.read(tmp_path / "p.png", max_pixels=64 * 40).size == (64, 40)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc is Linux's")
def test_memory_and_open_files_do_not_grow_with_the_number_of_images(tmp_path: Path, cat: Image.Image) -> None:
    for ending in ("jpg", "png", "webp", "tiff", "gif", "bmp"):
        cat.resize((512, 320)).save(tmp_path / f"p.{ending}")

    def used() -> tuple[int, int]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))

    def work(times: int) -> None:
        for _ in range(times):
            for path in tmp_path.glob("p.*"):
                images.write(images.read(path), tmp_path / "out.png")

    work(5)
    before = used()
    work(20)
    after = used()
    assert after[0] - before[0] < 20 * 512 * 320 * 3  # of the 120 images read
    assert after[1] == before[1]
