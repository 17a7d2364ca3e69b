"""From the packets of a clip to its frames: in order, in one size, each with a time stamp, deinterlaced if asked to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import EcbsrError
from .planes import planes_of
from .probe import filter_graph, time_base_of

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.filter import Graph
    from av.packet import Packet
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from .probe import Clip


@dataclass(frozen=True)
class Span:
    """The part of a clip to use, in seconds of its time stamps; `stop` is None for its end."""

    start: Fraction = Fraction(0)
    stop: Fraction | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of the clip."""
        return self == Span()


@dataclass(frozen=True)
class Decoded:
    """A frame: its time stamp and length in units of the stream's time base, and its planes."""

    pts: int
    duration: int
    planes: tuple[NDArray[np.unsignedinteger], ...]


class Decoder:
    """Decodes the video packets of one clip, one after another.

    Attributes:
        damaged: packets that could not be decoded, and frames that were decoded from damaged data.
        done: the end of the span is reached.
    """

    def __init__(self, clip: Clip, stream: VideoStream, span: Span, deinterlace: bool | None = False) -> None:
        """`deinterlace`: by FFmpeg's bwdif, a frame for two fields; False refuses interlaced ones, None takes all."""
        self._clip, self._stream, self._span, self._deinterlace = clip, stream, span, deinterlace
        self._time_base = time_base_of(stream)
        self._origin = origin(stream)
        self._format = ""
        self._graph: Graph | None = None
        self._last: int | None = None
        self._read = 0
        self.damaged = 0
        self.done = False

    def feed(self, packet: Packet[Any]) -> Iterator[Decoded]:
        """The frames that one more packet (or the empty one at the end) completes.

        Raises:
            EcbsrError: a frame is interlaced, or differs in size or format from the first.
        """
        import av

        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            self.damaged += 1
            frames = []
        for frame in frames:
            if self._far_before(frame):
                continue
            self._check(frame)
            yield from map(self._decoded, self._in_span(self._progressive(frame)))
        if packet.size == 0 and self._graph is not None:
            yield from map(self._decoded, self._in_span(self._filtered(self._graph, None)))

    def _far_before(self, frame: av.VideoFrame) -> bool:
        """Whether a frame lies so far before the span that it may be of any size; bwdif needs those just before."""
        if frame.pts is None or (frame.pts - self._origin) * self._time_base >= self._span.start - 1:
            return False
        self._last = frame.pts
        return True

    def _check(self, frame: av.VideoFrame) -> None:
        clip, self._read = self._clip, self._read + 1
        size = (frame.width, frame.height)
        where = f"{clip.path}: frame {self._read}"
        if size != clip.size:
            raise EcbsrError(
                f"{where} has {size[0]}x{size[1]} pixels, those before {clip.size[0]}x{clip.size[1]}: "
                "upscale the parts separately with --start and --duration"
            )
        self._format = self._format or frame.format.name
        if frame.format.name != self._format:
            raise EcbsrError(
                f"{where} has the pixel format {frame.format.name}, those before {self._format}: "
                "upscale the parts separately with --start and --duration"
            )
        if frame.interlaced_frame and self._deinterlace is False:
            raise EcbsrError(f"{where} is interlaced; add --deinterlace, or deinterlace the clip first")
        self.damaged += frame.is_corrupt

    def _progressive(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        if not self._deinterlace:
            yield frame
            return
        if self._graph is None:
            self._graph = filter_graph(frame, self._time_base, ("bwdif", "mode=send_frame:deint=interlaced"))
        yield from self._filtered(self._graph, frame)

    def _filtered(self, graph: Graph, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """What a graph makes of one more frame; None: of the end."""
        import av

        graph.vpush(frame)
        while True:
            try:
                result = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if result.pts is not None and result.time_base:
                result.pts = round(result.pts * result.time_base / self._time_base)
            yield result

    def _in_span(self, frames: Iterator[av.VideoFrame]) -> Iterator[tuple[int, av.VideoFrame]]:
        for frame in frames:
            pts = self._time_stamp(frame)
            seconds = (pts - self._origin) * self._time_base
            if self._span.stop is not None and seconds >= self._span.stop:
                self.done = True
                return
            if seconds >= self._span.start:
                yield pts, frame

    def _time_stamp(self, frame: av.VideoFrame) -> int:
        """The frame's; where it is missing or does not rise, the one that follows the frame before."""
        step = frame.duration or round(1 / (self._clip.rate * self._time_base)) or 1
        if self._last is None:
            pts = frame.pts if frame.pts is not None else self._origin
        elif frame.pts is None:
            pts = self._last + step
        else:
            pts = max(frame.pts, self._last + 1)
        self._last = pts
        return pts

    def _decoded(self, stamped: tuple[int, av.VideoFrame]) -> Decoded:
        pts, frame = stamped
        try:
            return Decoded(pts, frame.duration or 0, planes_of(frame, self._clip.source))
        except EcbsrError as error:
            raise EcbsrError(f"{self._clip.path}: {error}") from None


def origin(stream: VideoStream) -> int:
    """The time stamp at which a clip begins, so that a span counts from its beginning."""
    return stream.start_time or 0
