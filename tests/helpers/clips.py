"""Small clips, written by PyAV, and what PyAV reads of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecbsr_mobile import images, zoo
from ecbsr_mobile.utils.scheduling import kept_scheduling

av = pytest.importorskip("av", reason="clips need PyAV")

_SUBTITLES = b"1\n00:00:00,000 --> 00:00:00,100\nMeow.\n\n2\n00:00:00,100 --> 00:00:00,200\nPurr.\n"
LOSSLESS = {
    "libx264": {"qp": "0", "preset": "ultrafast"},
    "libx265": {"x265-params": "lossless=1:log-level=none", "preset": "ultrafast"},
    "libsvtav1": {"crf": "20", "preset": "10"},
    "libvpx-vp9": {"lossless": "1", "cpu-used": "8"},
    "ffv1": {},
    "mpeg2video": {"qscale": "2"},
    "mpeg4": {"qscale": "2"},
    "png": {},
}
TAGS = {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1}


def picture(size: tuple[int, int], shift: int = 0) -> np.ndarray:
    """RGB of a bundled image, [H, W, 3]."""
    width, height = size
    return np.ascontiguousarray(_cat()[40 + shift : 40 + shift + height, 60 + shift : 60 + shift + width])


@cache
def _cat() -> np.ndarray:
    return images.read(next(path for path in zoo.pictures() if path.stem == "chelsea")).rgb()


def frame_in(pixel_format: str, planes: Sequence[np.ndarray]) -> Any:
    """A frame of planes."""
    frame = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], pixel_format)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, values.dtype).reshape(plane.height, -1)
        rows[:, : plane.width] = values
    return frame


@kept_scheduling()
def write_clip(  # noqa: PLR0912
    path: Path,
    size: tuple[int, int] = (48, 32),
    frames: int = 4,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    planes: Sequence[Sequence[np.ndarray]] | None = None,
    sounds: int = 0,
    sound: str = "aac",
    rate: int = 48000,
    subtitles: bool = False,
    chapters: bool = False,
    rotation: int = 0,
    tags: dict[str, int] | None = None,
    options: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Write a clip: panning over a bundled image, or of given planes; with `sounds` audio tracks in `sound`."""
    if planes:
        size = (planes[0][0].shape[1], planes[0][0].shape[0])
    with av.open(str(path), "w") as target:
        video: Any = target.add_stream(codec, rate=25, options={**LOSSLESS[codec], **(options or {})})
        video.width, video.height, video.pix_fmt = *size, pixel_format
        video.codec_context.time_base = time_base
        for name, value in (TAGS if tags is None else tags).items():
            setattr(video.codec_context, name, value)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if rotation:
            video.set_display_rotation(rotation)
        audio = [target.add_stream(sound, rate=rate, layout="mono") for _ in range(sounds)]
        for number, stream in enumerate(audio):
            stream.metadata["language"] = ("eng", "deu", "fra")[number]
        script = av.open(io.BytesIO(_SUBTITLES), format="srt") if subtitles else None
        text = target.add_stream_from_template(script.streams[0]) if script else None
        target.metadata["title"] = "A cat"
        if chapters:
            one = {"id": 1, "start": 0, "end": 80, "time_base": Fraction(1, 1000), "metadata": {"title": "first"}}
            two = {"id": 2, "start": 80, "end": 160, "time_base": Fraction(1, 1000), "metadata": {"title": "second"}}
            target.set_chapters([one, two])
        for index in range(frames if planes is None else len(planes)):
            if planes is None:
                rgb = av.VideoFrame.from_ndarray(picture(size, 2 * index % 100), "rgb24")
                wide = (tags or TAGS).get("color_range") == 2
                frame = rgb.reformat(
                    format=pixel_format, dst_colorspace="ITU709", dst_color_range="JPEG" if wide else "MPEG"
                )
            else:
                frame = frame_in(pixel_format, planes[index])
            frame.pts, frame.time_base = (pts[index] if pts else index), time_base
            target.mux(video.encode(frame))
            for number, stream in enumerate(audio):
                target.mux(stream.encode(_sound(index, 300 + 200 * number)))
            if script and index == 0:
                for packet in script.demux():
                    if packet.size:
                        packet.stream = text
                        target.mux(packet)
        for stream in (video, *audio):
            target.mux(stream.encode(None))
    return path


def _sound(index: int, pitch: int) -> Any:
    times = np.arange(index * 1920, (index + 1) * 1920) / 48000
    frame = av.AudioFrame.from_ndarray(np.sin(2 * np.pi * pitch * times).astype(np.float32)[None] / 4, "fltp", "mono")
    frame.rate, frame.pts = 48000, index * 1920
    return frame


def samples(path: Path) -> np.ndarray:
    """The first audio track, as FFmpeg decodes it."""
    with av.open(str(path)) as clip:
        return np.concatenate([frame.to_ndarray().ravel() for frame in clip.decode(audio=0)])


def delayed(source: Path, target: Path, seconds: int | Fraction) -> Path:
    """The streams and chapters of a clip in another one, whose clock begins later."""
    with av.open(str(source)) as clip, av.open(str(target), "w") as later:
        streams = [later.add_stream_from_template(stream) for stream in clip.streams]
        chapters = clip.chapters()
        for chapter in chapters:
            for key in ("start", "end"):
                chapter[key] += round(seconds / chapter["time_base"])
        if chapters:
            later.set_chapters(chapters)
        packets = [packet for packet in clip.demux() if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            packet.pts, packet.dts = (time + round(seconds / packet.time_base) for time in (packet.pts, packet.dts))
            packet.stream = streams[packet.stream.index]
            later.mux(packet)
    return target


@dataclass(frozen=True)
class Read:
    """What PyAV reads of a clip: its decoded video frames, and the packets of the other streams with their times."""

    frames: list[Any]
    times: list[float]
    packets: dict[int, list[bytes]]
    packet_times: dict[int, list[float]]
    kinds: list[tuple[str, str, str | None]]
    chapters: list[tuple[float, float, str]]
    title: str | None
    codec: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames."""
        return self.frames[0].width, self.frames[0].height

    def planes(self, index: int) -> list[np.ndarray]:
        """Planes of a frame."""
        frame = self.frames[index]
        dtype = np.dtype(np.uint8 if max(c.bits for c in frame.format.components) == 8 else np.uint16)
        return [
            np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width].astype(np.int64)
            for plane in frame.planes
        ]


def read_clip(path: Path) -> Read:
    """Decode and demux a whole clip."""
    with av.open(str(path)) as source:
        video = source.streams.video[0]
        frames: list[Any] = []
        packets: dict[int, list[bytes]] = {}
        packet_times: dict[int, list[float]] = {}
        for packet in source.demux():
            if packet.stream.index == video.index:
                frames += packet.decode()
            elif packet.size:
                packets.setdefault(packet.stream.index, []).append(bytes(packet))
                packet_times.setdefault(packet.stream.index, []).append(float(packet.pts * packet.time_base))
        return Read(
            frames,
            [float(frame.pts * video.time_base) for frame in frames if frame.pts is not None],
            packets,
            packet_times,
            [
                (stream.type, stream.codec_context.name, stream.metadata.get("language"))
                for stream in source.streams
                if stream.type in ("audio", "subtitle") and stream.codec_context is not None
            ],
            [
                (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"].get("title", ""))
                for c in source.chapters()
            ],
            source.metadata.get("title"),
            video.codec_context.codec.canonical_name,
        )
