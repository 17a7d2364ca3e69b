"""Fake quantization in PyTorch: values rounded as int8 rounds them, with gradients that pass through the rounding.

`FakeQuantNet` simulates the int8 network that `export.quantize` writes: 8-bit activations with learned ranges, 8-bit
weights per output channel, PReLU as the target computes it. It is what quantization-aware training trains. Its result
equals that of the `.tflite` file.

`forward_fake_quant` only makes a float network robust: it quantizes activations to the range that they have in the
batch, and leaves the weights alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..architecture import Architecture, PReLUDecomposition
from ..layers import bias_of, prelu
from ..network import ECBSR, Int8Weights, PlainNet, with_residual
from .channel_scales import ChannelStatistics, channel_statistics, equalize_for_double, equalize_relu
from .qparams import (
    IMAGE_RANGE,
    LEAKY_SLOPES,
    RESIDUAL_RANGE,
    align_activation_ranges,
    align_addend_max,
    double_ranges,
    scale_and_zero_point,
)
from .rounding import (
    double_prelu,
    fake_quantize,
    fake_quantize_channels,
    fake_quantize_to_batch,
    round_channel_ranges,
    round_straight_through,
    scale_of,
)

PERCENTILE = 99.99
"""Share of each channel's values, in percent, that the range of an activation contains when training starts."""

_IMAGE_SCALE = 1 / 255

_Range = tuple[Tensor, Tensor]
_Quantized = tuple[Tensor, float]
"""Real values [N, C, H, W], multiples of a quantization scale, and that scale."""


def activation_names(architecture: Architecture, decomposition: PReLUDecomposition) -> list[str]:
    """The activations of an int8 network in the order in which they are computed: `0/conv`, `0/act`, `1/conv`, ...

    `conv` is a convolution's result, `act` the activation function's, and `addend` relu((slope - 1)·x). In "double",
    each channel of the convolution has its own range (`Int8Weights.channel_ranges`); those of the addends follow from
    `act` (`qparams.double_ranges`).
    """
    if architecture.activation == "relu" or _is_double(architecture, decomposition):
        parts = ["act"]
    elif _is_single(architecture, decomposition):
        parts = ["conv", "addend", "act"]
    else:
        parts = ["conv", "act"]
    return [f"{layer}/{part}" for layer in range(len(architecture.widths) - 1) for part in parts]


