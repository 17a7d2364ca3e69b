"""The edge-oriented convolution block (ECB) that is trained; `collapse` turns it into one 3×3 convolution.

Source: X. Zhang, H. Zeng, L. Zhang, "Edge-oriented Convolution Block for Real-time Super Resolution on Mobile Devices",
ACM Multimedia 2021. Parameters are named as in the original implementation, so that its checkpoints load by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .collapse import Kernel, conv1x1_then_conv3x3, conv1x1_then_edge_filter, sum_of_branches
from .layers import bias_of

SOBEL_X = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
SOBEL_Y = ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0))
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


class Conv1x1Conv3x3(nn.Module):
    """1×1 convolution to `middle` channels, then a 3×3 convolution."""

    def __init__(self, inputs: int, outputs: int, middle: int) -> None:
        super().__init__()
        first, second = nn.Conv2d(inputs, middle, 1), nn.Conv2d(middle, outputs, 3)
        self.k0, self.b0 = first.weight, bias_of(first)
        self.k1, self.b1 = second.weight, bias_of(second)

    def collapse(self) -> Kernel:
        """The 3×3 kernel that equals both convolutions."""
        return conv1x1_then_conv3x3(self.k0, self.b0, self.k1, self.b1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in, H, W] → [N, out, H, W], computed as written in the paper."""
        # Padded before the 1×1 convolution, whose bias then fills the border: this makes the collapse exact there.
        return F.conv2d(F.conv2d(F.pad(x, (1, 1, 1, 1)), self.k0, self.b0), self.k1, self.b1)


class Conv1x1Edge(nn.Module):
    """1×1 convolution, then a fixed edge filter on each channel with a learned scale and bias."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, edge: Sequence[Sequence[float]]) -> None:
        super().__init__()
        first = nn.Conv2d(inputs, outputs, 1)
        self.k0, self.b0 = first.weight, bias_of(first)
        self.scale = nn.Parameter(torch.randn(outputs, 1, 1, 1) * 1e-3)
        self.bias = nn.Parameter(torch.randn(outputs) * 1e-3)
        self.register_buffer("mask", torch.tensor(edge).expand(outputs, 1, 3, 3).clone())

    def collapse(self) -> Kernel:
        """The 3×3 kernel that equals the convolution and the filter."""
        return conv1x1_then_edge_filter(self.k0, self.b0, self.scale, self.mask, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in, H, W] → [N, out, H, W], computed as written in the paper."""
        y = F.conv2d(F.pad(x, (1, 1, 1, 1)), self.k0, self.b0)
        return F.conv2d(y, self.scale * self.mask, self.bias, groups=y.shape[1])


class ECB(nn.Module):
    """The training block: five branches and, if `identity` is set and input and output widths agree, the identity."""

    act: nn.Module
    """The activation after the block; set by the network, and missing in its last block."""

    def __init__(self, inputs: int, outputs: int, identity: bool = False, expansion: float = 2.0) -> None:
        """`expansion`: width of the 1×1–3×3 branch between its convolutions, relative to `outputs`."""
        super().__init__()
        self.identity = identity and inputs == outputs
        self.conv3x3 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv1x1_3x3 = Conv1x1Conv3x3(inputs, outputs, round(outputs * expansion))
        self.conv1x1_sbx = Conv1x1Edge(inputs, outputs, SOBEL_X)
        self.conv1x1_sby = Conv1x1Edge(inputs, outputs, SOBEL_Y)
        self.conv1x1_lpl = Conv1x1Edge(inputs, outputs, LAPLACIAN)

    @property
    def branches(self) -> tuple[Conv1x1Conv3x3 | Conv1x1Edge, ...]:
        """The branches beside the 3×3 convolution and the identity."""
        return self.conv1x1_3x3, self.conv1x1_sbx, self.conv1x1_sby, self.conv1x1_lpl

    def collapse(self) -> Kernel:
        """The one 3×3 kernel that equals all branches; differentiable."""
        plain = self.conv3x3.weight, bias_of(self.conv3x3)
        return sum_of_branches([plain, *(branch.collapse() for branch in self.branches)], self.identity)

    def forward(self, x: Tensor) -> Tensor:
        """[N, in, H, W] → [N, out, H, W] through the collapsed kernel; gradients reach every branch.

        One convolution of the images instead of nine: equal up to rounding, in about a fifth of the time.
        """
        with torch.autocast(x.device.type, enabled=False):  # the kernel is summed in full precision
            weight, bias = self.collapse()
        return F.conv2d(x, weight, bias, padding=1)

    def forward_branches(self, x: Tensor) -> Tensor:
        """The same output computed branch by branch, as written in the paper; the reference for `forward`."""
        y: Tensor = self.conv3x3(x)
        for branch in self.branches:
            y = y + branch(x)
        return y + x if self.identity else y
