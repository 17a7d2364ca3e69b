"""Upscaled clips, as PyAV and FFmpeg read them: frames, times, pixels, tags, and everything beside the video."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile import TfliteModel, TorchModel, load, zoo
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.layers import bias_of
from ecbsr_mobile.tflite import write
from ecbsr_mobile.utils.opencv import opencv
from ecbsr_mobile.utils.scheduling import usable_cores
from tests.helpers import upscalers
from tests.helpers.clips import TAGS, av, delayed, frame_in, picture, read_clip, samples, write_clip
from tests.helpers.tflite_models import GraphBuilder

from ecbsr_mobile.video import files  # isort: skip
from ecbsr_mobile.video.network import luma_runner  # isort: skip
from ecbsr_mobile.video.pipeline import Options, upscale_clip  # isort: skip
from ecbsr_mobile.video.probe import probe  # isort: skip

LOSSLESS = Options(codec="h264", crf=0)


@pytest.fixture(scope="module")
def model() -> TfliteModel:
    return TfliteModel(zoo.tflite("ecbsr-m4c8-x2"), threads=1)


@pytest.fixture(scope="module")
def floats() -> TfliteModel:
    return TfliteModel(zoo.tflite("ecbsr-m4c8-x2", "fp32"), threads=1)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "written"),
    [
        ("a.mp4", "libx264", "yuv420p", "h264"),
        ("a.mkv", "libx264", "yuv444p", "h264"),
        ("a.mp4", "libx264", "yuv422p10le", "hevc"),
        ("a.mp4", "libx265", "yuv420p", "h264"),
        ("a.mp4", "libx265", "yuv420p10le", "hevc"),
        ("a.mkv", "libx265", "yuv420p12le", "hevc"),
        ("a.webm", "libvpx-vp9", "yuv420p", "h264"),
        ("a.mp4", "libsvtav1", "yuv420p10le", "hevc"),
        ("a.ts", "mpeg2video", "yuv420p", "h264"),
        ("a.mkv", "ffv1", "yuv411p", "h264"),
        ("a.mkv", "ffv1", "yuv410p", "h264"),
        ("a.mkv", "ffv1", "gray", "h264"),
        ("a.mkv", "ffv1", "bgr0", "h264"),
    ],
)
def test_frames_times_and_tags_are_kept(
    tmp_path: Path, model: TfliteModel, name: str, codec: str, pixel_format: str, written: str
) -> None:
    source = write_clip(tmp_path / name, (80, 64), 5, codec, pixel_format)
    output = tmp_path / "out.mkv"
    result = upscale_clip(source, output, model)
    before, after = read_clip(source), read_clip(output)
    assert after.size == (160, 128) and result.upscaled_size == (160, 128)
    assert len(after.frames) == len(before.frames) == result.frames == 5
    assert np.diff(after.times) == pytest.approx(np.diff(before.times), abs=0.0011)  # Matroska counts milliseconds
    assert after.codec == written == result.codec
    first, last = before.frames[0], after.frames[0]
    if "bgr" not in pixel_format and pixel_format != "gray":
        for tag in ("colorspace", "color_primaries", "color_trc"):
            assert getattr(last, tag) == getattr(first, tag)
    assert last.color_range == 1
    luma = after.planes(2)[0] / (1 << (max(c.bits for c in last.format.components) - 8))
    assert np.abs(luma[::2, ::2].mean() - _luma(before.frames[2]).mean()) < 2


def _luma(frame: Any) -> np.ndarray:
    return frame.reformat(format="gray16le", src_color_range="MPEG", dst_color_range="MPEG").to_ndarray() / 256


@pytest.mark.parametrize("bits", [8, 10])
def test_luma_is_what_the_network_makes_of_it(
    tmp_path: Path, model: TfliteModel, floats: TfliteModel, bits: int
) -> None:
    """Limited-range luma goes in as it is: 8 bits through int8 without a loss, 10 bits through floats."""
    pixel_format = "yuv420p" if bits == 8 else "yuv420p10le"
    source = write_clip(tmp_path / "a.mkv", (45, 31), 2, "ffv1", pixel_format)
    network = model if bits == 8 else floats
    upscale_clip(source, tmp_path / "out.mkv", network, LOSSLESS)
    (before, *_), (after, *_) = read_clip(source).planes(1), read_clip(tmp_path / "out.mkv").planes(1)
    white = 255 << (bits - 8)
    expected = network.run((before[:, :, None] / white).astype(np.float32))[:, :, 0] * white
    expected = expected.clip(0, (1 << bits) - 1)
    runner = luma_runner(network, (45, 31), probe(source).source.layout, 1)
    assert np.abs(runner(before.astype(np.uint8 if bits == 8 else np.uint16)) - expected).max() <= 0.51
    assert np.abs(after - expected).max() <= (0.51 if bits == 8 else 8)  # x264 has no lossless 10 bits at --crf 0


@pytest.mark.filterwarnings("ignore:.*where bicubic gives:UserWarning")
def test_a_network_that_mirrors_a_wide_border_enlarges_clips(tmp_path: Path) -> None:
    """It runs at no size that is smaller than the border."""
    make = GraphBuilder()
    border = make.constant(np.int32([[0, 0], [10, 10], [10, 10], [0, 0]]))
    options = schema.MirrorPadOptionsT(0)
    wide = make.node("MIRROR_PAD", [make.input((1, 32, 48, 1)), border], (1, 52, 68, 1), options=options)
    larger = make.depth_to_space(upscalers.copying(make, wide, 4), 2)
    inner = [make.constant(np.int32(values)) for values in ([0, 20, 20, 0], [0, -20, -20, 0], [1, 1, 1, 1])]
    cut = schema.StridedSliceOptionsT(beginMask=9, endMask=9)
    graph = make.graph(make.node("STRIDED_SLICE", [larger, *inner], (1, 64, 96, 1), options=cut))
    (tmp_path / "m.tflite").write_bytes(write(graph))
    source = write_clip(tmp_path / "a.mkv", (60, 40), 2, "ffv1")
    upscale_clip(source, tmp_path / "out.mkv", TfliteModel(tmp_path / "m.tflite"), LOSSLESS)
    before, after = read_clip(source).planes(1)[0], read_clip(tmp_path / "out.mkv").planes(1)[0]
    np.testing.assert_array_equal(after, before.repeat(2, axis=0).repeat(2, axis=1))


def test_full_range_is_converted_for_the_network(tmp_path: Path, floats: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.mkv", (45, 31), 2, "ffv1", tags={**TAGS, "color_range": 2})
    upscale_clip(source, tmp_path / "out.mkv", floats, LOSSLESS)
    before, after = read_clip(source), read_clip(tmp_path / "out.mkv")
    assert before.frames[0].color_range == after.frames[0].color_range == 2
    limited = 16 + before.planes(0)[0] * 219 / 255
    expected = (floats.run((limited[:, :, None] / 255).astype(np.float32))[:, :, 0] * 255 - 16) * 255 / 219
    assert np.abs(after.planes(0)[0] - expected.clip(0, 255)).max() <= 0.51


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.mov", "png")])
def test_gray_is_displayed_as_before(tmp_path: Path, floats: TfliteModel, name: str, codec: str) -> None:
    """FFmpeg takes gray of an unspecified range as full; PNG tags gray as RGB."""
    steps = np.repeat(np.array([0, 60, 130, 255], np.uint8), 16)[None].repeat(32, 0)
    source = write_clip(tmp_path / name, codec=codec, pixel_format="gray", planes=[[steps]] * 2, tags={})
    upscale_clip(source, tmp_path / "out.mkv", floats, LOSSLESS)
    before, after = (read_clip(path).frames[0].reformat(format="rgb24") for path in (source, tmp_path / "out.mkv"))
    assert np.abs(after.to_ndarray()[32, 16::32].astype(int) - before.to_ndarray()[16, 8::16]).max() <= 3
    assert read_clip(tmp_path / "out.mkv").frames[0].colorspace == 6


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_chroma_lies_where_the_source_says(tmp_path: Path, model: TfliteModel, siting: str) -> None:
    """Each sample is the cubic interpolation at its place; FFmpeg's own scaler takes all chroma as centered."""
    across, down = {"left": (0.0, 0.5), "center": (0.5, 0.5), "topleft": (0.0, 0.0)}[siting]
    chroma = np.random.default_rng(0).integers(60, 190, (24, 32)).astype(np.uint8)
    planes = [[np.full((48, 64), 90, np.uint8), chroma, 255 - chroma]] * 2
    source = write_clip(tmp_path / "a.mkv", planes=planes, options={"chroma_sample_location": siting})
    assert probe(source).source.layout.siting == siting
    upscale_clip(source, tmp_path / "out.mkv", model, LOSSLESS)
    assert probe(tmp_path / "out.mkv").source.layout.siting == siting
    _, blue, red = read_clip(tmp_path / "out.mkv").planes(1)
    for ours, plane in ((blue, chroma), (red, 255 - chroma)):
        expected = _cubic_weights(24, down) @ plane.astype(np.float64) @ _cubic_weights(32, across).T
        assert np.abs(ours - expected.clip(0, 255)).max() <= 0.501


