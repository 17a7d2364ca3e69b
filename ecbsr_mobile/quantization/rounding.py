"""Rounding with gradients: the operations of which fake quantization is built.

Values get the gradient of the straight-through estimator, as if they had not been rounded. The minimum and maximum of a
range get a gradient from the rounding and clipping error that they cause (S. Esser et al., "Learned Step Size
Quantization", ICLR 2020; for both limits, as in Y. Bhalgat et al., "LSQ+", 2020).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from .qparams import scale_and_zero_point

Limits = tuple[Tensor, Tensor]
"""The minimum and the maximum of a range that contains 0, 0-dimensional."""


def scale_of(limits: Limits) -> float:
    """The int8 scale of a range (minimum, maximum)."""
    return scale_and_zero_point(limits[0].item(), limits[1].item())[0]


def round_straight_through(value: Tensor, scale: Tensor) -> Tensor:
    """`value` rounded to multiples of `scale`, not clipped."""
    return value + (torch.round(value / scale) * scale - value).detach()


def fake_quantize(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`x`, of any shape, clipped and rounded to the 256 int8 values of the range [low, high].

    `low` and `high` are 0-dimensional and get gradients; the range must contain 0.
    """
    return cast(Tensor, _FakeQuantize.apply(x, low, high))


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        scale, zero_point = scale_and_zero_point(low.item(), high.item())
        y = torch.round(x / scale).clamp_(-128 - zero_point, 127 - zero_point).mul_(scale)
        ctx.save_for_backward(x, y)
        ctx.scale, ctx.limits = scale, ((-128 - zero_point) * scale, (127 - zero_point) * scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        (gradient,), (x, y) = gradients, ctx.saved_tensors
        (low, high), half = ctx.limits, ctx.scale / 2
        inside = torch.ops.aten.hardtanh_backward(gradient, x, low - half, high + half)
        if not any(ctx.needs_input_grad[1:]):
            return inside, None, None
        outside = gradient - inside
        above = torch.ops.aten.threshold_backward(outside, x, high).sum()
        below = outside.sum() - above
        rounding = (inside * (y - x)).sum() / (high - low)
        return inside, below - rounding, above + rounding


def round_channel_ranges(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Channel ranges, each [C], whose minimum is a multiple of a 127th of their scale; the gradients pass through.

    The depthwise convolutions of "double" add multiples of it, so their int32 biases are then exact.
    """
    scale = (high - low).detach() / 255
    change = round_straight_through(low, scale / 127).detach() - low.detach()
    return low + change, high + change


def fake_quantize_channels(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Each channel of `x` [N, C, H, W], in channels_last, clipped and rounded to 256 values from `low` to `high` [C].

    Zero need not be one of them.
    """
    return cast(Tensor, _FakeQuantizeChannels.apply(x, low, high))


class _FakeQuantizeChannels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        rows = _rows(x)
        scale = (high - low) / 255
        first, last, step = (value.repeat(x.shape[3]) for value in (low, high, scale))
        integers = rows.sub(first).div_(step).round_().clamp_(0, 255)
        y = torch.addcmul(first, integers, step)
        ctx.save_for_backward(rows, y, first, last, step)
        return _image(y, x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, y, first, last, step = ctx.saved_tensors
        shape, gradient = gradients[0].shape, _rows(gradients[0])
        below, above = rows < first - step / 2, rows > last + step / 2
        inside = gradient.masked_fill(below | above, 0)
        rounding = (y - rows).mul_(inside).sum(0) / (last - first)
        below_sum, above_sum = ((gradient * side).sum(0) for side in (below, above))
        to_low, to_high = (value.view(-1, shape[1]).sum(0) for value in (below_sum - rounding, above_sum + rounding))
        return _image(inside, shape), to_low, to_high


def double_prelu(x: Tensor, slope: Tensor, addend: Limits, linear: Limits, out: Limits) -> Tensor:
    """PReLU of `x` [N, C, H, W], in channels_last, as int8 computes relu((1 - slope)·x) + slope·x.

    Both addends are rounded to 256 values of their ranges, then their sum is. `slope` [C] must be at most 1. `x`,
    `slope` and the limits of `out` get gradients.
    """
    return cast(Tensor, _DoublePReLU.apply(x, slope, *out, addend, linear))


class _DoublePReLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, slope: Tensor, low: Tensor, high: Tensor, addend: Limits, linear: Limits
    ) -> Tensor:
        rows, slopes = _rows(x), slope.repeat(x.shape[3])
        total = (rows * (1 - slopes)).clamp_(min=0)
        _fake_quantize_in_place(total, addend)
        total += _fake_quantize_in_place(rows * slopes, linear)
        scale, zero_point = scale_and_zero_point(low.item(), high.item())
        limits = (-128 - zero_point) * scale, (127 - zero_point) * scale
        y = _fake_quantize_in_place(total.clone(), (low, high))
        ctx.save_for_backward(rows, slopes, total, y)
        ctx.scale, ctx.limits = scale, limits
        return _image(y, x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, slopes, total, y = ctx.saved_tensors
        (low, high), half, shape = ctx.limits, ctx.scale / 2, gradients[0].shape
        gradient = _rows(gradients[0])
        inside = torch.ops.aten.hardtanh_backward(gradient, total, low - half, high + half)
        outside = gradient - inside
        above = torch.ops.aten.threshold_backward(outside, total, high).sum()
        below = outside.sum() - above
        negative = rows.clamp(max=0)
        exact = torch.addcmul(rows, negative, slopes - 1)
        rounding = (inside * exact.sub_(y).neg_()).sum() / (high - low)
        to_slope = (inside * negative).sum(0).view(-1, shape[1]).sum(0)
        positive = torch.ops.aten.threshold_backward(inside, rows, 0)
        to_x = torch.addcmul(inside * slopes, positive, 1 - slopes)
        return _image(to_x, shape), to_slope, below - rounding, above + rounding, None, None


def _fake_quantize_in_place(x: Tensor, limits: Limits) -> Tensor:
    scale, zero_point = scale_and_zero_point(limits[0].item(), limits[1].item())
    return x.div_(scale).round_().clamp_(-128 - zero_point, 127 - zero_point).mul_(scale)


def _rows(x: Tensor) -> Tensor:
    """[N, C, H, W] in channels_last as [N·H, W·C]: broadcasting over few channels is slow."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n * h, w * c)


def _image(rows: Tensor, shape: torch.Size) -> Tensor:
    n, c, h, w = shape
    return rows.view(n, h, w, c).permute(0, 3, 1, 2)


def fake_quantize_to_batch(x: Tensor) -> Tensor:
    """`x` [N, C, H, W] rounded to 256 values between its own minimum and maximum.

    Both are those of the first four crops, which represent the batch.
    """
    return cast(Tensor, _FakeQuantizeToBatch.apply(x))


class _FakeQuantizeToBatch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        sample = x[:4].permute(0, 2, 3, 1).reshape(-1)
        extremes = torch.stack([sample.argmax(), sample.argmin()])
        high, low = sample[extremes].unbind()
        scale = (high - low) / 255 + 1e-12
        integers = x / scale
        error = torch.round(integers).sub_(integers)
        ctx.save_for_backward(error, extremes)
        return torch.addcmul(x, scale, error)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,), (error, extremes) = gradients, ctx.saved_tensors
        to_scale = (gradient * error).sum() / 255
        gradient = gradient.clone(memory_format=torch.channels_last)
        sample = gradient[:4].permute(0, 2, 3, 1).view(-1)
        sample.index_add_(0, extremes, torch.stack([to_scale, -to_scale]))
        return gradient
