"""What an int8 network is measured against: the float network's results on sample images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import images

from ..validation.sample_images import Sample

if TYPE_CHECKING:
    from torch import Tensor

    from ecbsr_mobile.network import PlainNet

SIDE = 192  # LR pixels: of a larger image, the center is measured


@dataclass(frozen=True, eq=False)
class Target:
    """The center of a sample image.

    Attributes:
        image: LR [1, colors, h, w] in [0, 1].
        result: the float network's result [1, colors, scale·h, scale·w], clipped to [0, 1].
        mse: mean squared error of that result's luma against HR, where white is 1.
    """

    image: Tensor
    result: Tensor
    mse: float


def targets(net: PlainNet, samples: Sequence[Sample]) -> list[Target]:
    """The target of each sample for a float network."""
    import torch

    measured = []
    for sample in samples:
        scale = sample.hr_luma.shape[0] // sample.lr.shape[0]
        top, left = (max(0, side - SIDE) // 2 for side in sample.lr.shape[:2])
        center = sample.image[top : top + SIDE, left : left + SIDE]
        hr = sample.hr_luma[top * scale : (top + SIDE) * scale, left * scale : (left + SIDE) * scale]
        image = torch.from_numpy(np.ascontiguousarray(center.transpose(2, 0, 1)))[None]
        image = image.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            result = net(image).clamp_(0, 1)
        pixels = result[0].numpy().transpose(1, 2, 0) * 255
        luma = images.luma(pixels) if pixels.shape[2] == 3 else pixels[:, :, 0]
        error = float(np.mean(np.square(luma - hr.astype(np.float64)))) / 255**2
        measured.append(Target(image, result, max(error, 1e-6)))
    return measured


def expected_loss(net: Callable[[Tensor], Tensor], measured: Sequence[Target]) -> float:
    """The PSNR in dB that a network loses against HR if its error is independent of the float network's: the mean.

    Unlike a measured loss, it is never negative, and changes smoothly.
    """
    import torch

    losses = []
    for target in measured:
        with torch.no_grad():
            added = float((net(target.image) - target.result).square().mean())
        losses.append(10 * math.log10(1 + added / target.mse))
    return float(np.mean(losses))
