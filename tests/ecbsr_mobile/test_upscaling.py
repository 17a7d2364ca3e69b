"""Upscaling: tiles against the whole image, every kind of image, and a `.tflite` against the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color

from ecbsr_mobile import ECBSR, EcbsrError, Picture, PlainNet, TfliteModel, UsageError, images, load, upscale, zoo


@pytest.fixture(scope="module")
def cat() -> Picture:
    return images.read(next(path for path in zoo.pictures() if path.stem == "chelsea"))


def amplifying(scale: int, colors: int) -> PlainNet:
    """A network that makes a wrong border or seam visible."""
    torch.manual_seed(1)
    net = ECBSR(2, 8, scale, colors).collapse()
    for conv in net.convs[:-1]:
        conv.weight.mul_(1.5)
    return net


@given(length=st.integers(1, 3000), step=st.integers(1, 700))
def test_tiles_cover_every_pixel_exactly_once(length: int, step: int) -> None:
    covered = [position for start, stop in images.tiles(length, step) for position in range(start, stop)]
    assert covered == list(range(length))
    assert all(0 < stop - start <= step for start, stop in images.tiles(length, step))


@pytest.mark.parametrize(("scale", "colors"), [(2, 1), (3, 3), (4, 1)])
@settings(max_examples=4, deadline=None, derandomize=True)
@given(data=st.data())
def test_tiles_equal_the_whole(cat: Picture, scale: int, colors: int, data: st.DataObject) -> None:
    tile, left, top = data.draw(st.integers(100, 300)), data.draw(st.integers(0, 100)), data.draw(st.integers(0, 260))
    pixels = cat.pixels[top:, left:]
    image, net = Picture(pixels, pixels[:, :, 0]), amplifying(scale, colors)
    whole, tiled = (upscale(image, net, tile=size) for size in (1000, tile))
    assert whole.size == (pixels.shape[1] * scale, pixels.shape[0] * scale)
    np.testing.assert_array_equal(tiled.pixels, whole.pixels)
    np.testing.assert_array_equal(tiled.alpha, whole.alpha)


@pytest.mark.parametrize(("height", "width"), [(7, 20_000), (20_000, 7), (18, 4_000), (300, 260)])
def test_tiles_equal_the_whole_of_narrow_images(cat: Picture, height: int, width: int) -> None:
    """PyTorch rounds differently in small tiles, so that those of narrow images have to be long."""
    repeats = (-(-height // cat.size[1]), -(-width // cat.size[0]), 1)
    pixels = np.tile(cat.pixels, repeats)[:height, :width]
    net = amplifying(2, 3)
    np.testing.assert_array_equal(upscale(pixels, net, tile=500), upscale(pixels, net, tile=100_000))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("name", zoo.names())
def test_tflite_in_tiles_equals_the_interpreter_on_the_whole(cat: Picture, name: str, precision: str) -> None:
    path = zoo.tflite(name, precision)
    small = cat.pixels[:, :301]
    interpreter = Interpreter(str(path))
    detail = interpreter.get_input_details()[0]
    in_luma = detail["shape"][3] == 1
    pixels = images.luma(small)[None, :, :, None] if in_luma else small[None].astype(np.float32)
    if precision == "int8":
        pixels = (np.floor(pixels + 0.5) - 128).astype(np.int8)
    else:
        pixels = pixels / np.float32(255)
    interpreter.resize_tensor_input(detail["index"], pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(detail["index"], pixels)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].astype(np.float64)
    expected = output + 128 if precision == "int8" else output * 255
    tiled = upscale(small, path, tile=150)
    np.testing.assert_array_equal(tiled, upscale(small, path, tile=1000))
    if in_luma:
        # Rounding to RGB moves luma by less than one, except for colors outside of RGB.
        assert np.mean(np.abs(color.rgb2ycbcr(tiled)[..., 0] - expected[:, :, 0]) < 1) > 0.99
    else:
        assert np.abs(tiled - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-3


def test_luma_network_keeps_colors(cat: Picture) -> None:
    result = upscale(cat.pixels, load(zoo.DEFAULT))
    again = images.resize_bicubic(result, cat.size)
    assert np.abs(again.astype(int) - cat.pixels).mean() < 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_hidden_by_transparency_does_not_darken_edges(dtype: type) -> None:
    """A white square on transparent black, as editors store a logo, stays white on a white page."""
    peak = np.iinfo(dtype).max
    alpha = np.zeros((32, 32), dtype)
    alpha[8:24, 8:24] = peak
    logo = Picture(np.repeat(alpha[:, :, None], 3, axis=2), alpha)
    result = upscale(logo, load("ecbsr-m4c8-x2"))
    assert result.alpha is not None
    share = result.alpha[:, :, None] / peak
    assert (result.pixels * share + peak * (1 - share)).min() > 0.98 * peak
    other = upscale(Picture(np.where(alpha[:, :, None] > 0, logo.pixels, peak // 2), alpha), load("ecbsr-m4c8-x2"))
    difference = np.abs(other.pixels.astype(int) - result.pixels)
    assert difference[result.alpha > 0].max() < 0.01 * peak


def test_gray_is_color_without_chroma(cat: Picture) -> None:
    plane = cat.pixels[:40, :50, :1]
    for net in (load(zoo.DEFAULT), ECBSR(2, 8, 2, 3).collapse()):
        gray = upscale(plane, net)
        rgb = upscale(plane.repeat(3, axis=2), net)
        assert gray.shape == (80, 100, 1)
        assert np.abs(gray[:, :, 0].astype(int) - rgb.mean(axis=2)).max() <= 1


def test_16_bit_equals_8_bit_up_to_rounding(cat: Picture) -> None:
    small = cat.pixels[:40, :50]
    net = load(zoo.DEFAULT)
    fine = upscale(small.astype(np.uint16) * 257, net)
    assert fine.dtype == np.uint16
    assert np.abs(fine / 257.0 - upscale(small, net)).max() <= 0.51
    assert len(np.unique(fine)) > 256


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_tiny_images(size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), 100, np.uint8)
    for model in [load(zoo.DEFAULT), *(zoo.tflite(name) for name in zoo.names())]:
        result = upscale(pixels, model)
        assert result.shape[0] % size[1] == 0
        assert result.shape[0] > size[1]


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x1c\x00\x00\x00TFL3" + bytes(40)])
def test_files_that_are_not_tflite(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(EcbsrError, match=r"m\.tflite (is|cannot)") as refused:
        TfliteModel(tmp_path / "m.tflite")
    assert str(refused.value).count("m.tflite") == 1
    with pytest.raises(EcbsrError, match="no such file"):
        TfliteModel(tmp_path / "none.tflite")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8, 3), np.float32), "the pixels are float32; give uint8"),
        (np.zeros((8, 8), np.uint8), r"the shape \[8, 8\]; give \[H, W, 3\]"),
        (np.zeros((8, 8, 4), np.uint8), "alpha as that of a Picture"),
        (np.zeros((0, 8, 3), np.uint8), r"the shape \[0, 8, 3\]"),
        ("photo.png", "the image is a str; give a Picture"),
    ],
)
def test_what_is_no_array_of_pixels_is_refused(image: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        upscale(image, "ecbsr-m4c8-x2-int8")
