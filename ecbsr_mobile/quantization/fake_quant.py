"""The int8 form of a network, simulated in PyTorch: what a `.tflite` computes, in a form that can be trained.

Follows `export.quantize` step by step: activations rounded to 256 steps of their ranges, weights to
127 steps per output channel, PReLU written as the target's form has it. The rounding passes gradients
through as if it were not there, and the ends of the ranges are learned by the error that they cause (S. Esser
et al., "Learned Step Size Quantization", ICLR 2020; both ends, as in Y. Bhalgat et al., "LSQ+", 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..network import ECBSR, Architecture, PlainNet, prelu, with_residual
from .qparams import (
    IMAGE_RANGE,
    LEAKY_SLOPES,
    RESIDUAL_RANGE,
    align_activation_ranges,
    align_addend_max,
    scale_and_zero_point,
)

PReLUDecomposition = Literal["depthwise", "native"]
"""How PReLU is written: x + relu((slope - 1)·x), which CPUs run fast, or as the one operator."""

PRELU_DECOMPOSITIONS = get_args(PReLUDecomposition)

PERCENTILE = 99.99  # of each channel's values lie within the range that training starts from


@dataclass(frozen=True, eq=False)
class Int8Weights:
    """A network trained as int8: its plain weights and the range [n, 2] of each activation (see `names`)."""

    form: PReLUDecomposition
    net: PlainNet
    ranges: Tensor


class FakeQuantNet(nn.Module):
    """A network as int8 computes it; in real values, [0, 1] in and out.

    `ranges` [n, 2] holds the lowest and highest value of each activation, in the order in which they are
    computed (see `names`), widened where steps are to fit into others (see `affine`). The image and the result are
    pinned to 256 steps of [0, 1], and what is added to the image to the same steps.
    """

    def __init__(
        self, net: ECBSR | PlainNet, form: PReLUDecomposition = "depthwise", ranges: Tensor | None = None
    ) -> None:
        """`net` is trained in place; see `observe` for `ranges`. Slopes above 1 must be gone: `fold_steep_slopes`."""
        super().__init__()
        self.net, self.form = net, form
        count = len(names(net.architecture, form))
        start = torch.tensor([[-1.0, 1.0]]).repeat(count, 1) if ranges is None else ranges.clone()
        if start.shape != (count, 2):
            raise ValueError(f"{tuple(start.shape)} ranges do not fit {count} activations")
        self.ranges = nn.Parameter(start)
        self._observed: list[tuple[float, float]] | None = None

    def weights(self) -> Int8Weights:
        """What a `.tflite` of the same pixels is made of."""
        plain = self.net.collapse() if isinstance(self.net, ECBSR) else deepcopy(self.net)
        for _, _, slope in plain.layers():
            if slope is not None:
                slope.data = _held_slopes(slope.detach(), plain.architecture, self.form)
        return Int8Weights(self.form, plain.requires_grad_(False).eval(), self.ranges.detach().clone())

    @property
    def architecture(self) -> Architecture:
        """Of the network that is rounded."""
        return self.net.architecture

    def forward(self, x: Tensor) -> Tensor:
        """LR [N, colors, H, W] → SR [N, colors, scale·H, scale·W], each a multiple of 1/255 in [0, 1]."""
        ranges = iter(self.ranges)
        image = _quantized(x, *x.new_tensor(IMAGE_RANGE))
        y, step = image, 1 / 255
        layers = self.net.layers()
        for weight, bias, slope in layers[:-1]:
            y = _conv(y, weight, bias, step).contiguous(memory_format=torch.channels_last)
            y = self._activated(y, slope, ranges)
            step = self._step
        weight, bias, _ = layers[-1]
        y = _quantized(_conv(y, weight, bias, step), *y.new_tensor(RESIDUAL_RANGE))
        return _quantized(with_residual(y, image, self.architecture.scale), *y.new_tensor(IMAGE_RANGE))

    def _activated(self, y: Tensor, slope: Tensor | None, ranges: Iterator[Tensor]) -> Tensor:
        if slope is None:
            return self._limited(y, _holding_0(next(ranges)), 0.0)
        slope, leaky = _held_slopes(slope, self.architecture, self.form), self.architecture.activation == "leaky"
        apart = self.form == "depthwise" and not leaky
        conv, rest, act = next(ranges), next(ranges) if apart else None, next(ranges)
        conv_ends, act_ends = align_activation_ranges(_holding_0(conv), _holding_0(act), apart)
        y = self._limited(y, conv_ends)
        if rest is not None:
            rest_ends = rest.new_zeros(()), align_addend_max(_holding_0(rest)[1], act_ends)
            return self._limited(y + self._limited(prelu(y, slope) - y, rest_ends, 0.0), act_ends)
        y = self._leaky(y, slope, act_ends) if leaky else prelu(y, _rounded_slopes(slope))
        return self._limited(y, act_ends)

    def _leaky(self, y: Tensor, slope: Tensor, ends: tuple[Tensor, Tensor]) -> Tensor:
        """LEAKY_RELU as XNNPACK has it: both of its factors, from steps to steps, are rounded to 1/256."""
        if self._observed is not None:
            return prelu(y, slope.expand(y.shape[1]))
        ratio = 256 * self._step / _affine(ends)[0]
        above = round(ratio) / ratio
        below = _straight_through(slope, slope.new_tensor(1 / ratio))
        return prelu(y, (below / above).expand(y.shape[1])) * above

    def _limited(self, y: Tensor, ends: tuple[Tensor, Tensor], least: float = -torch.inf) -> Tensor:
        """Round to the 256 steps of a range; `least` is the lowest value that the form can make."""
        if self._observed is not None:
            y = y.clamp(least)
            self._observed.append(_span(y))
            self._step = scale_and_zero_point(*self._observed[-1])[0]
            return y
        self._step = _affine(ends)[0]
        return _quantized(y, *ends)

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Set the ranges to what the activations of LR pictures [N, colors, H, W] take, outliers left out."""
        self._observed = []
        try:
            self(x)
            self.ranges.copy_(torch.tensor(self._observed))
        finally:
            self._observed = None


