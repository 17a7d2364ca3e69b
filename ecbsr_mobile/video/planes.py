"""The planes of a decoded frame as arrays, and a frame made from arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EcbsrError
from .chroma import LUMA, SITINGS, Grid

if TYPE_CHECKING:
    import av
    from numpy.typing import NDArray

    from .chroma import Plane

UNSPECIFIED_RANGE, LIMITED, FULL = 0, 1, 2  # FFmpeg's AVColorRange
GBR, BT709 = 0, 1  # its AVColorSpace, ITU-T H.273

_SUBSAMPLINGS = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (4, 1): "411", (4, 4): "410", (1, 2): "440"}
_MAX_DEPTH = 12
TRANSPARENCY_LOST = "transparency is not kept"


@dataclass(frozen=True)
class Layout:
    """Planar YCbCr or gray: bits of a sample, and how many luma pixels a chroma sample stands for.

    Attributes:
        depth: 8, 10 or 12.
        subsampling: horizontal and vertical; None for gray.
        full: values in 0..2^depth − 1, instead of the limited range (16..235 in 8 bits).
        siting: where chroma lies (see `chroma.SITINGS`).
    """

    depth: int
    subsampling: tuple[int, int] | None
    full: bool = False
    siting: str = "left"

    @property
    def name(self) -> str:
        """FFmpeg's name of the pixel format."""
        if self.subsampling is None:
            return "gray" if self.depth == 8 else f"gray{self.depth}le"
        return f"yuv{_SUBSAMPLINGS[self.subsampling]}p" + ("" if self.depth == 8 else f"{self.depth}le")

    @property
    def text(self) -> str:
        """For a sentence, such as "4:2:0 with 8 bits"."""
        kind = "gray" if self.subsampling is None else ":".join(_SUBSAMPLINGS[self.subsampling])
        return f"{kind} with {self.depth} bits"

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """Of the samples."""
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def peak(self) -> int:
        """The largest value that a sample can have."""
        return (1 << self.depth) - 1

    @property
    def neutral(self) -> int:
        """The chroma of gray."""
        return 1 << (self.depth - 1)

    @property
    def grids(self) -> tuple[Grid, Grid]:
        """Of chroma, horizontally and vertically."""
        if self.subsampling is None:
            return LUMA, LUMA
        across, down = zip(self.subsampling, SITINGS[self.siting], strict=True)
        return Grid.of_chroma(*across), Grid.of_chroma(*down)


@dataclass(frozen=True)
class Source:
    """What the pixel format of decoded frames becomes.

    Attributes:
        layout: of the planes.
        rgb: the frames are RGB, and converted to YCbCr 4:4:4 of BT.709 in limited range.
        notes: what is lost, as parts of a sentence.
    """

    layout: Layout
    rgb: bool
    notes: tuple[str, ...] = ()


def source_of(frame: av.VideoFrame, siting: str) -> Source:
    """How the planes of a frame like this one are read.

    Raises:
        EcbsrError: its pixel format is not known.
    """
    pixel_format = frame.format
    bits = max(component.bits for component in pixel_format.components)
    name = pixel_format.name
    depth = 8 if bits <= 8 else 10 if bits <= 10 else _MAX_DEPTH
    notes = [] if bits <= _MAX_DEPTH else [f"{bits} bits become {_MAX_DEPTH}"]
    rgb = pixel_format.is_rgb or pixel_format.has_palette
    if name.startswith(("yuva", "ya", "rgba", "bgra", "argb", "abgr", "gbrap", "vuya", "ayuv")):
        notes.append(TRANSPARENCY_LOST)
    if rgb:
        return Source(Layout(depth, (1, 1)), True, ("RGB becomes YCbCr 4:4:4", *notes))
    full = name.startswith("yuvj") or frame.color_range == FULL
    if name.startswith(("gray", "ya", "mono")):
        # FFmpeg and players take gray of an unspecified range as full, as a picture.
        return Source(Layout(depth, None, full or frame.color_range == UNSPECIFIED_RANGE), False, tuple(notes))
    subsampling = (64 // (pixel_format.chroma_width(64) or 1), 64 // (pixel_format.chroma_height(64) or 1))
    if subsampling not in _SUBSAMPLINGS or name.startswith(("bayer", "xyz")):
        raise EcbsrError(f"has the pixel format {name}, which cannot be read; convert it to yuv420p")
    return Source(Layout(depth, subsampling, full, siting), False, tuple(notes))


def planes_of(frame: av.VideoFrame, source: Source) -> tuple[Plane, ...]:
    """Y, Cb and Cr [H, W] (or Y alone) of a frame, as copies: uint8, or uint16 for more than 8 bits."""
    layout = source.layout
    if source.rgb:
        frame = frame.reformat(
            format=layout.name, dst_colorspace="ITU709", dst_color_range="MPEG", interpolation=_ACCURATE
        )
    elif frame.format.name.replace("yuvj", "yuv") != layout.name:
        same_range = "JPEG" if layout.full else "MPEG"
        frame = frame.reformat(format=layout.name, src_color_range=same_range, dst_color_range=same_range,
                               interpolation=_ACCURATE)  # fmt: skip
    if any(plane.line_size < 0 for plane in frame.planes):  # stored from the bottom up
        raise EcbsrError("stores its rows from the bottom up; convert it to H.264 first")
    dtype = np.dtype(layout.dtype)
    count = 1 if layout.subsampling is None else 3
    return tuple(
        np.frombuffer(plane, dtype)[: plane.height * (plane.line_size // dtype.itemsize)]
        .reshape(plane.height, plane.line_size // dtype.itemsize)[:, : plane.width]
        .copy()
        for plane in frame.planes[:count]
    )


_ACCURATE = 0x4 | 0x40000 | 0x2000 | 0x4000  # SWS_BICUBIC, SWS_ACCURATE_RND, SWS_FULL_CHR_H_INT, SWS_FULL_CHR_H_INP


def frame_of(planes: tuple[Plane, ...], layout: Layout) -> av.VideoFrame:
    """A frame of planes."""
    import av

    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, layout.name)
    for plane, values in zip(frame.planes, planes, strict=True):
        line: NDArray[Any] = np.frombuffer(plane, values.dtype)
        per_line = plane.line_size // values.dtype.itemsize
        line[: per_line * plane.height].reshape(plane.height, per_line)[:, : plane.width] = values
    return frame
