"""What is copied as it is: audio, subtitles, attachments, chapters and titles.

Audio that Matroska cannot hold is decoded to PCM.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import EcbsrError
from .decode import Span
from .files import MUXERS
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
    "alpha_mode",
)  # fmt: skip
_PROPOSED = (".mkv", ".mp4", ".mov")  # outputs for what another one cannot hold
_PCM = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s32le", "flt": "pcm_f32le", "dbl": "pcm_f64le"}
"""Sample format → the encoder that keeps it as it is."""


class Copier:
    """The streams of a clip beside the video that are copied into an output.

    Attributes:
        damaged: packets of audio that could not be decoded to PCM.
        notes: what the output cannot hold, as parts of a sentence.
        overlapping: packets left out because their stream has gone on to a later time.
    """

    def __init__(
        self, source: InputContainer, target: OutputContainer, video: Stream, path: str | os.PathLike[str],
        output: str | os.PathLike[str], span: Span, start: Fraction,
    ) -> None:  # fmt: skip
        """Add the streams to `target`; `start`: the time in the source that becomes 0, in seconds.

        Raises:
            EcbsrError: the format of the output holds no audio or subtitles of this kind, and another one does.
        """
        self.notes: list[str] = []
        self.overlapping = self.damaged = 0
        self._next: dict[int, int] = {}  # stream → the least decoding time that its next packet may have
        self._copied: list[Any] = []  # streams of the source
        self._streams: dict[int, Any] = {}
        self._span, self._start, self._path, self._output = span, start, path, output
        self._finished: set[int] = set()
        self._titles = bool(source.chapters()) and "mov" in source.format.name
        for stream in source.streams:
            if stream.index != video.index and self._wanted(stream):
                self._add(stream, target)
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
            if not self._copied:
                raise
            raise EcbsrError(self._refused(self._copied)) from None

    def copy(self, packet: Packet[Any], target: OutputContainer) -> None:
        """Write a packet of the source, if it begins in the span."""
        stream = self._streams.get(packet.stream.index)
        if stream is None or packet.time_base is None:
            return
        if packet.size == 0:
            self._write(packet, stream, target)
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
        self._write(packet, stream, target)

    def _write(self, packet: Packet[Any], stream: Any, target: OutputContainer) -> None:
        """Write a packet as it is, or as PCM; the empty one at the end of a stream, too."""
        packets: list[Packet[Any]] = []
        if packet.stream not in self._copied:
            packets = self._as_pcm(packet, stream)
        elif packet.size:
            packet.stream = stream
            packets = [packet]
        with ffmpeg_errors(self._output, "written"):
            target.mux(packets)

    def _as_pcm(self, packet: Packet[Any], stream: Any) -> list[Packet[Any]]:
        """The packets of PCM that a packet of audio becomes; none where it is damaged."""
        import av

        try:
            return [encoded for frame in packet.decode() for encoded in stream.encode(frame)]
        except (av.error.FFmpegError, ValueError):  # damaged, or of another rate or layout than the first
            self.damaged += 1
            return []

    def _wanted(self, stream: Any) -> bool:
        from av.stream import Disposition

        if stream.type in ("audio", "subtitle") and stream.codec_context is None:
            self.notes.append(f"{stream.type} of an unknown codec is left out")
            return False
        if stream.type == "audio" and not (stream.rate and stream.channels):
            self.notes.append(f"{_text(stream)} is left out, since none of it can be decoded")
            return False
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

    def _add(self, stream: Any, target: OutputContainer) -> None:
        """Add a stream to the output: as it is, as PCM, or not at all where none of the formats holds it."""
        if _holds(target.format.name, stream):
            added = _added(stream, target)
            self._copied.append(stream)
        elif stream.type == "audio" and target.format.name == "matroska" and (pcm := _pcm(stream)):
            added = target.add_stream(pcm, rate=stream.rate, layout=stream.layout.name)
            self.notes.append(f"{_text(stream)}, which Matroska cannot hold, becomes {pcm}")
        elif stream.type == "audio" or any(_holds(MUXERS[ending], stream) for ending in _PROPOSED):
            raise EcbsrError(self._refused([stream]))
        else:
            self.notes.append(f"{_text(stream)} is left out, since no output can hold it")
            return
        if stream.type != "attachment":
            added.disposition = stream.disposition
            copy_metadata(stream, added)
        self._streams[stream.index] = added

    def _refused(self, streams: Sequence[Any]) -> str:
        """A sentence about streams that the output cannot hold, with an output that can."""
        others = [ending for ending in _PROPOSED if Path(self._output).suffix.lower() != ending]
        fitting = [ending for ending in others if all(_holds(MUXERS[ending], stream) for stream in streams)]
        if not fitting and ".mkv" in others and all(stream.type == "audio" for stream in streams):
            fitting = [".mkv"]  # as PCM
        remedy = f"choose an output that ends in {fitting[0]}" if fitting else "remove it from the clip first"
        tracks = " and ".join(dict.fromkeys(map(_text, streams)))
        return f"{self._path}: {self._output} cannot hold its {tracks}; {remedy}"


def _added(stream: Any, target: OutputContainer) -> Any:
    """A stream of an output that is a copy."""
    if stream.type == "attachment":
        name = stream.metadata.get("filename", "attachment")
        return target.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)
    return target.add_stream_from_template(stream)


def _holds(muxer: str, stream: Any) -> bool:
    """Whether FFmpeg writes a header for a stream in a format; what it says of codecs leaves some out."""
    import av

    trial = av.open(io.BytesIO(), "w", format=muxer)
    try:
        _added(stream, trial)
        trial.start_encoding()
    except (av.error.FFmpegError, ValueError, RuntimeError):
        return False
    finally:
        with suppress(av.error.FFmpegError):
            trial.close()
    return True


def _pcm(stream: Any) -> str | None:
    """The encoder of PCM that keeps the samples of an audio stream; None: there is none."""
    samples = stream.codec_context.format
    return _PCM.get(samples.packed.name) if samples else None


def _text(stream: Any) -> str:
    context = stream.codec_context
    return f"{stream.type} in {context.codec.canonical_name}" if context else stream.type


def copy_metadata(source: Any, target: Any) -> None:
    """Titles, languages and the like of a container or a stream."""
    target.metadata.update({key: value for key, value in source.metadata.items() if not key.lower().startswith(_STALE)})


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