def _cubic_weights(length: int, offset: float) -> np.ndarray:
    """Weights [2 · length, length] of cubic convolution (a = -0.5) for chroma at 2k + offset, enlarged by 2."""
    luma = (2 * np.arange(2 * length) + offset + 0.5) / 2 - 0.5  # places of the result, in pixels of the source
    places = (luma - offset) / 2
    weights = np.zeros((2 * length, length))
    for row, place in enumerate(places):
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            x = abs(place - tap)
            value = (1.5 * x - 2.5) * x * x + 1 if x <= 1 else -0.5 * (x - 1) * max(2 - x, 0) ** 2
            weights[row, min(max(tap, 0), length - 1)] += value
    return weights


def test_variable_frame_rate_is_kept(tmp_path: Path, model: TfliteModel) -> None:
    times = [0, 40, 50, 200, 1200, 1210]
    for name in ("a.mkv", "a.mp4"):
        source = write_clip(tmp_path / name, frames=6, pts=times, time_base=Fraction(1, 1000))
        output = tmp_path / f"out-{name}"
        upscale_clip(source, output, model)
        assert read_clip(output).times == pytest.approx([time / 1000 for time in times], abs=1e-3)


@pytest.mark.parametrize("name", ["a.ts", "a.mpg", "a.mkv"])
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_clip_whose_clock_begins_late_begins_at_0(tmp_path: Path, model: TfliteModel, name: str, ending: str) -> None:
    codec, sound = ("mpeg2video", "mp2") if name == "a.mpg" else ("libx264", "aac")
    chapters = name == "a.mkv"
    source = write_clip(tmp_path / "early.mkv", frames=10, codec=codec, sounds=1, sound=sound, chapters=chapters)
    late = delayed(source, tmp_path / name, 36000)
    output = tmp_path / f"out{ending}"
    upscale_clip(late, output, model)
    before, after = read_clip(late), read_clip(output)
    with av.open(str(late)) as clip:
        begin = clip.start_time / 1e6
    assert begin > 35000
    assert after.times == pytest.approx([time - begin for time in before.times], abs=2e-3)
    assert after.packet_times[1] == pytest.approx([time - begin for time in before.packet_times[1]], abs=2e-3)
    assert len(after.packets[1]) == len(before.packets[1])
    assert after.chapters == [
        (pytest.approx(start - begin, abs=2e-3), pytest.approx(end - begin, abs=2e-3), title)
        for start, end, title in before.chapters
    ]
    assert len(after.chapters) == 2 * chapters
    with av.open(str(output)) as clip:
        assert clip.duration < 1_000_000


