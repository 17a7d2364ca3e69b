"""PSNR and SSIM of a model on folders of images, compared with bicubic."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import dataset, images, metrics
from .errors import EcbsrError
from .upscaling import finite, open_model

if TYPE_CHECKING:
    from .network import PlainNet
    from .upscaling import Model
    from .utils.progress import Progress


@dataclass(frozen=True)
class Score:
    """PSNR in dB and SSIM of one image, or their means over a set, of the model and of bicubic."""

    name: str
    pictures: int
    psnr: float
    ssim: float
    bicubic_psnr: float
    bicubic_ssim: float


def evaluate(
    model: str | os.PathLike[str] | PlainNet | Model,
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
    failures: list[str] | None = None,
) -> tuple[Score, list[Score]]:
    """The mean score of `model` on a folder (see `dataset.pairs`), and the score of each image.

    Measured on luma without a border of `scale` pixels, as papers measure each kind of model. For a luma model, the
    result and the HR luma are rounded to 8 bits; for an RGB model, the RGB result is rounded, as in a file, and its
    luma is not (rounding both lumas costs 0.06 dB at 37 dB). The input of a luma model is the luma of the LR image,
    not rounded unless the model's input is an integer tensor.

    Args:
        model: a network, a weights file, the name of a bundled model, or a `.tflite`.
        folder: a folder of images (see `dataset.pairs`).
        progress: shows progress over the images.
        failures: gets the message of each image that cannot be read, which is then left out; None raises it.

    Raises:
        EcbsrError: see `open_model` and `dataset.pairs`; or no image can be read.
    """
    model = open_model(model)
    scale = model.scale
    name = Path(os.path.abspath(folder)).name  # that of "." is empty
    paths = dataset.paths(folder, scale)
    scores = []
    for hr, lr in progress(paths, f"evaluating {name}") if progress else paths:
        try:
            pair = dataset.read_pair(hr, lr, scale)
            check_size(pair, scale, folder)
        except EcbsrError as error:
            if failures is None or len(paths) == 1:
                raise
            failures.append(str(error))
        else:
            scores.append(score(model, pair))
    if not scores:
        raise EcbsrError(f"{folder}: none of its {len(paths)} images can be used; the first: {(failures or ['-'])[0]}")
    return mean(name, scores), scores


def check_size(pair: dataset.Pair, scale: int, folder: str | os.PathLike[str]) -> None:
    """Check that something of an image is left inside the border of `scale` pixels.

    Raises:
        EcbsrError: nothing is.
    """
    if min(pair.hr.shape[:2]) <= 2 * scale:
        least = 3 * scale
        raise EcbsrError(
            f"{Path(folder, pair.name)}: is smaller than {least}x{least} pixels, too small to be measured at x{scale}; "
            "remove it"
        )


def score(model: Model, pair: dataset.Pair) -> Score:
    """The score of one image (see `evaluate`)."""
    height, width = pair.hr.shape[:2]
    bicubic = images.resize_bicubic(pair.lr, (width, height))
    if model.colors == 3:
        result = finite(model.run(pair.lr.astype(np.float32) / np.float32(255)), model)
        upscaled = images.luma(images.round_to(result * 255, np.uint8))
        target, bicubic = images.luma(pair.hr), images.luma(bicubic)
    else:
        plane = images.luma(pair.lr)[:, :, None] / np.float32(255)
        upscaled = images.round_to(finite(model.run(plane), model)[:, :, 0] * 255, np.uint8)
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
    """The arithmetic means of PSNR and SSIM over a set, as in papers; that of SSIM over the images that have one."""
    columns = ([getattr(s, field) for s in scores] for field in ("psnr", "ssim", "bicubic_psnr", "bicubic_ssim"))
    known = ([value for value in values if not math.isnan(value)] for values in columns)
    psnr, ssim, bicubic_psnr, bicubic_ssim = (float(np.mean(values)) if values else math.nan for values in known)
    return Score(name, len(scores), psnr, ssim, bicubic_psnr, bicubic_ssim)
