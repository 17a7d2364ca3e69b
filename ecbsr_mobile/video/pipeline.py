"""Upscaling a clip: decoding and encoding in one thread (FFmpeg has threads of its own), the network in the others."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any

from ..errors import EcbsrError
from ..utils.files import atomic_write
from . import upscaler
from .copying import MICROSECOND, Copier, copy_metadata
from .decode import Decoded, Decoder, Span, origin
from .demux import Demuxer, seek_target
from .encode import Encoding, VideoEncoder, encoding_for
from .files import MUXERS, check_format
from .probe import Clip, ffmpeg_errors, opened, probe, time_base_of

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

    from ..upscaling import Model

_LATE = 10  # seconds of video to read beyond the end of a span, for audio that is stored later
_SHORT = Fraction(1, 2)  # seconds by which a whole clip may end before the end that it states


@dataclass(frozen=True)
class Options:
    """How a clip is upscaled.

    Attributes:
        codec: a name of `encode.CODECS`; None: H.264 for 8 bits, else HEVC.
        crf: constant rate factor; None: the codec's default.
        start: seconds to skip.
        duration: seconds to use; None: all that are left.
        deinterlace: by bwdif; False refuses interlaced clips.
        compare: the left half is bicubic, as a player shows it.
        max_pixels: limit of width times height; None: `probe.MAX_PIXELS`.
    """

    codec: str | None = None
    crf: int | None = None
    start: Fraction = Fraction(0)
    duration: Fraction | None = None
    deinterlace: bool = False
    compare: bool = False
    max_pixels: int | None = None


@dataclass(frozen=True)
class Result:
    """What was written: sizes (width, height), frames, the codec, and what differs from the source."""

    size: tuple[int, int]
    upscaled_size: tuple[int, int]
    frames: int
    codec: str
    crf: int
    notes: tuple[str, ...]


Counter = Callable[[int], None]
"""Called with the number of frames that are written."""


def upscale_clip(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: Model | None = None,
    options: Options | None = None,
    overwrite: bool = False,
    count: Counter | None = None,
    clip: Clip | None = None,
) -> Result:
    """Upscale a clip; the output appears whole or not at all.

    Time stamps, audio, subtitles, attachments, chapters, titles, rotation, color tags and static HDR metadata are kept.
    The earliest stream begins at 0 where the clip begins later.

    Args:
        path: the clip.
        output: MP4, MOV, MKV or WebM.
        model: a network; None: the bundled one, in int8 for 8 bits in limited range, else in float.
        options: see `Options`.
        overwrite: replace `output` if it exists.
        count: is called with the number of frames written so far.
        clip: what `probe` found, if it was called before.

    Raises:
        EcbsrError: the clip cannot be read, or not be written as asked.
        UsageError: an option that has no meaning here.
    """
    options = options or Options()
    check_format(output, options.codec)
    clip = clip or probe(path, options.max_pixels)
    encoding = encoding_for(clip, options.codec, options.crf)
    if clip.interlaced and not options.deinterlace:
        raise EcbsrError(f"{path}: is interlaced; add --deinterlace, or deinterlace the clip first")
    model = model or upscaler.bundled_model(clip)
    with atomic_write(output, overwrite) as temporary, ffmpeg_errors(output, "written"):
        import av

        muxer = MUXERS[Path(output).suffix.lower()]
        # The index first, so that a clip on a web server plays at once; and no version numbers in the file.
        flags = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if muxer in ("mp4", "mov") else {})
        with av.open(str(temporary), "w", format=muxer, options=flags) as target:
            return _Job(clip, target, output, model, encoding, options).run(count)


class _Job:
    """One clip on its way into one output."""

    def __init__(
        self, clip: Clip, target: OutputContainer, output: str | os.PathLike[str], model: Model, encoding: Encoding,
        options: Options,
    ) -> None:  # fmt: skip
        self._clip, self._target, self._output, self._encoding = clip, target, output, encoding
        self._model, self._options, self._written = model, options, 0
        stop = None if options.duration is None else options.start + options.duration
        self._span = Span(options.start, stop)

    def run(self, count: Counter | None) -> Result:
        clip, encoding, model = self._clip, self._encoding, self._model
        with opened(clip.path) as (source, stream), ExitStack() as stack:
            time_base = time_base_of(stream)
            start = _beginning(source) if self._span.whole else origin(stream) * time_base + self._span.start
            with ffmpeg_errors(self._output, "written"):
                encoder = VideoEncoder(self._target, clip, encoding, time_base, model.scale)
                encoder.stream.disposition = stream.disposition
                copy_metadata(stream, encoder.stream)
                copier = Copier(source, self._target, stream, clip.path, self._output, self._span, start)
                with copier.refusals():
                    self._target.start_encoding()
            decoder = Decoder(clip, stream, self._span, self._options.deinterlace)
            submit, in_flight = stack.enter_context(self._network(encoder.size))
            waiting: deque[tuple[Decoded, Future[Any]]] = deque()

            def write_first() -> None:
                decoded, planes = waiting.popleft()
                shift = round(start / time_base)
                with ffmpeg_errors(self._output, "written"):
                    self._target.mux(encoder.encode(planes.result(), decoded.pts - shift, decoded.duration))
                self._written += 1
                if count is not None:
                    count(self._written)

            target = seek_target(clip.path, start) if self._span.start else None
            if target is not None:
                source.seek(target, stream=stream)
            demuxer = Demuxer(source, stream, tuple(source.streams[index] for index in copier.streams))
            for packet in demuxer:
                if packet.stream.index != stream.index:
                    copier.copy(packet, self._target)
                    continue
                if decoder.done:
                    if copier.finished or _beyond(packet, self._span, start, time_base):
                        break
                    continue
                for decoded in decoder.feed(packet):
                    waiting.append((decoded, submit(decoded.planes)))
                    if len(waiting) > in_flight:
                        write_first()
            while waiting:
                write_first()
            if not self._written:
                lasts = f"; it lasts {clip.seconds:g} s" if clip.seconds else ""
                raise EcbsrError(f"{clip.path}: has no frame in this span{lasts}")
            with ffmpeg_errors(self._output, "written"), copier.refusals():
                self._target.mux(encoder.flush())
                self._target.close()
        notes = [
            *encoding.notes,
            *copier.notes,
            *_notes(clip, decoder.damaged + copier.damaged, encoder.size, model.scale),
            *_notes_on_time(demuxer, clip, decoder.done),
        ]
        if copier.overlapping:
            notes.append(f"{copier.overlapping} packets of sound or text that lie before others are left out")
        return Result(clip.size, encoder.size, self._written, encoding.name, encoding.crf, tuple(notes))

    @contextmanager
    def _network(self, size: tuple[int, int]) -> Iterator[tuple[Callable[[Any], Future[Any]], int]]:
        """A function that upscales planes in one of several threads, and how many frames may wait for it."""
        clip = self._clip
        workers, threads = upscaler.parallel(self._model, clip.size)
        own = local()
        make = upscaler.maker(self._model, clip, self._encoding.layout, size, self._options.compare, threads)

        def work(planes: Any) -> Any:
            if not hasattr(own, "upscale"):
                own.upscale = make()
            return own.upscale(planes)

        pool = ThreadPoolExecutor(workers, "network")
        try:
            yield lambda planes: pool.submit(work, planes), workers + 1
        finally:
            pool.shutdown(cancel_futures=True)


def _beginning(source: InputContainer) -> Fraction:
    """The time of a clip that becomes 0, in seconds: recordings and broadcasts begin at any time of their clock.

    Streams keep their distance, since it is the beginning of the earliest one. A time below 0 stays, since players skip
    what lies there.
    """
    return max(Fraction(source.start_time or 0) * MICROSECOND, Fraction(0))


def _beyond(packet: Any, span: Span, start: Fraction, time_base: Fraction) -> bool:
    """Whether a packet lies so far behind a span that no audio of the span follows."""
    assert span.stop is not None
    return packet.dts is None or packet.dts * time_base - start > span.stop - span.start + _LATE


def _notes(clip: Clip, damaged: int, size: tuple[int, int], scale: int) -> list[str]:
    notes = []
    if clip.dynamic_hdr:
        notes.append(f"dynamic HDR metadata ({', '.join(clip.dynamic_hdr)}) is left out")
    if clip.captions:
        notes.append("closed captions within the frames are left out")
    if damaged:
        notes.append(f"{damaged} damaged packets or frames")
    if size != (clip.size[0] * scale, clip.size[1] * scale):
        notes.append(f"the last row or column is repeated, since 4:2:0 and 4:2:2 need even sizes: {size[0]}x{size[1]}")
    return notes


def _notes_on_time(demuxer: Demuxer, clip: Clip, has_stopped: bool) -> list[str]:
    """`has_stopped`: a span ended before the clip did."""
    notes = []
    if not has_stopped and demuxer.missing > max(_SHORT, 2 / clip.rate):
        seconds = float(demuxer.missing)
        notes.append(f"its last {seconds:.1f} seconds are missing: the file is incomplete or damaged")
    if demuxer.restarts:
        notes.append(f"time stamps that jump back go on instead ({demuxer.restarts} jumps)")
    return notes