@pytest.mark.parametrize("name", ["a.ts", "a.mpg"])
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_joined_clips_play_one_after_another(tmp_path: Path, model: TfliteModel, name: str, ending: str) -> None:
    codec, sound = ("mpeg2video", "mp2") if name == "a.mpg" else ("libx264", "aac")
    first = write_clip(tmp_path / name, frames=10, codec=codec, sounds=1, sound=sound)
    joined = tmp_path / f"joined{first.suffix}"
    joined.write_bytes(delayed(first, tmp_path / f"late{first.suffix}", 50).read_bytes() + first.read_bytes())
    output = tmp_path / f"out{ending}"
    result = upscale_clip(joined, output, model)
    assert result.notes == ("time stamps that jump back go on instead (1 jumps)",)
    once, after = read_clip(first), read_clip(output)
    assert len(after.times) == 20
    steps = np.diff(after.times)
    assert np.delete(steps, 9) == pytest.approx([1 / 25] * 18, abs=2e-3)
    assert 0.038 <= steps[9] < 0.1  # the later end of sound and video ends the first part
    heard, lead = np.array(after.packet_times[1]), once.packet_times[1][0] - once.times[0]
    assert len(heard) == 2 * len(once.packets[1])
    begins = heard[[0, len(once.packets[1])]] - np.array(after.times)[[0, 10]]
    assert begins == pytest.approx([lead, lead], abs=3e-3)