class FakeQuantNet(nn.Module):
    """An int8 network simulated in real values; image and result are in [0, 1].

    `ranges` [n, 2] holds the minimum and maximum of each activation (see `activation_names`), before scales are aligned
    (see `qparams`). The image and the result have the fixed scale 1/255, and so has the residual.
    """

    def __init__(
        self,
        net: ECBSR | PlainNet,
        decomposition: PReLUDecomposition = "single",
        ranges: Tensor | None = None,
        channel_ranges: Tensor | None = None,
    ) -> None:
        """Wrap `net`, which is trained in place.

        Args:
            net: its PReLU slopes must be at most 1 but for "native": see `fold_steep_slopes`.
            decomposition: how PReLU is computed.
            ranges: [n, 2]; if None, call `observe` before the first step.
            channel_ranges: [layers, channels, 2], for "double"; None likewise.

        Raises:
            ValueError: `ranges` or `channel_ranges` has another shape.
        """
        super().__init__()
        self.net, self.decomposition = net, decomposition
        count = len(activation_names(net.architecture, decomposition))
        start = torch.tensor([[-1.0, 1.0]]).repeat(count, 1) if ranges is None else ranges.clone()
        if start.shape != (count, 2):
            raise ValueError(f"{tuple(start.shape)} ranges do not fit {count} activations")
        self.ranges = nn.Parameter(start)
        self.channel_ranges: nn.Parameter | None = None
        if _is_double(net.architecture, decomposition):
            shape = (len(net.architecture.widths) - 1, net.architecture.channels, 2)
            channels = torch.tensor([-1.0, 1.0]).expand(shape) if channel_ranges is None else channel_ranges
            if channels.shape != shape:
                raise ValueError(f"{tuple(channels.shape)} channel ranges do not fit {shape[0]} x {shape[1]} channels")
            self.channel_ranges = nn.Parameter(channels.clone())

    @property
    def architecture(self) -> Architecture:
        """The architecture of the wrapped network."""
        return self.net.architecture

    def weights(self) -> Int8Weights:
        """The weights and ranges from which a `.tflite` file with the same result can be written."""
        plain = self.net.collapse() if isinstance(self.net, ECBSR) else deepcopy(self.net)
        for _, _, slope in plain.layers():
            if slope is not None:
                slope.data = self._clamped_slopes(slope.detach())
        channels = None
        if self.channel_ranges is not None:
            channels = torch.stack(round_channel_ranges(*self.channel_ranges.detach().unbind(2)), 2)
        return Int8Weights(
            self.decomposition, plain.requires_grad_(False).eval(), self.ranges.detach().clone(), channels
        )

    def forward(self, x: Tensor) -> Tensor:
        """LR [N, colors, H, W] → SR [N, colors, scale·H, scale·W], each value a multiple of 1/255 in [0, 1]."""
        return self._run(x, _FakeQuantizer())

    @torch.no_grad()
    def observe(self, *images: Tensor) -> None:
        """Set the ranges to those of the activations for LR images, each [N, colors, H, W], without outliers.

        In "double", and without PReLU slopes, the channels of the network are scaled as well (see `channel_scales`); it
        computes the same.
        """
        if self.channel_ranges is None and self.architecture.activation != "relu":
            ranges = []
            for image in images:
                observer = _Observer()
                self._run(image, observer)
                ranges.append(torch.tensor(observer.ranges))
            low, high = torch.stack(ranges).unbind(2)
            self.ranges.copy_(torch.stack([low.amin(0), high.amax(0)], 1))
            return
        self.equalize(channel_statistics(self._plain(), images))

    @torch.no_grad()
    def equalize(self, statistics: Sequence[ChannelStatistics], **choices: float) -> None:
        """Scale the channels of a network in "double", or without PReLU slopes, and set its ranges.

        Args:
            statistics: of this network, on typical images.
            **choices: see `channel_scales.equalize_for_double` and `equalize_relu`.
        """
        if self.channel_ranges is None:
            self.ranges.copy_(torch.tensor(equalize_relu(self._plain(), statistics, **choices)))
            return
        layers = equalize_for_double(self._plain(), statistics, **choices)
        self.ranges.copy_(torch.tensor([layer.act for layer in layers]))
        self.channel_ranges.copy_(torch.stack([layer.channel_ranges for layer in layers]))

    def _plain(self) -> PlainNet:
        assert isinstance(self.net, PlainNet)
        return self.net

    def _run(self, x: Tensor, quantizer: _Quantizer) -> Tensor:
        ranges, channels = iter(self.ranges), iter([] if self.channel_ranges is None else self.channel_ranges)
        image = fake_quantize(x, *x.new_tensor(IMAGE_RANGE))
        y: _Quantized = image, _IMAGE_SCALE
        *inner, (weight, bias, _) = self.net.layers()
        for inner_weight, inner_bias, slope in inner:
            if self.channel_ranges is None:
                y = self._activated(_conv(y, inner_weight, inner_bias), slope, ranges, quantizer)
            else:
                assert slope is not None
                low, high = round_channel_ranges(*next(channels).unbind(1))
                conv = fake_quantize_channels(_conv(y, inner_weight, inner_bias, low), low, high)
                act = _including_0(next(ranges))
                y = double_prelu(conv, self._clamped_slopes(slope), *double_ranges(act), act), scale_of(act)
        last = _conv(y, weight, bias)
        if not self.architecture.residual:
            return F.pixel_shuffle(fake_quantize(last, *x.new_tensor(IMAGE_RANGE)), self.architecture.scale)
        residual = fake_quantize(last, *x.new_tensor(RESIDUAL_RANGE))
        return fake_quantize(with_residual(residual, image, self.architecture.scale), *x.new_tensor(IMAGE_RANGE))

    def _activated(
        self, conv: Tensor, slope: Tensor | None, ranges: Iterator[Tensor], quantizer: _Quantizer
    ) -> _Quantized:
        """The quantized activation function of a convolution's result, which is quantized first."""
        if slope is None:
            _, high = _including_0(next(ranges))
            return quantizer.quantize(conv, (torch.zeros_like(high), high), minimum=0.0)
        slope, has_addend = self._clamped_slopes(slope), _is_single(self.architecture, self.decomposition)
        conv_range = _including_0(next(ranges))
        addend_range = _including_0(next(ranges)) if has_addend else None
        act_range = _including_0(next(ranges))
        conv_range, act_range = align_activation_ranges(conv_range, act_range, summed=has_addend)
        y, scale = quantizer.quantize(conv, conv_range)
        if addend_range is not None:
            low, high = addend_range
            addend_range = torch.zeros_like(low), align_addend_max(high, act_range)
            addend, _ = quantizer.quantize(prelu(y, slope) - y, addend_range, minimum=0.0)
            return quantizer.quantize(y + addend, act_range)
        if self.architecture.activation == "leaky":
            return quantizer.quantize(quantizer.leaky_relu((y, scale), slope, act_range), act_range)
        return quantizer.quantize(prelu(y, _rounded_slopes(slope)), act_range)

    def _clamped_slopes(self, slope: Tensor) -> Tensor:
        """The slopes, limited to those that an int8 graph can compute."""
        if self.architecture.activation == "leaky":
            return slope.clamp(*LEAKY_SLOPES)
        return slope if self.decomposition == "native" else slope.clamp(max=1)


