"""The int8 form of a network, simulated in PyTorch: what a `.tflite` computes, in a form that can be trained.

Follows `export.quantize` step by step: activations rounded to 256 steps of a range of their own, weights to
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

from .affine import LEAKY_SLOPES, affine
from .network import ECBSR, Architecture, PlainNet, prelu, with_residual

Form = Literal["depthwise", "native"]
"""How PReLU is written: x + relu((slope - 1)·x), which CPUs run fast, or as the one operator."""

FORMS = get_args(Form)

PERCENTILE = 99.99  # of each channel's values lie within the range that training starts from


@dataclass(frozen=True, eq=False)
class Int8Weights:
    """A network trained as int8: its plain weights and the range [n, 2] of each activation (see `names`)."""

    form: Form
    net: PlainNet
    ranges: Tensor


class Int8Net(nn.Module):
    """A network as int8 computes it; in real values, [0, 1] in and out.

    `ranges` [n, 2] holds the lowest and highest value of each activation, in the order in which they are
    computed (see `names`). The image and the result are pinned to 256 steps of [0, 1].
    """

    def __init__(self, net: ECBSR | PlainNet, form: Form = "depthwise", ranges: Tensor | None = None) -> None:
        """`net` is trained in place; see `observe` for `ranges`. Slopes above 1 must be gone: `without_steep`."""
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
        image = _quantized(x, x.new_zeros(()), x.new_ones(()))
        y, step = image, 1 / 255
        layers = self.net.layers()
        for weight, bias, slope in layers[:-1]:
            y = _conv(y, weight, bias, step).contiguous(memory_format=torch.channels_last)
            y = self._activated(y, slope, ranges)
            step = self._step
        weight, bias, _ = layers[-1]
        y = self._limited(_conv(y, weight, bias, step), next(ranges), (-1.0, 1.0))
        return _quantized(with_residual(y, image, self.architecture.scale), image.new_zeros(()), image.new_ones(()))

    def _activated(self, y: Tensor, slope: Tensor | None, ranges: Iterator[Tensor]) -> Tensor:
        if slope is None:
            return self._limited(y, next(ranges), (0.0, torch.inf))
        y, slope = self._limited(y, next(ranges)), _held_slopes(slope, self.architecture, self.form)
        if self.architecture.activation == "leaky":
            ends = next(ranges)
            return self._limited(self._leaky(y, slope, ends), ends)
        if self.form == "native":
            return self._limited(prelu(y, _rounded_slopes(slope)), next(ranges))
        rest = self._limited(prelu(y, slope) - y, next(ranges), (0.0, torch.inf))
        return self._limited(y + rest, next(ranges))

    def _leaky(self, y: Tensor, slope: Tensor, ends: Tensor) -> Tensor:
        """LEAKY_RELU as XNNPACK has it: both of its factors, from steps to steps, are rounded to 1/256."""
        if self._observed is not None:
            return prelu(y, slope.expand(y.shape[1]))
        ratio = 256 * self._step / affine(*ends.tolist())[0]
        above = round(ratio) / ratio
        below = _straight_through(slope, slope.new_tensor(1 / ratio))
        return prelu(y, (below / above).expand(y.shape[1])) * above

    def _limited(self, y: Tensor, ends: Tensor, within: tuple[float, float] = (-torch.inf, torch.inf)) -> Tensor:
        """Round to 256 steps between `ends`, cut to what the form can need of them."""
        if self._observed is not None:
            self._observed.append(_span(y.clamp(*within)))
            self._step = affine(*self._observed[-1])[0]
            return y.clamp(*within)
        low, high = ends[0].clamp(within[0], 0), ends[1].clamp(0, within[1])
        self._step = affine(low.item(), high.item())[0]
        return _quantized(y, low, high)

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Set the ranges to what the activations of LR pictures [N, colors, H, W] take, outliers left out."""
        self._observed = []
        try:
            self(x)
            self.ranges.copy_(torch.tensor(self._observed))
        finally:
            self._observed = None


def names(architecture: Architecture, form: Form) -> list[str]:
    """What each of an `Int8Net`'s ranges belongs to, by layer: `0/conv`, `0/rest`, `0/act`, `1/conv`."""
    if architecture.activation == "relu":
        parts = ["act"]
    elif architecture.activation == "prelu" and form == "depthwise":
        parts = ["conv", "rest", "act"]
    else:
        parts = ["conv", "act"]
    last = len(architecture.widths) - 1
    return [f"{layer}/{part}" for layer in range(last) for part in parts] + [f"{last}/conv"]


@torch.no_grad()
def without_steep(net: PlainNet) -> PlainNet:
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


def to_8_bits(image: Tensor) -> Tensor:
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


def _held_slopes(slope: Tensor, architecture: Architecture, form: Form) -> Tensor:
    """The slopes that the form can hold."""
    if architecture.activation == "leaky":
        return slope.clamp(*LEAKY_SLOPES)
    return slope.clamp(max=1) if form == "depthwise" else slope


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
        scale, zero_point = affine(low.item(), high.item())
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
        # A quarter of the batch says where the ends should go well enough.
        part = max(1, len(x) // 4)
        x, y, gradient, within = x[:part], y[:part], gradient[:part], inside[:part]
        outside = gradient - within
        above = torch.ops.aten.threshold_backward(outside, x, high).sum()
        below = outside.sum() - above
        rounding = (within * (y - x)).sum() / (high - low)
        return inside, below - rounding, above + rounding
