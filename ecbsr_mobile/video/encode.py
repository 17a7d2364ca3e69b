"""The encoders, and what they are told so that a clip looks as its source does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import EcbsrError, UsageError
from ..utils.scheduling import kept_scheduling
from .planes import BT709, FULL, LIMITED, Layout, frame_of

if TYPE_CHECKING:
    import numpy as np
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from .probe import Clip, Hdr

_THREADS = 4  # fixed, since the bytes that x264 and x265 write depend on it


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg.

    Attributes:
        encoder: its name.
        crf: the default of the constant rate factor, at which the network's detail is kept.
        crf_range: the values that it knows.
        depths: bits of a sample that it encodes.
        chroma: subsamplings that it encodes.
        options: its own options. The presets are quick ones, since the network has the cores: at the PSNR of
            `veryfast`, files of x264 are 40 % larger, in 0.4 of the time.
    """

    encoder: str
    crf: int
    crf_range: tuple[int, int]
    depths: tuple[int, ...]
    chroma: frozenset[tuple[int, int]]
    options: dict[str, str]


_ALL_CHROMA = frozenset({(2, 2), (2, 1), (1, 1)})
CODECS = {
    "h264": Codec("libx264", 20, (0, 51), (8, 10), _ALL_CHROMA, {"preset": "ultrafast", "threads": str(_THREADS)}),
    "hevc": Codec("libx265", 20, (0, 51), (8, 10, 12), _ALL_CHROMA, {"preset": "ultrafast"}),
    "av1": Codec("libsvtav1", 26, (1, 63), (8, 10), frozenset({(2, 2)}), {"preset": "8"}),
}
"""Codecs by the name that users give."""


@dataclass(frozen=True)
class Encoding:
    """How a clip is encoded: codec, constant rate factor (None: the codec's default), and what that makes of it.

    Attributes:
        layout: of the planes to encode.
        notes: what differs from the source, as parts of a sentence.
    """

    name: str
    codec: Codec
    crf: int
    layout: Layout
    notes: tuple[str, ...]


def encoding_for(clip: Clip, codec: str | None = None, crf: int | None = None) -> Encoding:
    """The encoding for a clip: H.264 for 8 bits and HEVC for more, unless `codec` says another.

    Raises:
        UsageError: there is no such codec, or it does not know this `crf`.
        EcbsrError: the codec cannot encode the clip's chroma subsampling.
    """
    source = clip.source.layout
    name = codec or ("h264" if source.depth == 8 else "hevc")
    if name not in CODECS:
        raise UsageError(f"{name!r} is not a codec; choose one of {', '.join(CODECS)}")
    chosen = CODECS[name]
    low, high = chosen.crf_range
    if crf is not None and not low <= crf <= high:
        raise UsageError(f"the constant rate factor {crf} is not in {low}..{high}, those of {name}")
    depth = next((depth for depth in chosen.depths if depth >= source.depth), chosen.depths[-1])
    notes = [*clip.source.notes] + [f"{source.depth} bits become {depth}"] * (depth != source.depth)
    subsampling = {None: (2, 2), (4, 1): (2, 1), (4, 4): (2, 2), (1, 2): (1, 1)}.get(
        source.subsampling, source.subsampling
    )
    assert subsampling is not None
    if subsampling not in chosen.chroma:
        raise EcbsrError(
            f"{clip.path}: is {source.text}, and {name} ({chosen.encoder}) encodes 4:2:0 alone; "
            "add --codec h264 or --codec hevc"
        )
    if source.subsampling not in (subsampling, None):
        notes.append(f"chroma becomes {Layout(depth, subsampling).text.split()[0]}")
    layout = Layout(depth, subsampling, source.full, source.siting)
    return Encoding(name, chosen, chosen.crf if crf is None else crf, layout, tuple(notes))


def even(length: int, subsampled: int) -> int:
    """A width or height that the subsampling allows: the next even one."""
    return length + length % 2 if subsampled > 1 else length


