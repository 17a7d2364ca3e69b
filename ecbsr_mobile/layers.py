"""Layers that the training network and the plain network share: the activations, and typed access to a bias."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .architecture import Activation


def activation_layer(activation: Activation, channels: int) -> nn.Module:
    """The activation layer that follows a convolution with `channels` output channels."""
    match activation:
        case "prelu":
            return PReLU(channels)
        case "leaky":
            return nn.PReLU(1)
        case "relu":
            return nn.ReLU()


class PReLU(nn.PReLU):
    """PReLU with one slope per channel and a fast gradient on CPUs (PyTorch's takes a third of a training step)."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, H, W]; fastest in channels_last."""
        return prelu(x, self.weight)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """PReLU of [N, C, H, W] with slopes [C]."""
    if torch.is_grad_enabled() and x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last):
        return cast(Tensor, _PReLU.apply(x, slope))
    return F.prelu(x, slope)


class _PReLU(torch.autograd.Function):
    # Width and channels are one long dimension here, because broadcasting over 16 channels is slow.

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1).flatten(2).flatten(0, 1)
        slopes = slope.to(x.dtype).repeat(x.shape[3])
        negative = rows.clamp_max(0)
        ctx.save_for_backward(rows, negative, slopes)
        n, c, h, w = x.shape
        return torch.addcmul(rows, negative, slopes - 1).view(n, h, w, c).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        rows, negative, slopes = ctx.saved_tensors
        n, c, h, w = gradients[0].shape
        gradient = gradients[0].permute(0, 2, 3, 1).reshape(n * h, w * c)
        to_slope = (gradient * negative).sum(0, dtype=torch.float32).view(w, c).sum(0)
        positive = torch.ops.aten.threshold_backward(gradient, rows, 0)
        to_input = torch.addcmul(gradient * slopes, positive, 1 - slopes)
        return to_input.view(n, h, w, c).permute(0, 3, 1, 2), to_slope


def bias_of(conv: nn.Conv2d) -> nn.Parameter:
    """The bias of a convolution that has one."""
    return cast(nn.Parameter, conv.bias)
