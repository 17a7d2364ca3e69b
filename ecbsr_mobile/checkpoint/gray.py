"""What a network's answers to gray images show: how it is to be read.

A trained network answers 0 where the image is added to its result, and the gray itself where it is not. In the wrong
value range, or without the identity branches that it was trained with, its answers are further off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ..collapse import Kernel
from .chains import Chain

Activate = Callable[[Tensor], Tensor]
"""An activation of values whose channels are last."""

LEVELS = (0.25, 0.5, 0.75)
"""The grays, of values in [0, 1]."""

ZERO_LIMIT = 0.02
"""Mean absolute answer to gray, of values in [0, 1], below which a network needs the image added to its result."""

GRAY_LIMIT = 0.1
"""Mean absolute difference of the answer to the gray, below which a network gives the image itself."""

CANCELED = 0.03
"""What is left of the terms of an answer of 0 that was learned, at most; more where the last weights are just small."""


def needs_image(found: Chain, value_range: float) -> bool | None:
    """Whether the image has to be added to the result of a chain.

    None: it is not trained, was misread, or has slopes that do not fit its layers.
    """
    answers = _answers(found, value_range)
    if answers and all(answer.abs().mean() < ZERO_LIMIT for _, answer, _ in answers):
        return True
    is_gray = answers and all((answer - level).abs().mean() < GRAY_LIMIT for level, answer, _ in answers)
    return False if is_gray else None


def error(found: Chain, value_range: float, residual: bool | None) -> float:
    """The largest mean absolute error of a network's answers, of values in [0, 1].

    Infinite where they prove nothing: its slopes do not fit, or its answers are near 0 because its last weights are.

    Args:
        found: its layers.
        value_range: that of its values.
        residual: whether the image is added to its result; None: whichever has the smaller error.
    """
    answers = _answers(found, value_range)
    learned = answers and all(answer.abs().mean() < CANCELED * terms for _, answer, terms in answers)
    added = max(float(answer.abs().mean()) for _, answer, _ in answers) if learned else math.inf
    whole = max((float((answer - level).abs().mean()) for level, answer, _ in answers), default=math.inf)
    return min(added, whole) if residual is None else added if residual else whole


def _answers(found: Chain, value_range: float) -> list[tuple[float, Tensor, float]]:
    """Each level, the answer [channels] far inside a gray image, and the mean sum of its absolute terms, in [0, 1].

    Empty where slopes do not fit the layers.
    """
    if not found.slopes_fit:
        return []
    weight, bias = found.kernels[-1]
    answers = []
    for level in LEVELS:
        gray = weight.new_full((1, found.kernels[0][0].shape[1]), level * value_range)
        (values,) = before_last(found.kernels, activations(found), gray)
        answer = weight.sum((2, 3)) @ values + bias
        terms = weight.abs().sum((2, 3)) @ values.abs() + bias.abs()
        answers.append((level, answer / value_range, float(terms.mean()) / value_range))
    return answers


def activations(found: Chain) -> list[Activate]:
    """Those after each layer of a chain but the last."""
    return [partial(_activated, slope=slope) for slope in found.slopes]


def before_last(kernels: list[Kernel], activations: Sequence[Activate], colors: Tensor) -> Tensor:
    """What the last convolution is given [n, channels], far inside flat images of some `colors` [n, channels]."""
    values = colors
    for (weight, bias), activate in zip(kernels[:-1], activations, strict=True):
        values = activate(values @ weight.sum((2, 3)).T + bias)
    return values


def _activated(values: Tensor, slope: Tensor | None) -> Tensor:
    return F.relu(values) if slope is None else torch.where(values < 0, values * slope, values)
