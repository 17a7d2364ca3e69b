"""Clips through RGB networks: color against FFmpeg and scikit-image, chroma against its siting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2ycbcr, ycbcr2rgb

from ecbsr_mobile import TfliteModel, images, zoo
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.clips import TAGS, read_clip, write_clip

from ecbsr_mobile.video.network import rgb_runner  # isort: skip
from ecbsr_mobile.video.pipeline import Options, upscale_clip  # isort: skip
from ecbsr_mobile.video.probe import probe  # isort: skip
from ecbsr_mobile.video.rgb import conversions  # isort: skip

LOSSLESS = Options(codec="h264", crf=0)
BT601 = {**TAGS, "colorspace": 6}
SWS_ACCURATE = 0x4 | 0x40000 | 0x2000 | 0x4000


@pytest.fixture(scope="module", params=["int8", "fp32"])
def model(request: pytest.FixtureRequest) -> TfliteModel:
    return TfliteModel(zoo.tflite("ecbsr-m4c16-rgb-x2", request.param), threads=1)


def _codes(bits: int) -> list[np.ndarray]:
    """Y, Cb and Cr of colors within RGB, as both ranges store them."""
    random, dtype, fine = np.random.default_rng(0), np.uint8 if bits == 8 else np.uint16, 1 << (bits - 8)
    limits = (90, 160), (110, 150), (110, 150)
    return [random.integers(low * fine, high * fine, (32, 48)).astype(dtype) for low, high in limits]


def _converted(planes: list[np.ndarray], matrix: np.ndarray) -> np.ndarray:
    return np.stack(planes, axis=-1) @ matrix[:, :3].T.astype(np.float64) + matrix[:, 3]


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9])
@pytest.mark.parametrize(("full", "bits"), [(False, 8), (True, 8), (True, 10)])
def test_rgb_is_that_of_ffmpeg(tmp_path: Path, matrix: int, full: bool, bits: int) -> None:
    planes, pixel_format = _codes(bits), "yuv444p" if bits == 8 else "yuv444p10le"
    tags = {**TAGS, "colorspace": matrix, "color_range": 2 if full else 1}
    source = write_clip(tmp_path / "a.mkv", codec="ffv1", pixel_format=pixel_format, planes=[planes], tags=tags)
    to_rgb, to_stored = conversions(probe(source))
    ours = _converted(planes, to_rgb)
    (frame,) = read_clip(source).frames
    name = "gbrp" if bits == 8 else "gbrp10le"
    theirs = frame.reformat(format=name, dst_color_range="JPEG", interpolation=SWS_ACCURATE).planes
    green, blue, red = (np.frombuffer(plane, planes[0].dtype).reshape(32, -1)[:, :48] for plane in theirs)
    assert np.abs(ours * ((1 << bits) - 1) - np.stack([red, green, blue], axis=-1)).max() <= 0.52
    back = _converted(list(np.moveaxis(ours, -1, 0)), to_stored)
    assert np.abs(back - np.stack(planes, axis=-1)).max() < 1e-3


def test_ten_bits_are_eight_with_two_more(tmp_path: Path) -> None:
    """FFmpeg's limited range of 10 bits ends at 1020 of 1023 in RGB, so it is no reference here."""
    rgb = []
    for name, bits in (("yuv444p", 8), ("yuv444p10le", 10)):
        planes = [plane.astype(np.uint8 if bits == 8 else np.uint16) << (bits - 8) for plane in _codes(8)]
        source = write_clip(tmp_path / f"{bits}.mkv", codec="ffv1", pixel_format=name, planes=[planes])
        rgb.append(_converted(planes, conversions(probe(source))[0]))
    assert np.abs(rgb[0] - rgb[1]).max() < 1e-6