def names(architecture: Architecture, form: PReLUDecomposition) -> list[str]:
    """What each of an `FakeQuantNet`'s ranges belongs to, by layer: `0/conv`, `0/rest`, `0/act`, `1/conv`."""
    if architecture.activation == "relu":
        parts = ["act"]
    elif architecture.activation == "prelu" and form == "depthwise":
        parts = ["conv", "rest", "act"]
    else:
        parts = ["conv", "act"]
    return [f"{layer}/{part}" for layer in range(len(architecture.widths) - 1) for part in parts]


@torch.no_grad()
def fold_steep_slopes(net: PlainNet) -> PlainNet:
    """The same function of the image with no slope above 1, which x + relu((slope - 1)·x) cannot hold.

    -prelu(x) = prelu'(-slope·x) with the slope turned over; the sign is taken back in the next convolution.
    """
    plain = PlainNet(net.architecture)
    plain.load_state_dict(net.state_dict())
    if net.architecture.activation != "prelu":
        return plain
    for layer, (conv, following) in enumerate(zip(plain.convolutions, plain.convolutions[1:], strict=False)):
        slope = cast(Tensor, plain.acts[layer].weight)
        factors = torch.where(slope > 1, -slope, 1.0)
        conv.weight *= factors[:, None, None, None]
        cast(Tensor, conv.bias).mul_(factors)
        following.weight *= factors.sign()[:, None, None]
        slope.copy_(torch.where(slope > 1, 1 / slope, slope))
    return plain


def round_to_8_bits(image: Tensor) -> Tensor:
    """An image in [0, 1] as int8 gets it: in steps of 1/255."""
    return torch.round(image * 255) / 255


def _conv(y: Tensor, weight: Tensor, bias: Tensor, step: float) -> Tensor:
    """The convolution with int8 weights and int32 biases, of an input in steps of `step`."""
    steps = weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
    weight = _straight_through(weight, steps)
    return F.conv2d(y, weight, _straight_through(bias, steps.flatten() * step), padding=1)


def _straight_through(value: Tensor, step: Tensor) -> Tensor:
    return value + (torch.round(value / step) * step - value).detach()


def _rounded_slopes(slope: Tensor) -> Tensor:
    return _straight_through(slope, slope.detach().abs().max().clamp(min=1e-6) / 127)


def _held_slopes(slope: Tensor, architecture: Architecture, form: PReLUDecomposition) -> Tensor:
    """The slopes that the form can hold."""
    if architecture.activation == "leaky":
        return slope.clamp(*LEAKY_SLOPES)
    return slope.clamp(max=1) if form == "depthwise" else slope


def _holding_0(ends: Tensor) -> tuple[Tensor, Tensor]:
    return ends[0].clamp(max=0), ends[1].clamp(min=0)


def _affine(ends: tuple[Tensor, Tensor]) -> tuple[float, int]:
    return scale_and_zero_point(ends[0].item(), ends[1].item())


def _quantized(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return cast(Tensor, _Quantize.apply(x, low, high))


def _span(y: Tensor) -> tuple[float, float]:
    """The widest of the channels' ranges, each without the rarest values."""
    channels = y.transpose(0, 1).flatten(1)
    rare = max(1, round(channels.shape[1] * (1 - PERCENTILE / 100)))
    low = channels.topk(rare, largest=False).values[:, -1].min()
    high = channels.topk(rare).values[:, -1].max()
    return min(float(low), 0.0), max(float(high), 0.0)


class _Quantize(torch.autograd.Function):
    """Round to 256 steps of [low, high]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        scale, zero_point = _affine((low, high))
        y = torch.round(x / scale).clamp_(-128 - zero_point, 127 - zero_point).mul_(scale)
        ctx.save_for_backward(x, y)
        ctx.scale, ctx.ends = scale, ((-128 - zero_point) * scale, (127 - zero_point) * scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        (gradient,), (x, y) = gradients, ctx.saved_tensors
        (low, high), half = ctx.ends, ctx.scale / 2
        inside = torch.ops.aten.hardtanh_backward(gradient, x, low - half, high + half)
        if not any(ctx.needs_input_grad[1:]):
            return inside, None, None
        outside = gradient - inside
        above = torch.ops.aten.threshold_backward(outside, x, high).sum()
        below = outside.sum() - above
        rounding = (inside * (y - x)).sum() / (high - low)
        return inside, below - rounding, above + rounding
