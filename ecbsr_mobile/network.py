"""ECBSR, the network that is trained, and the plain network that it collapses to and that is deployed.

Source of the architecture: X. Zhang, H. Zeng, L. Zhang, "Edge-oriented Convolution Block for Real-time Super Resolution
on Mobile Devices", ACM Multimedia 2021. Tensors are NCHW float with values in [0, 1].
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .architecture import Activation, Architecture, PReLUDecomposition
from .ecb import ECB
from .layers import activation_layer, bias_of

Layer = tuple[Tensor, Tensor, Tensor | None]
"""Kernel [out, in, 3, 3], bias [out], and the slopes of the PReLU that follows ([out] or [1]).

Without slopes, a ReLU follows, and nothing after the last layer.
"""


class ECBSR(nn.Module):
    """The training network: ECB blocks with activations between them, a residual, and pixel shuffle."""

    def __init__(
        self,
        blocks: int = 4,
        channels: int = 16,
        scale: int = 2,
        colors: int = 1,
        activation: Activation = "prelu",
        identity: bool = False,
        expansion: float = 2.0,
    ) -> None:
        """See `Architecture`; `identity` and `expansion` are those of each `ECB`."""
        super().__init__()
        self.architecture = Architecture(blocks, channels, scale, colors, activation)
        self.identity = identity
        self.expansion = expansion
        self.backbone = nn.ModuleList(ECB(i, o, identity, expansion) for i, o in self.architecture.widths)
        for block in self.blocks[:-1]:
            block.act = activation_layer(activation, channels)

    def layers(self) -> list[Layer]:
        """The collapsed layers from first to last; gradients pass through them to the branches."""
        return [(*block.collapse(), getattr(getattr(block, "act", None), "weight", None)) for block in self.blocks]

    @property
    def blocks(self) -> list[ECB]:
        """The blocks from first to last; all but the last have an activation."""
        return cast(list[ECB], list(self.backbone))

    def forward(self, x: Tensor) -> Tensor:
        """LR [N, colors, H, W] → SR [N, colors, scale·H, scale·W], through the collapsed kernels."""
        y = x
        for block in self.blocks[:-1]:
            y = block.act(block(y))
        return with_residual(self.blocks[-1](y), x, self.architecture.scale)

    @torch.no_grad()
    def start_from(self, plain: PlainNet) -> None:
        """Change the weights so that this network computes what `plain` does.

        Only each block's 3×3 branch changes, by the difference between both kernels. A narrower `plain` becomes the
        first channels; the others keep their weights, but nothing of `plain` depends on them. Where `plain` has fewer
        blocks, the additional ones pass these channels on (Net2Net, T. Chen et al., 2016). Blocks that do not fit (the
        last one, if the scale differs) keep their weights.
        """
        *layers, last = plain.layers()
        additional = len(self.blocks) - len(plain.convolutions)
        layers += additional * [_identity(*layers[-1])]
        for block, layer in zip(self.blocks[:-1], layers, strict=False):
            _start_block(block, layer, plain.architecture.activation == self.architecture.activation)
        if additional >= 0 and len(last[0]) == len(self.blocks[-1].conv3x3.weight):
            _start_block(self.blocks[-1], last, with_slopes=False)

    @torch.no_grad()
    def collapse(self) -> PlainNet:
        """The plain network with the same output; the kernels are summed in float64 (see the module `collapse`)."""
        dtype = next(self.parameters()).dtype
        plain = PlainNet(self.architecture).to(dtype)
        exact = deepcopy(self).cpu().double()
        for block, conv in zip(exact.blocks, plain.convolutions, strict=True):
            weight, bias = block.collapse()
            conv.weight.copy_(weight)
            bias_of(conv).copy_(bias)
        for block, act in zip(self.blocks[:-1], plain.acts, strict=True):
            act.load_state_dict(block.act.state_dict())
        return plain.requires_grad_(False).eval()


def _identity(weight: Tensor, bias: Tensor, slopes: Tensor | None) -> Layer:
    """A layer that returns its input, with as many channels as this layer has outputs.

    Its input is that of an activation before it: without slopes (ReLU), no value is negative.
    """
    identity = weight.new_zeros(len(weight), len(weight), *weight.shape[2:])
    nn.init.dirac_(identity)
    return identity, torch.zeros_like(bias), None if slopes is None else torch.ones_like(slopes)


def _start_block(block: ECB, layer: Layer, with_slopes: bool) -> None:
    """Let the first channels of a block compute `layer`, if it has no more channels than the block."""
    weight, bias, slopes = layer
    old_weight, old_bias = block.collapse()
    outputs, inputs = weight.shape[:2]
    if outputs > len(old_weight) or inputs > len(old_weight[0]):
        return
    block.conv3x3.weight[:outputs] -= old_weight[:outputs]
    block.conv3x3.weight[:outputs, :inputs] += weight
    bias_of(block.conv3x3)[:outputs] += bias - old_bias[:outputs]
    if with_slopes and slopes is not None:
        cast(nn.PReLU, block.act).weight[: len(slopes)] = slopes


class PlainNet(nn.Module):
    """The deploy network: 3×3 convolutions with activations, a residual (if it has one), and pixel shuffle.

    `int8` has the weights of the same network after quantization-aware training, if its file has them.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in architecture.widths)
        self.acts = nn.ModuleList(
            activation_layer(architecture.activation, architecture.channels) for _ in architecture.widths[:-1]
        )
        self.int8: dict[PReLUDecomposition, Int8Weights] = {}

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """The 3×3 convolutions from first to last."""
        return cast(list[nn.Conv2d], list(self.convs))

    def layers(self) -> list[Layer]:
        """The layers from first to last."""
        slopes = [*(getattr(act, "weight", None) for act in self.acts), None]
        return [(c.weight, bias_of(c), slope) for c, slope in zip(self.convolutions, slopes, strict=True)]

    @property
    def name(self) -> str:
        """The model's name, such as `ecbsr-m4c16-x2`."""
        return self.architecture.name

    @property
    def parameters_count(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        """LR [N, colors, H, W] → SR [N, colors, scale·H, scale·W]."""
        y = x
        for conv, act in zip(self.convolutions[:-1], self.acts, strict=True):
            y = act(conv(y))
        y = self.convolutions[-1](y)
        scale = self.architecture.scale
        return with_residual(y, x, scale) if self.architecture.residual else F.pixel_shuffle(y, scale)

    @torch.no_grad()
    def with_value_range(self, value_range: float) -> PlainNet:
        """This network, changed in place from values in [0, `value_range`] to values in [0, 1].

        Convolution, PReLU and ReLU are homogeneous, so only the biases change.
        """
        for conv in self.convolutions:
            bias_of(conv).div_(value_range)
        return self


@dataclass(frozen=True, eq=False)
class Int8Weights:
    """The result of quantization-aware training.

    `net` has the weights (float, not rounded), and `ranges` [n, 2] the minimum and maximum of each activation, in the
    order of `quantization.fake_quant.activation_names`. `channel_ranges` [layers, channels, 2] are those of each
    channel before its PReLU; only the decomposition "double" has them.
    """

    decomposition: PReLUDecomposition
    net: PlainNet
    ranges: Tensor
    channel_ranges: Tensor | None = None


def with_residual(y: Tensor, x: Tensor, scale: int) -> Tensor:
    """Add the input [N, C, H, W] to every sub-pixel [N, C·scale², H, W] of its color, then shuffle them into pixels."""
    return F.pixel_shuffle(y + x.repeat_interleave(scale**2, dim=1), scale)
