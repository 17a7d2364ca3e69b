"""The collapse: every branch of an edge-oriented convolution block (ECB) as one 3×3 kernel, and their sum.

A block computes conv3×3(x) + conv3×3(conv1×1(x)) + three edge filters of conv1×1(x) (+ x). Each term is linear in x, so
all of them together equal one 3×3 convolution. The equality is exact up to rounding, at the image's border too, if the
input is zero-padded before the 1×1 convolutions: their bias then fills the padding (see `ecb`). Tests bound the
difference in float64 by 1e-12 of the largest value.

Source: X. Zhang, H. Zeng, L. Zhang, "Edge-oriented Convolution Block for Real-time Super Resolution on Mobile Devices",
ACM Multimedia 2021, section 3.2. Every function is differentiable, so that training can run on the collapsed kernel.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

Kernel = tuple[Tensor, Tensor]
"""Weight [out, in, 3, 3] and bias [out] of a 3×3 convolution."""


def conv1x1_then_conv3x3(k0: Tensor, b0: Tensor, k1: Tensor, b1: Tensor) -> Kernel:
    """A 1×1 convolution (`k0` [mid, in, 1, 1], `b0` [mid]) followed by a 3×3 one (`k1` [out, mid, 3, 3], `b1` [out]).

    weight[o, i] = Σ_m k1[o, m] · k0[m, i]; bias[o] = Σ_m b0[m] · Σ k1[o, m] + b1[o].
    """
    weight = F.conv2d(k1, k0.transpose(0, 1))
    return weight, k1.sum((2, 3)) @ b0 + b1


def conv1x1_then_edge_filter(k0: Tensor, b0: Tensor, scale: Tensor, mask: Tensor, bias: Tensor) -> Kernel:
    """A 1×1 convolution (`k0` [out, in, 1, 1], `b0` [out]) followed by an edge filter on each of its channels.

    The filter of channel o is scale[o] · mask[o] with bias[o]; `scale` is [out, 1, 1, 1], `mask` [out, 1, 3, 3] (Sobel
    or Laplacian), `bias` [out].

    weight[o, i] = scale[o] · mask[o] · k0[o, i]; bias[o] = Σ(scale[o] · mask[o]) · b0[o] + bias[o].
    """
    edge = scale * mask
    return edge * k0, edge.sum((1, 2, 3)) * b0 + bias


def identity_weight(channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The weight [channels, channels, 3, 3] that copies each channel: 1 in the center, 0 elsewhere; its bias is 0."""
    eye = torch.eye(channels, dtype=dtype, device=device)
    return F.pad(eye[:, :, None, None], (1, 1, 1, 1))


def sum_of_branches(kernels: Iterable[Kernel], identity: bool) -> Kernel:
    """One kernel that equals the sum of branches on the same input, plus the input itself where `identity` is set."""
    (weight, bias), *others = kernels
    for branch_weight, branch_bias in others:
        weight, bias = weight + branch_weight, bias + branch_bias
    if identity:
        weight = weight + identity_weight(weight.shape[0], weight.dtype, weight.device)
    return weight, bias
