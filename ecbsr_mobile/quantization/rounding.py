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


def scale_of(limits: tuple[Tensor, Tensor]) -> float:
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
