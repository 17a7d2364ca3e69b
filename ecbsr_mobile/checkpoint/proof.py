"""What a trained network's answers to flat colors and to gradients prove about how it is to be read.

A flat color becomes that color, and a gradient the gradient between its pixels. The first shows whether, and in which
order, the image is added, and the value range; the second, that it is added by repeating its pixels: a network with a
bilinear or bicubic shortcut answers 0 to a gradient, and one with another shortcut or activation answers anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..collapse import Kernel
from .chains import Chain
from .gray import Activate, activations, before_last

Skip = Literal["none", "nearest", "tiled"]
"""How the image is added before the pixel shuffle: not at all, s² copies of each channel together, as nearest
enlargement has them (`repeat_interleave`), or s² copies of the whole image (`torch.cat([x] * s²)`)."""

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Values of each channel of the flat colors."""

COLOR_LIMIT = 2 / 255
"""Mean absolute error at flat colors. In published networks at most 1.1 of 255, in the next best reading 6 or more."""

SLOPE_RANGE = (0.7, 1.3)
"""The answer to a gradient over what is right. In published networks 0.86 to 1.10, with a bilinear shortcut about 0."""

CONTRAST = 0.4
"""Half of the difference that a gradient has over the receptive field."""

CLIPPED = "Hardtanh(0, 1)"
OTHER_ACTIVATIONS: dict[str, Activate] = {
    **{f"LeakyReLU({slope})": partial(F.leaky_relu, negative_slope=slope) for slope in (0.01, 0.05, 0.1, 0.2)},
    "GELU": F.gelu, "SiLU": F.silu, "Mish": F.mish, "ELU": F.elu, "Softplus": F.softplus, "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid, "ReLU6": F.relu6, CLIPPED: partial(torch.clamp, min=0, max=1),
}  # fmt: skip
"""Activations without weights, which a file does not tell from ReLU."""


@dataclass(frozen=True)
class Reading:
    """A value range and a skip connection, with the network's errors when it is read so.

    `color` is the mean absolute error at flat colors, of values in [0, 1]; `slope` is the answer to gradients over what
    is right, and not a number where colors are far off.
    """

    value_range: float
    skip: Skip
    color: float
    slope: float

    @property
    def is_proven(self) -> bool:
        """Whether the network has to be read so."""
        return self.color < COLOR_LIMIT and SLOPE_RANGE[0] < self.slope < SLOPE_RANGE[1]


def copies(colors: int, outputs: int, skip: Skip) -> Tensor:
    """The matrix [outputs, colors] with which the image is added to each sub-pixel."""
    eye = torch.eye(colors, dtype=torch.float64)
    repeats = outputs // colors
    if skip == "none":
        return eye.new_zeros(outputs, colors)
    return eye.repeat_interleave(repeats, 0) if skip == "nearest" else eye.repeat(repeats, 1)


def best_reading(
    found: Chain, ranges: Iterable[float], skips: Iterable[Skip], activation: Activate | None = None
) -> Reading:
    """The reading with the smallest error at flat colors.

    Args:
        found: the network's layers; the last has colors·scale² outputs.
        ranges: possible value ranges.
        skips: possible skip connections.
        activation: takes the place of those of the chain.
    """
    activate = [activation] * len(found.slopes) if activation else activations(found)
    answers = {value_range: _answers(found.kernels, activate, value_range) for value_range in ranges}
    error, value_range, skip = min(
        (_color_error(answer, skip), value_range, skip) for value_range, answer in answers.items() for skip in skips
    )
    slope = _slope(found.kernels, activate, value_range) if error < COLOR_LIMIT else math.nan
    return Reading(value_range, skip, error, slope)


def _answers(kernels: list[Kernel], activate: Sequence[Activate], value_range: float) -> Tensor:
    """The answers to flat colors [colors, outputs], of values in [0, 1]."""
    weight, bias = kernels[-1]
    values = before_last(kernels, activate, _flat(kernels[0][0].shape[1]) * value_range)
    return (values @ weight.sum((2, 3)).T + bias) / value_range


def _color_error(answers: Tensor, skip: Skip) -> float:
    colors = round(math.log(len(answers), len(LEVELS)))
    flat = _flat(colors)
    right = (copies(colors, answers.shape[1], "nearest") - copies(colors, answers.shape[1], skip)) @ flat.T
    return float((answers - right.T).abs().mean())


def _slope(kernels: list[Kernel], activate: Sequence[Activate], value_range: float) -> float:
    """The answer to a horizontal and to a vertical gradient over what is right, in the middle of each."""
    radius = len(kernels)
    colors, outputs = kernels[0][0].shape[1], len(kernels[-1][1])
    scale = math.isqrt(outputs // colors)
    line = torch.arange(-radius, radius + 1, dtype=torch.float64) * CONTRAST / radius
    gradient = (line + 0.5).expand(1, colors, len(line), len(line))
    values = torch.cat([gradient, gradient.mT]) * value_range
    for index, (weight, bias) in enumerate(kernels):
        values = F.conv2d(values, weight, bias)
        if index < len(activate):
            values = activate[index](values.movedim(1, -1)).movedim(-1, 1)
    answers = F.pixel_shuffle(values / value_range, scale)
    answers = answers - answers.mean((2, 3), keepdim=True)
    steps = ((torch.arange(scale) + 0.5) / scale - 0.5).double() * CONTRAST / radius
    right = torch.stack([steps.expand(scale, scale), steps.expand(scale, scale).T])[:, None].expand_as(answers)
    return float((answers * right).sum() / (right * right).sum())


def _flat(colors: int) -> Tensor:
    return torch.tensor(list(product(LEVELS, repeat=colors)), dtype=torch.float64)