def test_frames_are_what_the_network_makes_of_them(tmp_path: Path, model: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.mkv", (45, 31), 2, "ffv1", "yuv444p", tags=BT601)
    result = upscale_clip(source, tmp_path / "out.mkv", model, LOSSLESS)
    assert result.upscaled_size == (90, 62)
    before, after = (np.stack(read_clip(path).planes(1), axis=-1) for path in (source, tmp_path / "out.mkv"))
    expected = rgb2ycbcr(model.run(ycbcr2rgb(before.astype(np.float64)).astype(np.float32)))
    assert np.abs(after - expected).max() <= 0.51


def test_all_bits_reach_the_network(tmp_path: Path) -> None:
    model = TfliteModel(zoo.tflite("ecbsr-m4c16-rgb-x3", "fp32"), threads=1)
    source = write_clip(tmp_path / "a.mkv", (45, 31), 2, "ffv1", "yuv444p10le", tags=BT601)
    planes = [plane.astype(np.uint16) for plane in read_clip(source).planes(0)]
    ours = np.stack(rgb_runner(model, probe(source), 1)((planes[0], planes[1], planes[2])), axis=-1)
    rgb = ycbcr2rgb(np.stack(planes, axis=-1).astype(np.float64) / 4)
    assert np.abs(ours - 4 * rgb2ycbcr(model.run(rgb.astype(np.float32)))).max() <= 0.51


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_chroma_lies_where_the_source_says(tmp_path: Path, siting: str) -> None:
    """A color that rises evenly from left to right and falls from top to bottom does so in the result."""
    model = TfliteModel(zoo.tflite("ecbsr-m4c16-rgb-x2", "fp32"), threads=1)
    across, down = {"left": (0.0, 0.5), "center": (0.5, 0.5), "topleft": (0.0, 0.0)}[siting]

    def color(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return 128 + 2.13 * (columns - 32)[None] - 2.71 * (rows - 24)[:, None]

    chroma = color(2 * np.arange(32) + across, 2 * np.arange(24) + down).clip(90, 166).round().astype(np.uint8)
    gray = np.full((48, 64), 128, np.uint8)
    planes = [[gray, chroma, np.full_like(chroma, 128)]]
    options = {"chroma_sample_location": siting}
    source = write_clip(tmp_path / "a.mkv", planes=planes, options=options)
    upscale_clip(source, tmp_path / "out.mkv", model, LOSSLESS)
    assert probe(tmp_path / "out.mkv").source.layout.siting == siting
    _, blue, _ = read_clip(tmp_path / "out.mkv").planes(0)
    places = ((2 * np.arange(64) + across + 0.5) / 2 - 0.5, (2 * np.arange(48) + down + 0.5) / 2 - 0.5)
    expected = color(*places)
    inside = (expected > 100) & (expected < 156)
    inside[:4], inside[-4:], inside[:, :4], inside[:, -4:] = False, False, False, False
    assert inside.sum() > 200 and abs((blue - expected)[inside].mean()) < 0.2  # a quarter of a pixel is 0.5 or more


def test_gray_stays_gray(tmp_path: Path, model: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.mkv", (48, 32), 2, "ffv1", "gray")
    upscale_clip(source, tmp_path / "out.mkv", model, LOSSLESS)
    luma, *chroma = read_clip(tmp_path / "out.mkv").planes(0)
    assert all((plane == 128).all() for plane in chroma) and luma.std() > 10


def test_the_left_half_of_a_comparison_is_bicubic(tmp_path: Path, model: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.mkv", (48, 32), 2, "ffv1", "yuv444p")
    upscale_clip(source, tmp_path / "ours.mkv", model, LOSSLESS)
    upscale_clip(source, tmp_path / "both.mkv", model, Options(codec="h264", crf=0, compare=True))
    ours, both = (read_clip(tmp_path / name).planes(0) for name in ("ours.mkv", "both.mkv"))
    for before, network, plane in zip(read_clip(source).planes(0), ours, both, strict=True):
        bicubic = images.resize_bicubic(before.astype(np.float64), (96, 64)).clip(0, 255)
        assert np.abs(plane[:, :47] - bicubic[:, :47]).max() <= 0.51
        assert (plane[:, 49:] == network[:, 49:]).all()


def test_a_matrix_without_rgb_is_refused(tmp_path: Path, model: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.mkv", tags={**TAGS, "colorspace": 8})
    with pytest.raises(
        EcbsrError, match=r"has the color matrix 8 of ITU-T H\.273, which RGB networks cannot use; take a"
    ):
        upscale_clip(source, tmp_path / "out.mkv", model)
    assert not (tmp_path / "out.mkv").exists()


def test_a_clip_without_a_matrix_gets_that_of_its_size(tmp_path: Path, model: TfliteModel) -> None:
    """Players go by the size, so the larger clip would have other colors without a name."""
    source = write_clip(tmp_path / "a.mkv", (80, 300), 1, tags={**TAGS, "colorspace": 2})
    assert read_clip(source).frames[0].colorspace == 2
    upscale_clip(source, tmp_path / "out.mkv", model)
    assert read_clip(tmp_path / "out.mkv").frames[0].colorspace == 6
