"""Opening a clip, and what it says about itself before its frames are read."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EcbsrError
from ..utils.text import printable
from .chroma import SITINGS
from .planes import GBR, TRANSPARENCY_LOST, Source, source_of
from .rgb import UNSPECIFIED, usual_matrix

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.filter import Graph
    from av.video.stream import VideoStream

MAX_PIXELS = 8192 * 4320
"""Default limit of width times height of a clip: 8K, the largest that the levels of H.264 and AV1 know."""

# No playlists (HLS, DASH, concat), which name other files and hosts, and no image sequences.
_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,dv,yuv4mpegpipe,ivf,obu,"
    "h264,hevc,m4v,nut,gxf,swf,rm,wtv"
)
_PROBED_FRAMES = 10
_MILLISECOND = Fraction(1, 1000)  # the unit of time stamps where none is stated


@dataclass(frozen=True)
class Color:
    """Color tags as numbers of ITU-T H.273 and FFmpeg's range; 2 is "unspecified", 0 for the range.

    An unspecified matrix is the one that players take: the larger output could look like a clip of another.
    """

    range: int
    matrix: int
    primaries: int
    transfer: int


@dataclass(frozen=True)
class Hdr:
    """Static HDR metadata.

    Attributes:
        mastering: ten fractions: x and y of red, green, blue and white, then the least and the largest luminance in
            cd/m²; None if there are none.
        light: maximum content and frame-average light level in cd/m²; None if there are none.
    """

    mastering: tuple[Fraction, ...] | None
    light: tuple[int, int] | None


@dataclass(frozen=True)
class Clip:
    """What is known about a clip before its frames are read.

    Attributes:
        path: the file.
        size: width and height as coded, before any rotation.
        source: how its planes are read.
        color: its tags.
        hdr: static HDR metadata.
        dynamic_hdr: names of dynamic HDR metadata.
        captions: there are closed captions within its frames (CEA-608 or CEA-708).
        interlaced: one of its first frames is.
        rate: frames a second, for rate control and the estimate of what is left; time stamps do not depend on it.
        seconds: its length; None if unknown.
        aspect: sample aspect ratio; None if unknown.
        matrix: display matrix of nine integers (rotation and mirroring); None if there is none.
    """

    path: Path
    size: tuple[int, int]
    source: Source
    color: Color
    hdr: Hdr
    dynamic_hdr: tuple[str, ...]
    captions: bool
    interlaced: bool
    rate: Fraction
    seconds: float | None
    aspect: Fraction | None
    matrix: tuple[int, ...] | None


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A clip and its video stream (not a cover picture). Errors of FFmpeg in the context name the clip.

    Raises:
        EcbsrError: it cannot be read, or has no video.
    """
    import av

    try:
        kind = os.stat(path)
    except OSError as error:
        raise EcbsrError(f"{path}: cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(kind.st_mode):
        raise EcbsrError(f"{path}: is not a file; save the clip to a file first")
    if not kind.st_size:
        raise EcbsrError(f"{path}: is empty")
    # "file:" keeps names such as "a:b.mp4" from being read as addresses.
    name, options = f"file:{Path(path).absolute()}", {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"}
    with (
        ffmpeg_errors(path, "read"),
        av.open(name, "r", container_options=options, metadata_errors="replace") as clip,
    ):
        yield clip, video_stream(clip, path)


@contextmanager
def ffmpeg_errors(path: str | os.PathLike[str], action: str) -> Iterator[None]:
    """Turn errors of FFmpeg into an `EcbsrError` that names the clip."""
    import av

    try:
        yield
    except av.error.MemoryError:
        raise MemoryError from None
    except (av.error.FFmpegError, UnicodeError) as error:
        reason = printable(getattr(error, "strerror", None) or str(error), 200)
        hint = "; it is incomplete, damaged, or no clip" if isinstance(error, av.error.InvalidDataError) else ""
        raise EcbsrError(f"{path}: cannot be {action} as a clip ({reason}){hint}") from None


def video_stream(container: InputContainer, path: str | os.PathLike[str]) -> VideoStream:
    """The video to upscale: the first that is no cover picture, the default one preferred.

    Raises:
        EcbsrError: there is none, or it is encoded in a way that FFmpeg does not know.
    """
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    videos = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not videos:
        raise EcbsrError(f"{path}: contains no video")
    best = next((stream for stream in videos if stream.disposition & Disposition.default), videos[0])
    if best.codec_context is None:
        raise EcbsrError(f"{path}: its video has a codec that cannot be decoded")
    best.thread_type = "AUTO"
    return best


def probe(path: str | os.PathLike[str], max_pixels: int | None = None) -> Clip:
    """What a clip says, and its first frames show.

    Raises:
        EcbsrError: it cannot be read, has no frame, is larger than `max_pixels`, or has an unknown pixel format.
    """
    with opened(path) as (container, stream):
        check_size(path, stream.width, stream.height, max_pixels)
        frames = list(islice(decodable(container, stream), _PROBED_FRAMES))
        if not frames:
            raise EcbsrError(f"{path}: has no frame that can be decoded; it is damaged or encrypted")
        first = frames[0]
        check_size(path, first.width, first.height, max_pixels)
        side = {data.type.name: bytes(data) for frame in reversed(frames) for data in frame.side_data}
        try:
            source = _with_transparency(source_of(first, _siting(first)), stream)
        except EcbsrError as error:
            raise EcbsrError(f"{path}: {error}") from None
        size = (first.width, first.height)
        no_matrix = (UNSPECIFIED,) if source.rgb else (UNSPECIFIED, GBR)  # gray PNG says GBR
        matrix = usual_matrix(size) if first.colorspace in no_matrix else first.colorspace
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
        aspect = stream.sample_aspect_ratio
        return Clip(
            path=Path(path),
            size=size,
            source=source,
            color=Color(first.color_range, matrix, first.color_primaries, first.color_trc),
            hdr=_hdr(side),
            dynamic_hdr=tuple(sorted(name for name in side if name.startswith(("DYNAMIC_HDR", "DOVI")))),
            captions="A53_CC" in side,
            interlaced=any(frame.interlaced_frame for frame in frames),
            rate=min(max(Fraction(rate), Fraction(1, 1000)), Fraction(1000)),
            seconds=_seconds(container, stream),
            aspect=aspect if aspect and aspect != 1 else None,
            matrix=_matrix(side),
        )


def check_size(path: str | os.PathLike[str], width: int, height: int, max_pixels: int | None) -> None:
    """Refuse frames of more than `max_pixels`, before they are decoded.

    Raises:
        EcbsrError: they are larger.
    """
    limit = max_pixels or MAX_PIXELS
    if width * height > limit:
        raise EcbsrError(
            f"{path}: has frames of {width}x{height} pixels, more than the limit of {limit:,}; "
            "ecbsr-upscale --max-pixels (in Python: max_pixels) raises the limit"
        )


def decodable(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """The frames, without those that are too damaged to be decoded."""
    import av

    for packet in container.demux(stream):
        with suppress(av.error.FFmpegError):
            yield from packet.decode()


def filter_graph(frame: av.VideoFrame, time_base: Fraction, *filters: tuple[str, str]) -> Graph:
    """A graph of filters, each with its arguments, for frames like this one."""
    import av

    graph = av.filter.Graph()
    buffer = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=time_base)
    graph.link_nodes(buffer, *(graph.add(*each) for each in filters), graph.add("buffersink")).configure()
    return graph


def time_base_of(stream: VideoStream) -> Fraction:
    """The seconds of a unit of a stream's time stamps."""
    return Fraction(stream.time_base or _MILLISECOND)


def _with_transparency(source: Source, stream: VideoStream) -> Source:
    """With a note on the transparency that WebM stores beside VP8 and VP9: FFmpeg's own decoders do not see it."""
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if tags.get("alpha_mode") != "1" or TRANSPARENCY_LOST in source.notes:
        return source
    return replace(source, notes=(*source.notes, TRANSPARENCY_LOST))


def _siting(frame: av.VideoFrame) -> str:
    """Where chroma lies: what FFmpeg's filter `showinfo` prints of a frame, since PyAV has no attribute for it.

    Unspecified is left, the default of H.264 and HEVC, except that JPEG's full-range 4:2:0 is centered.
    """
    from av import logging

    filters = (("sidedata", "mode=delete"), ("showinfo", "checksum=0"))
    graph = filter_graph(frame, frame.time_base or _MILLISECOND, *filters)
    level = logging.get_level()
    logging.set_level(logging.INFO)
    try:
        with logging.Capture() as lines:
            graph.push(frame)
            graph.pull()
    finally:
        logging.set_level(level)
    words = " ".join(message for _, name, message in lines if name == "showinfo").split()
    named = next((word.removeprefix("cl:") for word in words if word.startswith("cl:")), "")
    if named in SITINGS:
        return named
    return "center" if frame.format.name.startswith("yuvj") else "left"


def _hdr(side: dict[str, bytes]) -> Hdr:
    """From AVMasteringDisplayMetadata and AVContentLightMetadata of libavutil."""
    mastering = light = None
    data = side.get("MASTERING_DISPLAY_METADATA", b"")
    if len(data) >= 88:
        numbers = struct.unpack("=22i", data[:88])
        pairs = [Fraction(a, b) if b else Fraction(0) for a, b in zip(numbers[0:20:2], numbers[1:20:2], strict=True)]
        if all(numbers[20:22]):
            mastering = tuple(pairs)
    data = side.get("CONTENT_LIGHT_LEVEL", b"")
    if len(data) >= 8:
        most, mean = struct.unpack("=2I", data[:8])
        light = (most, mean)
    return Hdr(mastering, light)


def _matrix(side: dict[str, bytes]) -> tuple[int, ...] | None:
    data = side.get("DISPLAYMATRIX", b"")
    return struct.unpack("=9i", data[:36]) if len(data) >= 36 else None


def _seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None