def test_sound_that_steps_back_a_little_is_left_out(tmp_path: Path, model: TfliteModel) -> None:
    first = write_clip(tmp_path / "a.ts", frames=10, sounds=1)
    once = read_clip(first)
    length = Fraction(round(1000 * (once.packet_times[1][-1] - once.packet_times[1][0])), 1000)
    second = delayed(first, tmp_path / "b.ts", length - Fraction(1, 20))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    result = upscale_clip(joined, tmp_path / "out.mp4", model)
    after = read_clip(tmp_path / "out.mp4")
    (note,) = result.notes
    left_out = int(note.split()[0])
    assert note.endswith("packets of sound or text that lie before others are left out") and 2 <= left_out <= 4
    assert len(after.packets[1]) == 2 * len(once.packets[1]) - left_out
    assert (np.diff(after.packet_times[1]) > 0).all() and (np.diff(after.times) > 0).all()


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_clips_of_few_frames(tmp_path: Path, model: TfliteModel, codec: str) -> None:
    for frames in (1, 2, 3):
        source = write_clip(tmp_path / f"{frames}.mkv", (80, 64), frames, "ffv1")
        output = tmp_path / f"{codec}-{frames}.mp4"
        upscale_clip(source, output, model, Options(codec))
        assert read_clip(output).times == pytest.approx([index / 25 for index in range(frames)], abs=1e-3)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_everything_beside_the_video_is_copied(tmp_path: Path, model: TfliteModel, ending: str) -> None:
    source = write_clip(tmp_path / f"a{ending}", frames=5, sounds=2, subtitles=ending == ".mkv", chapters=True)
    output = tmp_path / f"out{ending}"
    assert upscale_clip(source, output, model).notes == ()
    before, after = read_clip(source), read_clip(output)
    assert after.packets == before.packets and len(after.packets) >= 2
    assert after.kinds == before.kinds and len(after.kinds) == 2 + (ending == ".mkv")
    assert after.chapters == before.chapters and len(after.chapters) == 2
    assert after.title == before.title == "A cat"
    assert after.times == pytest.approx(before.times, abs=1e-6)


def test_rotation_and_pixel_aspect_are_kept(tmp_path: Path, model: TfliteModel) -> None:
    for rotation in (90, 180, -90):
        source = write_clip(tmp_path / f"a{rotation}.mp4", rotation=rotation, aspect=Fraction(4, 3))
        output = tmp_path / f"out{rotation}.mp4"
        upscale_clip(source, output, model)
        assert read_clip(output).frames[0].rotation == read_clip(source).frames[0].rotation != 0
        with av.open(str(output)) as clip:
            assert clip.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("codec", ["hevc", "h264", "av1"])
def test_hdr_metadata_is_kept(tmp_path: Path, floats: TfliteModel, codec: str) -> None:
    display = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    options = {"x265-params": f"lossless=1:log-level=none:{display}:max-cll=1000,400"}
    tags = {"color_range": 1, "colorspace": 9, "color_primaries": 9, "color_trc": 16}
    source = write_clip(tmp_path / "a.mp4", (80, 64), 3, "libx265", "yuv420p10le", tags=tags, options=options)
    upscale_clip(source, tmp_path / "out.mp4", floats, Options(codec=codec))
    before, after = probe(source), probe(tmp_path / "out.mp4")
    assert before.hdr.mastering is not None and after.hdr.mastering is not None
    assert [float(v) for v in after.hdr.mastering] == pytest.approx([float(v) for v in before.hdr.mastering], rel=2e-3)
    assert after.hdr.light == before.hdr.light == (1000, 400)
    assert after.color == before.color and after.color.transfer == 16


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="only Linux has scheduling policies")
def test_an_encoder_that_asks_for_real_time_does_not_get_it(tmp_path: Path, model: TfliteModel) -> None:
    """SVT-AV1 takes the highest priority where it may, as root: nothing else would run on the machine."""
    source = write_clip(tmp_path / "a.mp4", (64, 48), 3)
    seen = set()

    def look(_done: object) -> None:
        seen.update(os.sched_getscheduler(int(task)) for task in os.listdir("/proc/self/task"))

    look(None)
    before = set(seen)
    upscale_clip(source, tmp_path / "out.mkv", model, Options(codec="av1"), count=look)
    look(None)
    assert seen == before == {os.SCHED_OTHER}


def test_transparency_and_captions_are_left_out_with_a_note(tmp_path: Path, model: TfliteModel) -> None:
    clear = write_clip(tmp_path / "a.webm", codec="libvpx-vp9", pixel_format="yuva420p")
    result = upscale_clip(clear, tmp_path / "clear.mkv", model)
    assert result.notes == ("transparency is not kept",)
    with av.open(str(tmp_path / "clear.mkv")) as clip:
        assert "alpha_mode" not in {key.lower() for key in clip.streams.video[0].metadata}
    captions = b"\xb5\x00\x31GA94\x03\xc1\xff\xfc\x94\x20\xff"  # ATSC A/53, one pair of CEA-608
    sei = b"\x00\x00\x00\x01\x06\x04" + bytes([len(captions)]) + captions + b"\x80"
    units = re.split(rb"(?=\x00\x00\x01[\x41\x65])", write_clip(tmp_path / "a.h264").read_bytes())
    (tmp_path / "b.h264").write_bytes(units[0] + b"".join(sei + unit for unit in units[1:]))
    assert any(data.type.name == "A53_CC" for data in read_clip(tmp_path / "b.h264").frames[0].side_data)
    result = upscale_clip(tmp_path / "b.h264", tmp_path / "captions.mkv", model)
    assert result.notes == ("closed captions within the frames are left out",)


