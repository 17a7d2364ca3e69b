"""Frames of H.264 clips whose HR frames are known: a slow pan and zoom over a picture, encoded after it was reduced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import images
from ecbsr_mobile.dataset import Pair
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.video.planes import Layout, Source, frame_of, planes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAMES, MEASURED = 16, slice(0, None, 5)  # the first frame, which is coded alone, and three that are predicted
STEP = 2  # pixels of the picture by which its window grows in each frame, and at most moves
SMALLEST = 32  # LR pixels along a side of a frame
LAYOUT = Layout(8, (2, 2), siting="center")


class Clip:
    """A clip that is made from a picture, before it is encoded.

    Attributes:
        name: of the picture.
        hr: the frames to measure, [H, W, 3].
        lr: all frames, [H / scale, W / scale, 3], reduced by MATLAB-compatible bicubic.
    """

    def __init__(self, picture: Pair, scale: int, seed: Sequence[int]) -> None:
        """The direction of the pan is drawn from `seed`.

        Raises:
            EcbsrError: the picture is too small.
        """
        frames = list(moving(picture.hr, 2 * scale, seed))
        if min(frames[0].shape[:2]) < SMALLEST * scale:
            height, width = picture.hr.shape[:2]
            least = SMALLEST * scale + 2 * STEP * (FRAMES - 1)
            raise EcbsrError(f"{picture.name}: is {width}x{height}; a clip needs at least {least}x{least}; remove it")
        self.name, self.hr = picture.name, frames[MEASURED]
        self.lr = [images.downscale(frame, scale) for frame in frames]

    def pairs(self, crf: int) -> list[Pair]:
        """The frames to measure, after H.264 with a constant rate factor."""
        return [Pair(self.name, *both) for both in zip(self.hr, after_h264(self.lr, crf)[MEASURED], strict=True)]


def moving(picture: NDArray[np.uint8], multiple: int, seed: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """A pan and zoom over a picture [H, W, 3], in frames of one size, whose sides are multiples of `multiple`.

    The first frame is a part of the picture as it is. The part then grows by `STEP` pixels a frame, is reduced to the
    same size by bicubic, and moves by whole pixels, in a direction that is drawn from `seed`.
    """
    right, down = np.random.default_rng(seed).integers(-STEP, STEP + 1, 2).tolist()
    height, width = (max(side - 2 * STEP * (FRAMES - 1), 0) // multiple * multiple for side in picture.shape[:2])
    for number in range(FRAMES):
        top, left = (number * step if step >= 0 else (FRAMES - 1) * STEP + number * step for step in (down, right))
        part = picture[top : top + height + STEP * number, left : left + width + STEP * number]
        yield images.resize_bicubic(part, (width, height)) if number else part


def after_h264(frames: Sequence[NDArray[np.uint8]], crf: int) -> list[NDArray[np.uint8]]:
    """Frames [H, W, 3], with even sides, after libx264 in BT.601 4:2:0, and FFmpeg's decoder.

    x264 works on one thread and without SIMD: other numbers of threads give other bytes, and its code for AVX-512 gives
    other bytes from one run to the next.
    """
    import av

    height, width = frames[0].shape[:2]
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, LAYOUT.name
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"crf": str(crf), "x264-params": "threads=1:asm=0"}
    packets = []
    for number, rgb in enumerate(frames):
        frame = frame_of(_planes(rgb), LAYOUT)
        frame.pts = number
        packets += encoder.encode(frame)
    decoder: Any = av.CodecContext.create("h264", "r")
    decoded = [frame for packet in [*packets, *encoder.encode(None), None] for frame in decoder.decode(packet)]
    return [_rgb(planes_of(frame, Source(LAYOUT, rgb=False))) for frame in decoded]


def _planes(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """Y [H, W], and Cb and Cr [H / 2, W / 2], each sample in the center of its four pixels."""
    height, width = rgb.shape[:2]
    chroma = images.resize_bicubic(images.chroma(rgb), (width // 2, height // 2))
    return tuple(images.round_to(plane, np.uint8) for plane in (images.luma(rgb), chroma[..., 0], chroma[..., 1]))


def _rgb(planes: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    luma, blue, red = (plane.astype(np.float32) for plane in planes)
    chroma = images.resize_bicubic(np.stack([blue, red], axis=-1), luma.shape[::-1])
    rgb: NDArray[np.uint8] = images.round_to(images.ycbcr_to_rgb(luma, chroma), np.uint8)
    return rgb