class VideoEncoder:
    """The video stream of an output: planes in, packets out."""

    def __init__(
        self, container: OutputContainer, clip: Clip, encoding: Encoding, time_base: Fraction, scale: int
    ) -> None:
        """Add the stream, with the size, tags and metadata of `clip`, enlarged by `scale`."""
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints its settings on standard error otherwise
        self._layout = encoding.layout
        across, down = encoding.layout.subsampling or (1, 1)
        self.size = (even(clip.size[0] * scale, across), even(clip.size[1] * scale, down))
        stream: Any = container.add_stream(encoding.codec.encoder, rate=clip.rate, options=_options(clip, encoding))
        stream.width, stream.height = self.size
        stream.pix_fmt = encoding.layout.name
        context = stream.codec_context
        context.time_base = stream.time_base = time_base
        context.framerate = clip.rate
        context.thread_type = "FRAME"  # x264 would cut each frame into slices, which takes more time
        if clip.aspect:
            context.sample_aspect_ratio = clip.aspect
        self._tags = _tags(clip)
        for tag, value in self._tags.items():
            setattr(context, tag, value)
        if encoding.name == "hevc" and container.format.name in ("mp4", "mov", "ipod"):
            context.codec_tag = "hvc1"  # the tag that Apple's players know
        if clip.matrix:
            moved = [value * scale for value in clip.matrix[6:8]]
            stream.set_display_matrix([*clip.matrix[:6], *moved, clip.matrix[8]])
        with kept_scheduling():
            context.open()
        self.stream: VideoStream = stream
        self._time_base = time_base
        self._frames = 0

    def encode(self, planes: tuple[NDArray[np.unsignedinteger], ...], pts: int, duration: int) -> list[Packet[Any]]:
        """The packets that one more frame completes; `pts` and `duration` in units of the time base."""
        frame: Any = frame_of(planes, self._layout)
        frame.pts, frame.duration, frame.time_base = pts, duration, self._time_base
        for tag, value in self._tags.items():
            setattr(frame, tag, value)
        self._frames += 1
        return self.stream.encode(frame)

    def flush(self) -> list[Packet[Any]]:
        """The packets that are left."""
        packets = self.stream.encode(None)
        if self._frames <= 2:  # too few to be reordered, and x265 gives them decoding times from unset memory
            for packet in packets:
                packet.dts = packet.pts
        return packets


def _tags(clip: Clip) -> dict[str, int]:
    """Color tags; RGB has become YCbCr of BT.709."""
    color = clip.color
    return {
        "color_range": FULL if clip.source.layout.full else LIMITED,
        "colorspace": BT709 if clip.source.rgb else color.matrix,
        "color_primaries": color.primaries,
        "color_trc": color.transfer,
    }


def _options(clip: Clip, encoding: Encoding) -> dict[str, str]:
    options = {**encoding.codec.options, "crf": str(encoding.crf)}
    if encoding.layout.subsampling == (2, 2):  # 4:2:0 alone has a choice
        options["chroma_sample_location"] = encoding.layout.siting
    if encoding.name == "h264":
        name, own = "x264-params", _hdr_options(clip.hdr, ("mastering-display", "cll"))
    elif encoding.name == "hevc":
        name, own = "x265-params", ["log-level=none", f"frame-threads={_THREADS}"]
        own += _hdr_options(clip.hdr, ("master-display", "max-cll"))
    else:
        name, own = "svtav1-params", _hdr_options(clip.hdr, ("mastering-display", "content-light"), in_units=False)
    return options | ({name: ":".join(own)} if own else {})


def _hdr_options(hdr: Hdr, names: tuple[str, str], in_units: bool = True) -> list[str]:
    """The encoder's options for mastering display and light level, called `names`.

    `in_units`: chromaticity in 1/50000 and luminance in 1/10000 cd/m², as x264 and x265 take it; else as decimal
    numbers, as SVT-AV1 does.
    """

    def text(value: Fraction, units: int) -> str:
        return str(round(value * units)) if in_units else f"{float(value):.6g}"

    options = []
    if hdr.mastering:
        colors = [text(value, 50000) for value in hdr.mastering[:8]]
        low, high = (text(value, 10000) for value in hdr.mastering[8:])
        red, green, blue, white = (",".join(colors[i : i + 2]) for i in range(0, 8, 2))
        options.append(f"{names[0]}=G({green})B({blue})R({red})WP({white})L({high},{low})")
    if hdr.light:
        options.append(f"{names[1]}={hdr.light[0]},{hdr.light[1]}")
    return options