def test_odd_sizes_get_a_repeated_row_and_column(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", (47, 33), 2, "ffv1")
    x3 = TfliteModel(zoo.tflite("ecbsr-m4c16-x3"), threads=1)
    result = upscale_clip(source, tmp_path / "out.mkv", x3, LOSSLESS)
    assert result.upscaled_size == (142, 100) and any("repeated" in note for note in result.notes)
    luma = read_clip(tmp_path / "out.mkv").planes(0)[0]
    assert (luma[:, -1] == luma[:, -2]).all() and (luma[-1] == luma[-2]).all()
    write_clip(tmp_path / "b.mkv", (47, 33), 2, "ffv1", "yuv444p")
    assert upscale_clip(tmp_path / "b.mkv", tmp_path / "c.mkv", x3, LOSSLESS).upscaled_size == (141, 99)


def test_interlaced_clips_are_refused_or_deinterlaced(tmp_path: Path, model: TfliteModel) -> None:
    size = (48, 32)
    fields = []
    for index in range(6):  # the lower field is from a later moment
        upper, lower = picture(size, 8 * index)[:, :, 1], picture(size, 8 * index + 4)[:, :, 1]
        fields.append(
            [np.where(np.arange(32)[:, None] % 2 == 0, upper, lower), *[np.full((16, 24), 128, np.uint8)] * 2]
        )
    source = write_clip(tmp_path / "a.mkv", planes=fields, options={"x264-params": "tff=1"})
    assert probe(source).interlaced
    with pytest.raises(EcbsrError, match="interlaced; add --deinterlace"):
        upscale_clip(source, tmp_path / "out.mkv", model)
    assert not (tmp_path / "out.mkv").exists()
    upscale_clip(source, tmp_path / "out.mkv", model, Options(codec="h264", crf=0, deinterlace=True))
    before, after = read_clip(source), read_clip(tmp_path / "out.mkv")
    assert after.times == pytest.approx(before.times, abs=1e-3)
    combed, smooth = (_comb(read.planes(3)[0]) for read in (before, after))
    assert smooth < combed / 2


def _comb(luma: np.ndarray) -> float:
    """How much neighboring rows differ more than rows two apart."""
    return float(np.abs(np.diff(luma, axis=0)).mean() - np.abs(luma[2:] - luma[:-2]).mean())


def test_a_span_is_cut_with_its_sound_and_chapters(tmp_path: Path, model: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.mkv", frames=50, sounds=1, chapters=True)
    options = Options(codec="h264", crf=0, start=Fraction(12, 25), duration=Fraction(16, 25))
    result = upscale_clip(source, tmp_path / "out.mkv", model, options)
    before, after = read_clip(source), read_clip(tmp_path / "out.mkv")
    assert result.frames == len(after.frames) == 16
    assert after.times == pytest.approx([index / 25 for index in range(16)], abs=2e-3)
    expected = model.run((before.planes(12)[0][:, :, None] / 255).astype(np.float32))[:, :, 0] * 255
    assert np.abs(after.planes(0)[0] - expected.clip(0, 255)).max() <= 0.51
    (sound,) = after.packets.values()
    assert 28 <= len(sound) <= 32 and sound[3] in before.packets[1]
    with pytest.raises(EcbsrError, match="no frame in this span; it lasts"):
        upscale_clip(source, tmp_path / "none.mkv", model, Options(start=Fraction(99)))
    assert not (tmp_path / "none.mkv").exists()


@pytest.mark.parametrize("name", ["a.ts", "a.mpg", "a.flv", "a.avi", "a.h264", "a.mkv"])
def test_a_span_begins_at_its_frame_in_any_container(tmp_path: Path, model: TfliteModel, name: str) -> None:
    codec, sounds = {"a.mpg": "mpeg2video", "a.avi": "mpeg4"}.get(name, "libx264"), name in ("a.ts", "a.mkv")
    source = write_clip(tmp_path / name, frames=400, codec=codec, sounds=sounds, options={"g": "100"})
    options = Options(codec="h264", crf=0, start=Fraction(305, 25), duration=Fraction(4, 25))
    result = upscale_clip(source, tmp_path / "out.mkv", model, options)
    before, after = read_clip(source), read_clip(tmp_path / "out.mkv")
    assert result.frames == 4
    assert after.times == pytest.approx([0, 0.04, 0.08, 0.12], abs=2e-3)
    for index in range(4):
        expected = model.run((before.planes(305 + index)[0][:, :, None] / 255).astype(np.float32))[:, :, 0] * 255
        assert np.abs(after.planes(index)[0] - expected.clip(0, 255)).max() <= 0.51
    if sounds:
        heard = np.array(before.packet_times[1]) - before.times[305]
        assert after.packet_times[1] == pytest.approx(heard[(heard >= 0) & (heard < 0.16)], abs=2e-3)
    with pytest.raises(EcbsrError, match="no frame in this span"):
        upscale_clip(source, tmp_path / "none.mkv", model, Options(start=Fraction(99)))


def test_the_left_half_of_a_comparison_is_bicubic(tmp_path: Path, model: TfliteModel) -> None:
    from ecbsr_mobile import images

    source = write_clip(tmp_path / "a.mkv", (48, 32), 2, "ffv1")
    upscale_clip(source, tmp_path / "ours.mkv", model, LOSSLESS)
    upscale_clip(source, tmp_path / "both.mkv", model, Options(codec="h264", crf=0, compare=True))
    ours, both = (read_clip(tmp_path / name).planes(0)[0] for name in ("ours.mkv", "both.mkv"))
    before = read_clip(source).planes(0)[0]
    bicubic = images.resize_bicubic(before.astype(np.float64), (96, 64)).clip(0, 255)
    assert np.abs(both[:, :47] - bicubic[:, :47]).max() <= 0.51
    assert (both[:, 49:] == ours[:, 49:]).all() and (both[:, 47:49] == 255).all()


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_the_half_that_is_displayed_on_the_left_is_bicubic(tmp_path: Path, model: TfliteModel, rotation: int) -> None:
    """OpenCV turns frames by the display matrix, as players do."""
    cv2 = opencv()
    source = write_clip(tmp_path / "a.mp4", (48, 32), 2, rotation=rotation)
    upscale_clip(source, tmp_path / "ours.mp4", model, LOSSLESS)
    upscale_clip(source, tmp_path / "both.mp4", model, Options(codec="h264", crf=0, compare=True))
    shown = []
    for name in ("ours.mp4", "both.mp4"):
        capture = cv2.VideoCapture(str(tmp_path / name))
        shown.append(capture.read()[1].astype(int))
        capture.release()
    ours, both = shown
    height, width = both.shape[:2]
    assert (width, height) == ((96, 64) if rotation in (0, 180) else (64, 96))
    middle = width // 2
    assert (ours[:, middle + 4 :] == both[:, middle + 4 :]).all()
    assert (ours[:, : middle - 4] != both[:, : middle - 4]).any(axis=2).mean() > 0.5
    assert (both[:, middle - 1 : middle + 1, 1:] > 250).all()  # red and green: only the luma of the line is white


def test_the_same_clip_gives_the_same_bytes(tmp_path: Path, model: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.mp4", (80, 64), 8, sounds=1)
    upscale_clip(source, tmp_path / "one.mp4", model)
    cores = usable_cores()
    os.sched_setaffinity(0, {min(cores)})
    try:
        upscale_clip(source, tmp_path / "two.mp4", model)
    finally:
        os.sched_setaffinity(0, cores)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_what_cannot_be_honored_is_refused(tmp_path: Path, model: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.mkv", subtitles=True, frames=2)
    with pytest.raises(EcbsrError, match=r"out.mp4 cannot hold its subtitle in .*; choose an output that ends in .mkv"):
        upscale_clip(source, tmp_path / "out.mp4", model)
    with pytest.raises(UsageError, match=r"out.webm: WebM holds AV1 alone; add --codec av1, or choose .*\.mkv"):
        upscale_clip(source, tmp_path / "out.webm", model)
    with pytest.raises(UsageError, match=r"avi: clips are written as \.mp4"):
        upscale_clip(source, tmp_path / "out.avi", model)
    with pytest.raises(UsageError, match=r"the constant rate factor 99 is not in 0\.\.51"):
        upscale_clip(source, tmp_path / "out.mkv", model, Options(crf=99))
    with pytest.raises(EcbsrError, match="48x32 pixels, more than the limit of 1,000"):
        upscale_clip(source, tmp_path / "out.mkv", model, Options(max_pixels=1000))
    write_clip(tmp_path / "b.mkv", pixel_format="yuv444p", frames=2)
    with pytest.raises(EcbsrError, match=r"is 4:4:4 with 8 bits, and av1 .* encodes 4:2:0 alone"):
        upscale_clip(tmp_path / "b.mkv", tmp_path / "out.mkv", model, Options(codec="av1"))
    with pytest.raises(EcbsrError, match="exists; choose another output"):
        upscale_clip(source, source.with_name("b.mkv"), model)
    assert {path.name for path in tmp_path.iterdir()} == {"a.mkv", "b.mkv"}


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_sound_that_a_format_refuses_only_at_its_header_is_named(
    tmp_path: Path, model: TfliteModel, codec: str
) -> None:
    source = write_clip(tmp_path / "a.mkv", frames=3, sounds=1, sound=codec)
    text = rf"out.mov cannot hold its audio in {codec.removeprefix('lib')}; choose an output that ends in .mkv"
    with pytest.raises(EcbsrError, match=text):
        upscale_clip(source, tmp_path / "out.mov", model)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
    upscale_clip(source, tmp_path / "out.mkv", model)
    assert read_clip(tmp_path / "out.mkv").packets == read_clip(source).packets


@pytest.mark.parametrize(
    ("name", "codec", "sound"), [("a.m2ts", "libx264", "pcm_bluray"), ("a.vob", "mpeg2video", "pcm_dvd")]
)
def test_sound_that_matroska_does_not_hold_becomes_pcm(
    tmp_path: Path, model: TfliteModel, name: str, codec: str, sound: str
) -> None:
    source = write_clip(tmp_path / name, codec=codec, frames=5, sounds=1, sound=sound)
    output = tmp_path / f"out{files.ending(source)}"
    assert upscale_clip(source, output, model).notes == (
        f"audio in {sound}, which Matroska cannot hold, becomes pcm_s16le",
    )
    before, after = read_clip(source), read_clip(output)
    assert after.kinds[0][1] == "pcm_s16le"
    assert (samples(output) == samples(source)).all() and samples(source).any()
    lead = before.packet_times[1][0] - before.times[0]
    assert after.packet_times[1][0] - after.times[0] == pytest.approx(lead, abs=2e-3)
    with pytest.raises(EcbsrError, match=rf"out.mp4 cannot hold its audio in {sound}; choose .* ends in .mkv"):
        upscale_clip(source, tmp_path / "out.mp4", model)


@pytest.mark.skipif("libopencore_amrnb" not in av.codecs_available, reason="FFmpeg without an encoder for AMR")
def test_speech_of_3gp_is_copied_into_mov_and_becomes_pcm_in_matroska(tmp_path: Path, model: TfliteModel) -> None:
    source = write_clip(tmp_path / "a.3gp", codec="mpeg4", frames=10, sounds=1, sound="libopencore_amrnb", rate=8000)
    assert files.ending(source) == ".mov"
    assert upscale_clip(source, tmp_path / "out.mov", model).notes == ()
    assert read_clip(tmp_path / "out.mov").packets == read_clip(source).packets
    with pytest.raises(
        EcbsrError, match=r"out.mp4 cannot hold its audio in amr_nb; choose an output that ends in .mov"
    ):
        upscale_clip(source, tmp_path / "out.mp4", model)
    (note,) = upscale_clip(source, tmp_path / "out.mkv", model).notes
    assert note == "audio in amr_nb, which Matroska cannot hold, becomes pcm_f32le"
    assert samples(tmp_path / "out.mkv") == pytest.approx(samples(source))


def test_subtitles_that_matroska_does_not_hold_need_another_output(tmp_path: Path, model: TfliteModel) -> None:
    with av.open(str(write_clip(tmp_path / "a.mkv"))) as video, av.open(str(tmp_path / "a.mp4"), "w") as target:
        copied, text = target.add_stream_from_template(video.streams[0]), target.add_stream("mov_text")
        text.codec_context.subtitle_header = (
            b"[Script Info]\nScriptType: v4.00+\n[V4+ Styles]\nFormat: Name\n[Events]\n"
        )
        for packet in video.demux():
            if packet.size:
                packet.stream = copied
                target.mux(packet)
        words = av.Packet(b"\0\4Meow")
        words.stream, words.time_base, words.pts, words.dts, words.duration = text, Fraction(1, 1000), 0, 0, 100
        target.mux(words)
    upscale_clip(tmp_path / "a.mp4", tmp_path / "out.mp4", model)
    assert read_clip(tmp_path / "out.mp4").packets[1][0] == b"\0\4Meow"
    with pytest.raises(EcbsrError, match=r"out.mkv cannot hold its subtitle in mov_text; choose .* ends in .mp4"):
        upscale_clip(tmp_path / "a.mp4", tmp_path / "out.mkv", model)


@pytest.mark.parametrize("ending", [".mov", ".mkv"])
def test_sound_of_an_unknown_codec_is_left_out_with_a_note(tmp_path: Path, model: TfliteModel, ending: str) -> None:
    """Such as the second track of newer phones, in Apple's own codec."""
    source = write_clip(tmp_path / "a.mov", frames=5, sounds=2)
    data = source.read_bytes()
    last = data.rindex(b"stsd")
    source.write_bytes(data[:last] + data[last:].replace(b"mp4a", b"apac").replace(b"esds", b"dapa"))
    with av.open(str(source)) as clip:
        assert [stream.codec_context is None for stream in clip.streams] == [False, False, True]
    output = tmp_path / f"out{ending}"
    assert upscale_clip(source, output, model).notes == ("audio of an unknown codec is left out",)
    after = read_clip(output)
    assert after.packets == {1: read_clip(source).packets[1]} and len(after.kinds) == 1


def test_a_frame_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    net = load("ecbsr-m4c8-x2")
    bias_of(net.convolutions[0])[0] = float("nan")
    source = write_clip(tmp_path / "a.mp4", frames=2)
    with pytest.raises(EcbsrError, match="gives infinities or NaN for a frame"):
        upscale_clip(source, tmp_path / "out.mp4", TorchModel(net))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_size_that_changes_is_refused(tmp_path: Path, model: TfliteModel) -> None:
    source = tmp_path / "a.nut"
    with av.open(str(source), "w") as target:
        stream: Any = target.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        packets = []
        for size in ((48, 32), (64, 48)):
            encoder: Any = av.CodecContext.create("mpeg2video", "w")
            encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
            encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, 25), Fraction(25), 1
            for index in range(12):
                planes = [np.full((size[1] // n, size[0] // n), 90 + index, np.uint8) for n in (1, 2, 2)]
                frame = frame_in("yuv420p", planes)
                frame.pts = index + (12 if size[0] == 64 else 0)
                packets += encoder.encode(frame)
            packets += encoder.encode(None)
        for number, packet in enumerate(packets):
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            target.mux(packet)
    with pytest.raises(EcbsrError, match=r"frame 1\d has 64x48 pixels, those before 48x32"):
        upscale_clip(source, tmp_path / "out.mkv", model)
    assert not (tmp_path / "out.mkv").exists()


HOSTILE = {
    "empty": (b"", "is empty"),
    "noise": (bytes(range(256)) * 40, "cannot be read as a clip .*; it is incomplete, damaged, or no clip"),
    "a playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n/etc/passwd\n", "cannot be read as a clip"),
    "a list of files": (b"ffconcat version 1.0\nfile /etc/passwd\n", "cannot be read as a clip"),
    "a picture": ((zoo.pictures()[0]).read_bytes(), "cannot be read as a clip"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_clip_is_refused(tmp_path: Path, name: str) -> None:
    content, message = HOSTILE[name]
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(EcbsrError, match=message):
        probe(tmp_path / "a.mp4")


def test_sound_without_video_and_other_paths_are_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as target:
        stream = target.add_stream("aac", rate=48000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.rate, sound.pts = 48000, 0
        target.mux(stream.encode(sound))
        target.mux(stream.encode(None))
    for path, message in (
        (tmp_path / "a.mkv", "contains no video"), (tmp_path / "none.mp4", "No such file"), (tmp_path, "is not a file"),
        (Path("/dev/null"), "is not a file"),
    ):  # fmt: skip
        with pytest.raises(EcbsrError, match=message):
            probe(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.flv"])
def test_a_clip_that_is_cut_off_is_noted(tmp_path: Path, model: TfliteModel, name: str) -> None:
    source = write_clip(tmp_path / name, frames=50)
    assert upscale_clip(source, tmp_path / "whole.mkv", model).notes == ()
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    with av.open(str(source)) as clip:
        last = max(float(packet.pts * packet.time_base) for packet in clip.demux(video=0) if packet.size)
    missing = 2 - (last + 1 / 25)
    assert 0.6 < missing < 1.4
    note = upscale_clip(source, tmp_path / "out.mkv", model).notes[-1]
    found = re.fullmatch(r"its last (\d\.\d) seconds are missing: the file is incomplete or damaged", note)
    assert found and float(found[1]) == pytest.approx(missing, abs=0.1)
    assert upscale_clip(source, tmp_path / "span.mkv", model, Options(duration=Fraction(1, 5))).notes == ()


@pytest.mark.parametrize("seed", range(12))
def test_damaged_clips_end_in_a_clip_or_a_sentence(tmp_path: Path, model: TfliteModel, seed: int) -> None:
    random = np.random.default_rng(seed)
    name = ("a.mp4", "a.mkv", "a.ts")[seed % 3]
    source = write_clip(tmp_path / name, (48, 32), 12, sounds=1)
    data = bytearray(source.read_bytes())
    if seed % 2:
        data = data[: int(random.integers(100, len(data)))]
    for position in random.integers(0, len(data), 20):
        data[position] = int(random.integers(256))
    source.write_bytes(data)
    output = tmp_path / "out.mkv"
    try:
        result = upscale_clip(source, output, model)
    except EcbsrError as error:
        assert "\n" not in str(error)
        assert not output.exists()
    else:
        assert len(read_clip(output).frames) == result.frames > 0
    assert {path.name for path in tmp_path.iterdir()} <= {name, "out.mkv"}
