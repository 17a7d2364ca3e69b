"""What is copied as it is: audio, subtitles, attachments, chapters and titles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import EcbsrError
from .decode import Span
from .probe import ffmpeg_errors

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream

MICROSECOND = Fraction(1, 1_000_000)  # the time base of a container as a whole
# What a muxer writes itself, or what was true of the source alone.
_STALE = (
    "encoder", "duration", "number_of_frames", "number_of_bytes", "bps", "_statistics", "major_brand", "minor_version",
    "compatible_brands", "rotate", "handler_name", "vendor_id", "timecode", "creation_time",
)  # fmt: skip


class Copier:
    """The streams of a clip beside the video that are copied into an output.

    Attributes:
        notes: what the output cannot hold, as parts of a sentence.
        overlapping: packets left out because their stream has gone on to a later time.
    """

    def __init__(
        self, source: InputContainer, target: OutputContainer, video: Stream, path: str | os.PathLike[str],
        output: str | os.PathLike[str], span: Span, start: Fraction,
    ) -> None:  # fmt: skip
        """Add the streams to `target`; `start`: the time in the source that becomes 0, in seconds.

        Raises:
            EcbsrError: the format of the output holds no audio or subtitles of this kind.
        """
        self.notes: list[str] = []
        self.overlapping = 0
        self._next: dict[int, int] = {}  # stream → the least decoding time that its next packet may have
        self._streams: dict[int, Stream] = {}
        self._span, self._start, self._path, self._output = span, start, path, output
        self._finished: set[int] = set()
        self._titles = bool(source.chapters()) and "mov" in source.format.name
        for stream in source.streams:
            if stream.index != video.index and self._wanted(stream):
                self._streams[stream.index] = _added(stream, target, path, output)
        copy_metadata(source, target)
        chapters = _in_span(source.chapters(), span, start)
        if chapters:
            target.set_chapters(chapters)

    @property
    def streams(self) -> list[int]:
        """Indexes of the source's streams that are copied."""
        return list(self._streams)

    @property
    def finished(self) -> bool:
        """Whether every audio stream is past the end of the span."""
        sounds = {index for index, stream in self._streams.items() if stream.type == "audio"}
        return sounds <= self._finished

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Say what a format does not hold: some refuse it at the header, and some at the end.

        Raises:
            EcbsrError: FFmpeg finds an argument invalid in the body, and something is copied.
        """
        import av

        try:
            yield
        except av.error.ArgumentError:
            if not self._streams:
                raise
            tracks = " and ".join(dict.fromkeys(_text(stream) for stream in self._streams.values()))
            raise EcbsrError(_refused(self._path, self._output, tracks)) from None

    def copy(self, packet: Packet[Any], target: OutputContainer) -> None:
        """Write a packet of the source, if it begins in the span."""
        stream = self._streams.get(packet.stream.index)
        if stream is None or packet.size == 0 or packet.time_base is None:
            return
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None and not self._span.whole:
            seconds = time * packet.time_base - self._start
            if self._span.stop is not None and seconds >= self._span.stop - self._span.start:
                self._finished.add(packet.stream.index)
                return
            if seconds < 0:
                return
        shift = round(self._start / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        if packet.dts is not None:
            if packet.dts < self._next.get(stream.index, packet.dts):  # a muxer takes no time back
                self.overlapping += 1
                return
            self._next[stream.index] = packet.dts + (stream.type == "audio")  # two subtitles may begin at once
        packet.stream = stream
        with ffmpeg_errors(self._output, "written"):
            target.mux_one(packet)

    def _wanted(self, stream: Stream) -> bool:
        from av.stream import Disposition

        if stream.type in ("audio", "subtitle", "attachment"):
            return True
        if stream.type == "video":
            cover = bool(stream.disposition & Disposition.attached_pic)
            self.notes.append("the cover picture is left out" if cover else "one of several videos is used")
        elif self._titles:
            self._titles = False  # the track in which MP4 keeps the titles of chapters is written anew
        elif "data tracks are left out" not in self.notes:
            self.notes.append("data tracks are left out")
        return False


def _added(stream: Any, target: OutputContainer, path: str | os.PathLike[str], output: str | os.PathLike[str]) -> Any:
    import av

    try:
        if stream.type == "attachment":
            name = stream.metadata.get("filename", "attachment")
            return target.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
        added = target.add_stream_from_template(stream)
    except (av.error.FFmpegError, ValueError, RuntimeError):
        raise EcbsrError(_refused(path, output, _text(stream))) from None
    added.disposition = stream.disposition
    added.metadata.update(_kept(stream.metadata))
    return added


def _text(stream: Any) -> str:
    codec = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
    return f"{stream.type} in {codec}"


def _refused(path: str | os.PathLike[str], output: str | os.PathLike[str], tracks: str) -> str:
    return f"{path}: {output} cannot hold its {tracks}; choose an output that ends in .mkv"


def copy_metadata(source: Any, target: Any) -> None:
    """Titles, languages and the like of a container or a stream."""
    target.metadata.update(_kept(source.metadata))


def _kept(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if not key.lower().startswith(_STALE)}


def _in_span(chapters: list[Any], span: Span, start: Fraction) -> list[Any]:
    """The chapters of a span, from its beginning at `start`."""
    if span.whole and not start:
        return chapters
    kept = []
    for chapter in chapters:
        base = chapter["time_base"] or MICROSECOND
        begin, end = (chapter[key] * base - start for key in ("start", "end"))
        last = end if span.stop is None else min(end, span.stop - span.start)
        if last > max(begin, 0):
            kept.append({**chapter, "start": round(max(begin, 0) / base), "end": round(last / base)})
    return kept