class _Quantizer(Protocol):
    """What happens to each activation on its way through the network."""

    def quantize(self, y: Tensor, limits: _Range, minimum: float = -torch.inf) -> _Quantized:
        """The activation `y`, clipped below at `minimum`, for the range `limits`; with its quantization scale."""
        ...

    def leaky_relu(self, y: _Quantized, slope: Tensor, out_range: _Range) -> Tensor:
        """LEAKY_RELU with one slope [1], before its result is quantized to `out_range`."""
        ...


class _FakeQuantizer:
    """Rounds every activation to the 256 values of its range."""

    def quantize(self, y: Tensor, limits: _Range, minimum: float = -torch.inf) -> _Quantized:
        # The range of a limited activation begins at its minimum, so that clipping to the range is enough.
        return fake_quantize(y, *limits), scale_of(limits)

    def leaky_relu(self, y: _Quantized, slope: Tensor, out_range: _Range) -> Tensor:
        """Computed as XNNPACK does: both factors from input to output integers are rounded to multiples of 1/256."""
        values, scale = y
        ratio = 256 * scale / scale_of(out_range)
        positive = round(ratio) / ratio
        negative = round_straight_through(slope, slope.new_tensor(1 / ratio))
        return prelu(values, (negative / positive).expand(values.shape[1])) * positive


class _Observer:
    """Rounds nothing, and records the range of each activation."""

    def __init__(self) -> None:
        self.ranges: list[tuple[float, float]] = []

    def quantize(self, y: Tensor, limits: _Range, minimum: float = -torch.inf) -> _Quantized:
        y = y.clamp(minimum)
        self.ranges.append(_range_without_outliers(y))
        return y, scale_and_zero_point(*self.ranges[-1])[0]

    def leaky_relu(self, y: _Quantized, slope: Tensor, out_range: _Range) -> Tensor:
        return prelu(y[0], slope.expand(y[0].shape[1]))


