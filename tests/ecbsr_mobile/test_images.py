"""Images against scikit-image, Pillow and results of MATLAB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import color

from ecbsr_mobile import EcbsrError, Picture, UsageError, images, zoo


def noise(random: np.random.Generator, *shape: int, dtype: type = np.uint8) -> np.ndarray:
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_equals_matlab(benchmark_sets: Path, scale: int) -> None:
    worst = 0
    for name in ("Set5", "Set14"):
        for high in images.find(benchmark_sets / name / f"x{scale}" / "HR"):
            low = images.read(benchmark_sets / name / f"x{scale}" / "LR" / high.name).rgb()
            ours = images.downscale(images.read(high).rgb(), scale)
            worst = max(worst, int(np.abs(ours.astype(int) - low).max()))
    assert worst <= 1


@pytest.mark.parametrize("size", [(40, 30), (21, 20), (160, 120), (240, 180), (101, 77), (1, 1)])
def test_bicubic_equals_pillow_inside(size: tuple[int, int], random: np.random.Generator) -> None:
    picture = noise(random, 60, 80, 3)
    ours = images.resize_bicubic(picture.astype(np.float64), size)
    planes = [
        Image.fromarray(picture[..., c].astype(np.float32)).resize(size, Image.Resampling.BICUBIC) for c in range(3)
    ]
    expected = np.dstack([np.asarray(plane) for plane in planes])
    edge = max(3, 3 * size[0] // 80)  # Pillow treats the border in another way than MATLAB
    inner = (slice(edge, -edge), slice(edge, -edge)) if min(size) > 3 * edge else (slice(0), slice(0))
    np.testing.assert_allclose(ours[inner], expected[inner], atol=1e-3)
    assert ours.shape == (size[1], size[0], 3)


def test_bicubic_keeps_a_flat_image_flat() -> None:
    for dtype in (np.uint8, np.uint16, np.float32):
        flat = np.full((7, 5), 77, dtype)
        for size in ((10, 14), (3, 2), (1, 1)):
            result = images.resize_bicubic(flat, size)
            assert result.dtype == dtype
            np.testing.assert_allclose(result, 77, rtol=1e-6)


def test_luma_and_chroma_equal_skimage(random: np.random.Generator) -> None:
    rgb = noise(random, 40, 50, 3)
    expected = color.rgb2ycbcr(rgb)
    np.testing.assert_allclose(images.luma(rgb), expected[..., 0], atol=1e-4)
    np.testing.assert_allclose(images.chroma(rgb), expected[..., 1:], atol=1e-4)
    back = images.ycbcr_to_rgb(images.luma(rgb), images.chroma(rgb))
    np.testing.assert_allclose(back, rgb, atol=1e-3)


def test_padding_mirrors_and_crops_are_windows(random: np.random.Generator) -> None:
    plane = noise(random, 30, 50)
    padded = images.pad_to_size(plane, (64, 20))
    np.testing.assert_array_equal(padded, np.hstack([plane, plane[:, :35:-1]]))
    color_image = noise(random, 30, 50, 3)
    assert images.pad_to_size(color_image, (64, 40)).shape == (40, 64, 3)
    np.testing.assert_array_equal(images.center_crop(color_image, (20, 99)), color_image[:, 15:35])
    flat = np.full((64, 64), 9, np.uint8)
    flat[33:40, 17:25] = noise(random, 7, 8)
    np.testing.assert_array_equal(images.most_detailed_crop(flat, (16, 16)), flat[32:48, 16:32])


@pytest.mark.parametrize(
    ("mode", "ending", "dtype", "channels", "alpha"),
    [
        ("RGB", "png", np.uint8, 3, False),
        ("RGBA", "png", np.uint8, 3, True),
        ("L", "png", np.uint8, 1, False),
        ("I;16", "png", np.uint16, 1, False),
        ("RGB", "webp", np.uint8, 3, False),
        ("RGB", "bmp", np.uint8, 3, False),
        ("RGB", "tiff", np.uint8, 3, False),
    ],
)
def test_read_what_pillow_wrote(
    tmp_path: Path, random: np.random.Generator, mode: str, ending: str, dtype: type, channels: int, alpha: bool
) -> None:
    planes = channels + alpha
    pixels = noise(random, 9, 13, planes, dtype=dtype)
    written = Image.fromarray(pixels if planes > 1 else pixels[:, :, 0], None if mode == "I;16" else mode)
    path = tmp_path / f"p.{ending}"
    written.save(path, **({"lossless": True} if ending == "webp" else {}))
    picture = images.read(path)
    np.testing.assert_array_equal(picture.pixels, pixels[:, :, :channels])
    assert (picture.alpha is not None) == alpha
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, pixels[:, :, 3])


def test_palette_and_orientation(tmp_path: Path) -> None:
    image = Image.open(zoo.pictures()[0]).convert("RGB")
    image.quantize(16).save(tmp_path / "p.png")
    np.testing.assert_array_equal(images.read(tmp_path / "p.png").rgb(), np.asarray(image.quantize(16).convert("RGB")))
    exif = image.getexif()
    exif[0x0112] = 6  # rotated by 90 degrees; viewers rotate it back
    image.save(tmp_path / "p.jpg", exif=exif, quality=95)
    turned = np.asarray(Image.open(tmp_path / "p.jpg").transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(images.read(tmp_path / "p.jpg").rgb().astype(int) - turned).mean() < 1


@pytest.mark.parametrize("ending", ["png", "tiff", "webp", "bmp", "ppm", "jpg"])
def test_write_what_pillow_reads(tmp_path: Path, ending: str) -> None:
    pixels = images.read(zoo.pictures()[0]).rgb()
    images.write(Picture(pixels), tmp_path / "new" / f"p.{ending}")
    read = np.asarray(Image.open(tmp_path / "new" / f"p.{ending}")).astype(int)
    lossy = ending in ("jpg", "webp")
    assert np.abs(read - pixels).mean() <= (4 if lossy else 0)


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint8, 3), (np.uint16, 1), (np.uint16, 3)])
@pytest.mark.parametrize("alpha", [False, True])
def test_png_round_trip(tmp_path: Path, random: np.random.Generator, dtype: type, channels: int, alpha: bool) -> None:
    picture = Picture(noise(random, 5, 7, channels, dtype=dtype), noise(random, 5, 7, dtype=dtype) if alpha else None)
    images.write(picture, tmp_path / "p.png")
    again = images.read(tmp_path / "p.png")
    expected = picture.pixels.repeat(again.pixels.shape[2] // channels, 2)  # PNG by OpenCV has no gray with alpha
    np.testing.assert_array_equal(again.pixels, expected)
    if alpha:
        np.testing.assert_array_equal(again.alpha, picture.alpha)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_files_that_are_not_images(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.png").write_bytes(content)
    with pytest.raises(EcbsrError, match=r"p\.png"):
        images.read(tmp_path / "p.png")


def test_refusals(tmp_path: Path, random: np.random.Generator) -> None:
    with pytest.raises(EcbsrError, match="No such file"):
        images.read(tmp_path / "none.png")
    with pytest.raises(EcbsrError, match="Is a directory"):
        images.read(tmp_path)
    deep = Picture(noise(random, 4, 4, 3, dtype=np.uint16))
    with pytest.raises(UsageError, match="16 bits"):
        images.write(deep, tmp_path / "p.jpg")
    with pytest.raises(UsageError, match="transparency"):
        images.write(Picture(noise(random, 4, 4, 3), noise(random, 4, 4)), tmp_path / "p.jpg")
    with pytest.raises(UsageError, match=r"\.xyz"):
        images.write(deep, tmp_path / "p.xyz")
    (tmp_path / "file").write_text("x")
    with pytest.raises(EcbsrError, match="cannot write"):
        images.write(deep, tmp_path / "file" / "p.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]
    with pytest.raises(EcbsrError, match="contains no image"):
        images.find(tmp_path)
    with pytest.raises(EcbsrError, match="no such folder"):
        images.find(tmp_path / "none")
