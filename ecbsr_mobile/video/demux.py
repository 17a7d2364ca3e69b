"""The packets of a clip, in the order of the file, on one clock; and where to seek for a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .probe import decodable, opened, time_base_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

_BACK = Fraction(1, 10)  # seconds that decoding times fall where a clock starts anew: FFmpeg's own limit
_LAG = 2  # seconds by which one stream may reach a new part of a clip after another
# Seconds to seek before a time: formats without an index are sought without regard to key frames, and the first time
# stamps behind a place in MPEG-PS are guesses.
_EARLIER = (10, 60)


def seek_target(path: Path, time: Fraction) -> int | None:
    """The time stamp to seek to so that all frames from `time` on can be decoded; None: read from the beginning.

    Args:
        path: a clip, which is opened for this: a seek that fails leaves a clip anywhere.
        time: of its video, in seconds.
    """
    import av

    for earlier in _EARLIER:
        with opened(path) as (source, stream):
            time_base = time_base_of(stream)
            target = round((time - earlier) / time_base)
            if target <= (stream.start_time or 0):
                return None
            try:
                source.seek(target, stream=stream)
            except av.error.FFmpegError:  # such as that of H.264 without a container, which has no time stamps
                return None
            first = next(decodable(source, stream), None)
            if first is not None and first.pts is not None and first.pts * time_base <= time:
                return target
    return None


class Demuxer:
    """Reads packets, and lets the clock go on where it starts anew: in joined recordings, and between cells of a DVD.

    Only MPEG-TS, MPEG-PS and Ogg allow that. All streams of a part are moved by the same time, so that they stay in
    step. What is neither video nor audio moves with the video: its packets are too rare to show where a part begins.

    Attributes:
        restarts: how often the clock started anew.
    """

    def __init__(self, source: InputContainer, video: Stream, others: tuple[Stream, ...] = ()) -> None:
        from av.format import Flags

        self._packets = source.demux(video, *others)
        flags = Flags(source.format.flags)
        self._may_restart = Flags.ts_discont in flags
        is_stated = not flags & (Flags.ts_discont | Flags.no_timestamps)
        self._stated = _stated_length(source, video, len(others) + 1) if is_stated else Fraction(0)
        self._video = video.index
        self._last: dict[int, Fraction] = {}  # stream → its last decoding time as stored, in seconds
        self._moved: dict[int, Fraction] = {}  # stream → what is added to its times, in seconds
        self._newest = self._end = Fraction(0)  # what the newest part is moved by; the end of its video and audio
        self._read_to = Fraction(0)  # the end of all that was read
        self.restarts = 0

    @property
    def missing(self) -> Fraction:
        """Seconds from the end of what was read to the end that the clip states; 0 where it states none."""
        return max(self._stated - self._read_to, Fraction(0))

    def __iter__(self) -> Iterator[Packet[Any]]:
        for packet in self._packets:
            if packet.time_base is not None:
                if self._may_restart:
                    self._move(packet, packet.time_base)
                time = packet.dts if packet.pts is None else packet.pts
                if time is not None:
                    self._read_to = max(self._read_to, (time + (packet.duration or 0)) * packet.time_base)
            yield packet

    def _move(self, packet: Packet[Any], time_base: Fraction) -> None:
        leads = packet.stream.type in ("video", "audio")
        index = packet.stream.index if leads else self._video
        if leads and packet.dts is not None:
            time = packet.dts * time_base
            begin = time if packet.pts is None else packet.pts * time_base
            if time < self._last.get(index, time) - _BACK:
                self._restart(index, begin)
            self._last[index] = time
            duration = (packet.duration or 0) * time_base
            self._end = max(self._end, begin + self._moved.get(index, 0) + duration)
        ticks = round(self._moved.get(index, Fraction(0)) / time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks

    def _restart(self, index: int, begin: Fraction) -> None:
        """A stream begins anew at `begin`: in the part that another stream has reached, or in one behind all."""
        reached = self._moved.get(index, 0) != self._newest
        if not reached or abs(begin + self._newest - self._end) > _LAG:
            self._newest = self._end - begin
            self.restarts += 1
        self._moved[index] = self._newest


def _stated_length(source: InputContainer, video: Stream, count: int) -> Fraction:
    """The length in seconds of a video, or of a clip of which `count` streams are read; 0: unknown."""
    if video.duration and video.time_base:
        return video.duration * video.time_base
    return Fraction(source.duration or 0, 1_000_000) if count == len(source.streams) else Fraction(0)
