"""How far one clip is from another: PSNR and SSIM of luma, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import metrics
from ..errors import EcbsrError
from .decode import Decoder, Span
from .demux import Demuxer
from .probe import Clip, opened, probe, time_base_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FrameScore:
    """PSNR in dB and SSIM of a frame, counted from 1."""

    frame: int
    psnr: float
    ssim: float


@dataclass(frozen=True)
class ClipScore:
    """The means over the frames of a clip, and the frames with the least PSNR and the least SSIM."""

    frames: int
    psnr: float
    ssim: float
    worst_psnr: FrameScore
    worst_ssim: FrameScore
    each: tuple[FrameScore, ...]


def score_clips(
    path: str | os.PathLike[str],
    reference: str | os.PathLike[str],
    max_pixels: int | None = None,
    count: Callable[[int], None] | None = None,
) -> ClipScore:
    """PSNR and SSIM of a clip against a reference, on luma as it is stored, scaled to 8 bits; nothing is cut off.

    The means are arithmetic. A frame whose pixels are all equal has `metrics.MAX_PSNR`.

    Args:
        path: a clip.
        reference: the clip that it should equal, of the same size and range, with as many frames at the same times.
        max_pixels: limit of width times height.
        count: is called with the number of frames compared so far.

    Raises:
        EcbsrError: one of them cannot be read, or they are no pair.
    """
    clips = probe(path, max_pixels), probe(reference, max_pixels)
    _check_pair(*clips)
    scores: list[FrameScore] = []
    # Half a frame, or what Matroska's milliseconds make of a time.
    tolerance = max(1 / clips[1].rate / 2, Fraction(1, 500))
    for one, two in zip_longest(_luma(clips[0]), _luma(clips[1])):
        if one is None or two is None:
            short, long = clips if one is None else clips[::-1]
            raise EcbsrError(f"{short.path}: has {len(scores)} frames, {long.path} more; give clips of the same frames")
        if abs(one[0] - two[0]) > tolerance:
            raise EcbsrError(
                f"{path}: frame {len(scores) + 1} comes at {float(one[0]):.3f} s, in {reference} at "
                f"{float(two[0]):.3f} s; give clips of the same frames"
            )
        scores.append(FrameScore(len(scores) + 1, metrics.psnr(one[1], two[1]), metrics.ssim(one[1], two[1])))
        if count is not None:
            count(len(scores))
    return ClipScore(
        len(scores),
        float(np.mean([score.psnr for score in scores])),
        float(np.mean([score.ssim for score in scores])),
        min(scores, key=lambda score: score.psnr),
        min(scores, key=lambda score: score.ssim),
        tuple(scores),
    )


def _check_pair(one: Clip, two: Clip) -> None:
    if one.size != two.size:
        sizes = [f"{width}x{height}" for width, height in (one.size, two.size)]
        raise EcbsrError(f"{one.path}: is {sizes[0]}, {two.path} is {sizes[1]}; give clips of the same size")
    full = [clip.source.layout.full for clip in (one, two)]
    if full[0] != full[1]:
        names = ["full" if value else "limited" for value in full]
        raise EcbsrError(
            f"{one.path}: has {names[0]}-range luma, {two.path} {names[1]}-range; give clips of the same range"
        )


def _luma(clip: Clip) -> Iterator[tuple[Fraction, NDArray[Any]]]:
    """Time in seconds from the first frame, and luma [H, W] in 0..255, of each frame."""
    with opened(clip.path) as (container, stream):
        decoder, first = Decoder(clip, stream, Span(), None), None
        for packet in Demuxer(container, stream):
            for decoded in decoder.feed(packet):
                first = decoded.pts if first is None else first
                time = (decoded.pts - first) * time_base_of(stream)
                yield time, decoded.planes[0] / (1 << (clip.source.layout.depth - 8))
