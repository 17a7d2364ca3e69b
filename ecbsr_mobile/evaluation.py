"""PSNR and SSIM of a model on folders of pictures, bicubic beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import data, images, metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .upscaling import Model


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
        return {key: value if not isinstance(value, float) or np.isfinite(value) else None
                for key, value in asdict(self).items()}


def evaluate(
    model: Model,
    folder: str | os.PathLike[str],
    progress: Callable[[Sequence[Any], str], Iterator[Any]] | None = None,
) -> tuple[Score, list[Score]]:
    """The mean score of `model` on a folder (see `data.pairs`), and each picture's.

    Measured on luma rounded to 8 bits, without a border of `scale` pixels. A luma model is given the LR
    picture's luma (exact for a float model; rounded for one that takes integers); an RGB model the RGB
    picture, and the luma of its result rounded to 8 bits is compared.
    """
    scale = model.scale
    name = Path(folder).name
    steps: Iterable[Any] = range(len(data.paths(folder, scale)))
    if progress:
        steps = progress(list(steps), f"evaluating {name}")
    scores = [score(model, pair) for _, pair in zip(steps, data.pairs(folder, scale), strict=True)]
    return mean(name, scores), scores


def score(model: Model, pair: data.Pair) -> Score:
    """The score of one picture."""
    target = images.round_to(images.luma(pair.hr), np.uint8)
    upscaled = model_luma(model, pair.lr)
    height, width = target.shape
    bicubic = images.round_to(images.luma(images.resize_bicubic(pair.lr, (width, height))), np.uint8)
    border = model.scale
    return Score(
        pair.name,
        1,
        metrics.psnr(upscaled, target, border),
        metrics.ssim(upscaled, target, border),
        metrics.psnr(bicubic, target, border),
        metrics.ssim(bicubic, target, border),
    )


def model_luma(model: Model, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The luma [scale·H, scale·W], rounded to 8 bits, that `model` makes of RGB `lr` [H, W, 3]."""
    if model.colors == 3:
        rgb = images.round_to(model.run(lr.astype(np.float32) / 255) * 255, np.uint8)
        return images.round_to(images.luma(rgb), np.uint8)
    plane = images.luma(lr)[:, :, None] / np.float32(255)
    return images.round_to(model.run(plane)[:, :, 0] * 255, np.uint8)


def mean(name: str, scores: Sequence[Score]) -> Score:
    """The arithmetic mean of the pictures' scores, as papers average a set."""
    columns = ([getattr(s, field) for s in scores] for field in ("psnr", "ssim", "bicubic_psnr", "bicubic_ssim"))
    psnr, ssim, bicubic_psnr, bicubic_ssim = (float(np.mean(values)) for values in columns)
    return Score(name, len(scores), psnr, ssim, bicubic_psnr, bicubic_ssim)