@torch.no_grad()
def fold_steep_slopes(net: PlainNet) -> PlainNet:
    """An equal network without PReLU slopes above 1, for which neither decomposition is PReLU.

    prelu(x, a) = -a · prelu(-x, 1/a) for a > 1: the convolution before takes the factor -a, the next one the sign.
    """
    plain = PlainNet(net.architecture)
    plain.load_state_dict(net.state_dict())
    if net.architecture.activation != "prelu":
        return plain
    for layer, (conv, following) in enumerate(zip(plain.convolutions, plain.convolutions[1:], strict=False)):
        slope = cast(Tensor, plain.acts[layer].weight)
        factors = torch.where(slope > 1, -slope, 1.0)
        conv.weight *= factors[:, None, None, None]
        bias_of(conv).mul_(factors)
        following.weight *= factors.sign()[:, None, None]
        slope.copy_(torch.where(slope > 1, 1 / slope, slope))
    return plain


def round_to_8_bits(image: Tensor) -> Tensor:
    """An image in [0, 1] as an int8 network receives it: rounded to multiples of 1/255."""
    return torch.round(image * 255) / 255


def forward_fake_quant(net: ECBSR | PlainNet, x: Tensor) -> Tensor:
    """`net(x)` with every activation rounded to 256 values between its minimum and maximum in the batch.

    PReLU is computed as x + relu((slope - 1)·x) with both parts rounded, a ReLU belongs to its convolution. The range
    gets a gradient from the rounding error that it causes, so that training makes ranges small.
    """
    with torch.autocast(x.device.type, enabled=False):  # kernels are summed in full precision
        *inner, (weight, bias, _) = net.layers()
    y = x
    for inner_weight, inner_bias, slope in inner:
        y = F.conv2d(y, inner_weight, inner_bias, padding=1)
        if slope is None:
            y = fake_quantize_to_batch(F.relu(y))
            continue
        y = fake_quantize_to_batch(y)
        active = prelu(y, slope.expand(y.shape[1]))
        y = fake_quantize_to_batch(active if len(slope) == 1 else y + fake_quantize_to_batch(active - y))
    residual = fake_quantize_to_batch(F.conv2d(y, weight, bias, padding=1))
    return with_residual(residual, x, net.architecture.scale)


def _is_single(architecture: Architecture, decomposition: PReLUDecomposition) -> bool:
    return decomposition == "single" and architecture.activation == "prelu"


def _is_double(architecture: Architecture, decomposition: PReLUDecomposition) -> bool:
    return decomposition == "double" and architecture.activation == "prelu"


def _conv(y: _Quantized, weight: Tensor, bias: Tensor, offset: Tensor | float = 0.0) -> Tensor:
    """The convolution with int8 weights (one scale per output channel) and int32 biases, in channels_last.

    `offset` [C] is the value that the integer -128 of the result stands for, where that is not 0.
    """
    values, scale = y
    weight_scale = weight.detach().abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
    weight = round_straight_through(weight, weight_scale)
    bias = offset + round_straight_through(bias - offset, weight_scale.flatten() * scale)
    return F.conv2d(values, weight, bias, padding=1).contiguous(memory_format=torch.channels_last)


def _rounded_slopes(slope: Tensor) -> Tensor:
    return round_straight_through(slope, slope.detach().abs().max().clamp(min=1e-6) / 127)


def _including_0(limits: Tensor) -> _Range:
    return limits[0].clamp(max=0), limits[1].clamp(min=0)


def _range_without_outliers(y: Tensor) -> tuple[float, float]:
    """The range that contains every channel's range without its rarest values (see `PERCENTILE`), and 0."""
    channels = y.transpose(0, 1).flatten(1)
    rare = max(1, round(channels.shape[1] * (1 - PERCENTILE / 100)))
    low = channels.topk(rare, largest=False).values[:, -1].min()
    high = channels.topk(rare).values[:, -1].max()
    return min(float(low), 0.0), max(float(high), 0.0)
