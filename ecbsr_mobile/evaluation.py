"""PSNR and SSIM of a model on folders of pictures, bicubic beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dataset, images, metrics

if TYPE_CHECKING:
    from .upscaling import Model
    from .utils.progress import Progress


@dataclass(frozen=True)
class Score:
    """PSNR in dB and SSIM of one picture or their means over a set; `bicubic_…` is bicubic's."""

    name: str
    pictures: int
    psnr: float
    ssim: float
    bicubic_psnr: float
    bicubic_ssim: float

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values (an infinite PSNR becomes null)."""
        return {
            key: value if not isinstance(value, float) or np.isfinite(value) else None
            for key, value in asdict(self).items()
        }


def evaluate(
    model: Model,
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
) -> tuple[Score, list[Score]]:
    """The mean score of `model` on a folder (see `data.pairs`), and each picture's.

    Measured on luma, without a border of `scale` pixels, as each kind of model is published: of a luma
    model the luma itself is rounded to 8 bits, of both pictures; of an RGB model the RGB picture is
    rounded, as a file holds it, and luma computed of that. (Rounding both lumas costs 0.06 dB at 37 dB.)
    A luma model is given the LR picture's luma: exact for a float model, rounded for one that takes
    integers.
    """
    scale = model.scale
    name = Path(folder).name
    steps: Iterable[Any] = range(len(dataset.paths(folder, scale)))
    if progress:
        steps = progress(list(steps), f"evaluating {name}")
    scores = [score(model, pair) for _, pair in zip(steps, dataset.pairs(folder, scale), strict=True)]
    return mean(name, scores), scores


def score(model: Model, pair: dataset.Pair) -> Score:
    """The score of one picture (see `evaluate`)."""
    height, width = pair.hr.shape[:2]
    bicubic = images.resize_bicubic(pair.lr, (width, height))
    if model.colors == 3:
        upscaled = images.luma(images.round_to(model.run(pair.lr.astype(np.float32) / np.float32(255)) * 255, np.uint8))
        target, bicubic = images.luma(pair.hr), images.luma(bicubic)
    else:
        plane = images.luma(pair.lr)[:, :, None] / np.float32(255)
        upscaled = images.round_to(model.run(plane)[:, :, 0] * 255, np.uint8)
        target, bicubic = (images.round_to(images.luma(rgb), np.uint8) for rgb in (pair.hr, bicubic))
    border = model.scale
    return Score(
        pair.name,
        1,
        metrics.psnr(upscaled, target, border),
        metrics.ssim(upscaled, target, border),
        metrics.psnr(bicubic, target, border),
        metrics.ssim(bicubic, target, border),
    )


def mean(name: str, scores: Sequence[Score]) -> Score:
    """The arithmetic mean of the pictures' scores, as papers average a set."""
    columns = ([getattr(s, field) for s in scores] for field in ("psnr", "ssim", "bicubic_psnr", "bicubic_ssim"))
    psnr, ssim, bicubic_psnr, bicubic_ssim = (float(np.mean(values)) for values in columns)
    return Score(name, len(scores), psnr, ssim, bicubic_psnr, bicubic_ssim)
