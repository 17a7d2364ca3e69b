"""A chain of 3×3 convolutions, and the chains that compute the same in the shape that a plain network needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..architecture import COLORS, SCALES
from ..collapse import Kernel, identity_weight
from ..errors import EcbsrError
from ..utils.text import either

MAX_PADDING = 4
"""How many times as large a network may become by equal widths."""


@dataclass(frozen=True)
class Chain:
    """3×3 convolutions from first to last with the slopes after each but the last; None stands for ReLU.

    `residual` says whether the image is added to their result; None: the names do not say. `limited` says that the
    result is clipped to [0, 1], which is left to whoever rounds it to pixels.
    """

    kernels: list[Kernel]
    slopes: list[Tensor | None]
    residual: bool | None = None
    limited: bool = False

    @property
    def slopes_fit(self) -> bool:
        """Whether each layer has no slopes, one, or one per channel."""
        layers = zip(self.kernels[:-1], self.slopes, strict=True)
        return all(slope is None or slope.numel() in (1, len(bias)) for (_, bias), slope in layers)


def match_a_scale(colors: int, outputs: int) -> bool:
    """Whether a network can have these input and output channels."""
    return colors in COLORS and outputs in [colors * scale**2 for scale in SCALES]


def colors_and_outputs(found: Chain) -> tuple[int, int]:
    """The input and output channels of a chain.

    Raises:
        EcbsrError: they match no scale.
    """
    colors, outputs = found.kernels[0][0].shape[1], len(found.kernels[-1][1])
    if not match_a_scale(colors, outputs):
        raise EcbsrError(
            f"{colors} input and {outputs} output channels do not match a scale of {either(SCALES)} with "
            f"{either(COLORS)} colors"
        )
    return colors, outputs


def with_equal_widths(found: Chain) -> Chain:
    """The chain with zero channels added until every hidden layer is as wide as the widest; it computes the same.

    Raises:
        EcbsrError: it would become more than `MAX_PADDING` times as large.
    """
    widths = [len(bias) for _, bias in found.kernels[:-1]]
    width = max(widths)
    (first, _), (last, _) = found.kernels[0], found.kernels[-1]
    padded_numel = 9 * width * (first.shape[1] + (len(widths) - 1) * width + last.shape[0])
    if padded_numel > MAX_PADDING * sum(weight.numel() for weight, _ in found.kernels):
        raise EcbsrError(f"its layers are {widths} channels wide; a network whose layers are equally wide is needed")
    kernels, slopes = [], []
    for index, (weight, bias) in enumerate(found.kernels):
        inputs = weight.shape[1] if index == 0 else width
        outputs = len(bias) if index == len(found.kernels) - 1 else width
        padded = weight.new_zeros(outputs, inputs, 3, 3)
        padded[: weight.shape[0], : weight.shape[1]] = weight
        kernels.append((padded, torch.cat([bias, bias.new_zeros(outputs - len(bias))])))
    for slope in found.slopes:
        missing = 0 if slope is None or slope.numel() == 1 else width - slope.numel()
        slopes.append(slope if slope is None or missing <= 0 else torch.cat([slope, slope.new_zeros(missing)]))
    return replace(found, kernels=kernels, slopes=slopes)


def with_image_inside(found: Chain, copies: Tensor, offset: Tensor) -> Chain:
    """The chain that adds the image itself, through channels that pass it on: no activation changes its values.

    Args:
        found: a chain that computes what the image is added to.
        copies: the matrix [outputs, colors] with which the image, of values from 0 up, is added.
        offset: what is added beside it, [outputs].
    """
    kernels, last = [], len(found.kernels) - 1
    eye = identity_weight(copies.shape[1], copies.dtype, copies.device)
    for index, (weight, bias) in enumerate(found.kernels):
        passed = eye if index < last else F.pad(copies[:, :, None, None], (1, 1, 1, 1))
        if index == 0:
            kernels.append((torch.cat([weight, passed]), torch.cat([bias, bias.new_zeros(len(passed))])))
        elif index < last:
            kernels.append((_block_diagonal(weight, passed), torch.cat([bias, bias.new_zeros(len(passed))])))
        else:
            kernels.append((torch.cat([weight, passed], 1), bias + offset))
    slopes = [s if s is None or s.numel() == 1 else torch.cat([s, s.new_ones(len(eye))]) for s in found.slopes]
    return replace(found, kernels=kernels, slopes=slopes, residual=False)


def _block_diagonal(one: Tensor, other: Tensor) -> Tensor:
    """The weight of both convolutions side by side, of separate channels."""
    return torch.cat([F.pad(one, (0, 0, 0, 0, 0, other.shape[1])), F.pad(other, (0, 0, 0, 0, one.shape[1], 0))])
