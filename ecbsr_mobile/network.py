"""The edge-oriented convolution block, the network built of it, and the plain network it collapses to.

Source of the architecture: X. Zhang, H. Zeng, L. Zhang, "Edge-oriented Convolution Block for Real-time
Super Resolution on Mobile Devices", ACM Multimedia 2021. Tensors are NCHW float, values in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import UsageError

if TYPE_CHECKING:
    from .quantization.fake_quant import Int8Weights, PReLUDecomposition

Activation = Literal["prelu", "relu", "leaky"]
"""`prelu`: one learned slope per channel; `leaky`: one learned slope per layer; `relu`: none."""

SOBEL_X = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
SOBEL_Y = ((1.0, 2.0, 1.0), (0.0, 0.0, 0.0), (-1.0, -2.0, -1.0))
LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True)
class Architecture:
    """What a network of this family is, apart from its weights.

    `blocks` counts the blocks between the first and the last, so a plain network has `blocks` + 2
    convolutions. `colors` is 1 (luma) or 3 (RGB).
    """

    blocks: int = 4
    channels: int = 16
    scale: int = 2
    colors: int = 1
    activation: Activation = "prelu"

    def __post_init__(self) -> None:
        if self.blocks < 0 or self.channels < 1:
            raise UsageError(f"a network of {self.blocks} blocks and {self.channels} channels cannot be built")
        if self.scale not in (2, 3, 4):
            raise UsageError(f"scale {self.scale} is not supported; use 2, 3 or 4")
        if self.colors not in (1, 3):
            raise UsageError(f"{self.colors} colour channels are not supported; use 1 (luma) or 3 (RGB)")
        if self.activation not in get_args(Activation):
            raise UsageError(
                f"activation {self.activation!r} is not known; use one of {', '.join(get_args(Activation))}"
            )

    @property
    def name(self) -> str:
        """`ecbsr-m4c16-x2`; three colours and an activation other than PReLU are part of it."""
        parts = [f"ecbsr-m{self.blocks}c{self.channels}"]
        if self.colors == 3:
            parts.append("rgb")
        if self.activation != "prelu":
            parts.append(self.activation)
        return "-".join([*parts, f"x{self.scale}"])

    @property
    def widths(self) -> list[tuple[int, int]]:
        """(input, output) channels of each 3×3 convolution, first to last."""
        inner = [(self.channels, self.channels)] * self.blocks
        return [(self.colors, self.channels), *inner, (self.channels, self.colors * self.scale**2)]

    @property
    def radius(self) -> int:
        """How many LR pixels away an input pixel can still change an output pixel."""
        return len(self.widths)

    @property
    def multiplications(self) -> int:
        """Multiply-accumulate operations of the convolutions per LR pixel."""
        return sum(9 * inputs * outputs for inputs, outputs in self.widths)


Layer = tuple[Tensor, Tensor, Tensor | None]
"""Kernel [out, in, 3, 3], bias [out], and the slopes of the PReLU behind them ([out] or [1]), if any."""


class ConvThenConv(nn.Module):
    """1×1 convolution to `middle` channels, then a 3×3 convolution."""

    def __init__(self, inputs: int, outputs: int, middle: int) -> None:
        super().__init__()
        first, second = nn.Conv2d(inputs, middle, 1), nn.Conv2d(middle, outputs, 3)
        self.k0, self.b0 = first.weight, _bias(first)
        self.k1, self.b1 = second.weight, _bias(second)

    def collapse(self) -> tuple[Tensor, Tensor]:
        """The 3×3 kernel [out, in, 3, 3] and bias [out] that equal the two convolutions."""
        weight = F.conv2d(self.k1, self.k0.transpose(0, 1))
        return weight, self.k1.sum((2, 3)) @ self.b0 + self.b1

    def forward(self, x: Tensor) -> Tensor:
        """[N, in, H, W] → [N, out, H, W], computed as written in the paper."""
        # Padding before the 1×1 puts its bias into the border, which is what makes the collapse exact there.
        return F.conv2d(F.conv2d(F.pad(x, (1, 1, 1, 1)), self.k0, self.b0), self.k1, self.b1)


class ConvThenEdge(nn.Module):
    """1×1 convolution, then a fixed edge filter on each channel with a learned scale and bias."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, edge: Sequence[Sequence[float]]) -> None:
        super().__init__()
        first = nn.Conv2d(inputs, outputs, 1)
        self.k0, self.b0 = first.weight, _bias(first)
        self.scale = nn.Parameter(torch.randn(outputs, 1, 1, 1) * 1e-3)
        self.bias = nn.Parameter(torch.randn(outputs) * 1e-3)
        self.register_buffer("mask", torch.tensor(edge).expand(outputs, 1, 3, 3).clone())

    def collapse(self) -> tuple[Tensor, Tensor]:
        """The 3×3 kernel [out, in, 3, 3] and bias [out] that equal the convolution and the filter."""
        edge = self.scale * self.mask
        return edge * self.k0, edge.sum((1, 2, 3)) * self.b0 + self.bias

    def forward(self, x: Tensor) -> Tensor:
        """[N, in, H, W] → [N, out, H, W], computed as written in the paper."""
        y = F.conv2d(F.pad(x, (1, 1, 1, 1)), self.k0, self.b0)
        return F.conv2d(y, self.scale * self.mask, self.bias, groups=y.shape[1])


class ECB(nn.Module):
    """The training block: five branches and, where asked for and the widths allow it, the identity.

    Parameters are named as in the original implementation, so that its checkpoints load by name.
    """

    act: nn.Module
    """The activation behind the block, where the network gives it one."""

    def __init__(self, inputs: int, outputs: int, identity: bool = False, expansion: float = 2.0) -> None:
        super().__init__()
        self.identity = identity and inputs == outputs
        self.conv3x3 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv1x1_3x3 = ConvThenConv(inputs, outputs, round(outputs * expansion))
        self.conv1x1_sbx = ConvThenEdge(inputs, outputs, SOBEL_X)
        self.conv1x1_sby = ConvThenEdge(inputs, outputs, SOBEL_Y)
        self.conv1x1_lpl = ConvThenEdge(inputs, outputs, LAPLACIAN)

    def collapse(self) -> tuple[Tensor, Tensor]:
        """The one kernel [out, in, 3, 3] and bias [out] that equal all branches; differentiable."""
        weight: Tensor = self.conv3x3.weight
        bias: Tensor = _bias(self.conv3x3)
        for branch in (self.conv1x1_3x3, self.conv1x1_sbx, self.conv1x1_sby, self.conv1x1_lpl):
            branch_weight, branch_bias = branch.collapse()
            weight, bias = weight + branch_weight, bias + branch_bias
        if self.identity:
            # A 3×3 kernel that copies channel i to channel i.
            copy = torch.eye(weight.shape[0], dtype=weight.dtype, device=weight.device)
            weight = weight + F.pad(copy[:, :, None, None], (1, 1, 1, 1))
        return weight, bias

    def forward(self, x: Tensor) -> Tensor:
        """[N, in, H, W] → [N, out, H, W] through the collapsed kernel, with the branches' gradients.

        One convolution of the pictures instead of nine: the same values (to rounding) in about a
        fifth of the time.
        """
        with torch.autocast(x.device.type, enabled=False):  # the kernel is summed in full precision
            weight, bias = self.collapse()
        return F.conv2d(x, weight, bias, padding=1)

    def forward_branches(self, x: Tensor) -> Tensor:
        """The same value branch by branch, as the paper writes it: what `forward` is measured against."""
        y: Tensor = self.conv3x3(x) + self.conv1x1_3x3(x)
        y = y + self.conv1x1_sbx(x) + self.conv1x1_sby(x) + self.conv1x1_lpl(x)
        return y + x if self.identity else y


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
        super().__init__()
        self.architecture = Architecture(blocks, channels, scale, colors, activation)
        self.identity = identity
        self.expansion = expansion
        self.backbone = nn.ModuleList(ECB(i, o, identity, expansion) for i, o in self.architecture.widths)
        for block in self.blocks[:-1]:
            block.act = activation_layer(activation, channels)

    def layers(self) -> list[Layer]:
        """The collapsed layers; gradients reach the branches through them."""
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
        """Take the place of a plain network: the 3×3 branch makes up for what the other branches add.

        Blocks of other widths (the last one, where the scale differs) keep their own values.
        """
        for block, conv in zip(self.blocks, plain.convolutions, strict=False):
            if block.conv3x3.weight.shape == conv.weight.shape:
                weight, bias = block.collapse()
                block.conv3x3.weight += conv.weight - weight
                _bias(block.conv3x3).add_(_bias(conv) - bias)
        for block, act in zip(self.blocks[:-1], plain.acts, strict=False):
            if self.architecture.activation == plain.architecture.activation:
                block.act.load_state_dict(act.state_dict())

    @torch.no_grad()
    def collapse(self) -> PlainNet:
        """The plain network with the same output; the kernels are summed in float64."""
        dtype = next(self.parameters()).dtype
        plain = PlainNet(self.architecture).to(dtype)
        exact = deepcopy(self).cpu().double()
        for block, conv in zip(exact.blocks, plain.convolutions, strict=True):
            weight, bias = block.collapse()
            conv.weight.copy_(weight)
            _bias(conv).copy_(bias)
        for block, act in zip(self.blocks[:-1], plain.acts, strict=True):
            act.load_state_dict(block.act.state_dict())
        return plain.requires_grad_(False).eval()


class PlainNet(nn.Module):
    """The deploy network: 3×3 convolutions with activations, a residual, and pixel shuffle.

    `int8` holds the same network as it was trained for int8, by form, where its file has that.
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
        return [(c.weight, _bias(c), slope) for c, slope in zip(self.convolutions, slopes, strict=True)]

    @property
    def name(self) -> str:
        """The model's name, such as `ecbsr-m4c16-x2`."""
        return self.architecture.name

    @property
    def parameters_count(self) -> int:
        """Number of learned values."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, x: Tensor) -> Tensor:
        """LR [N, colors, H, W] → SR [N, colors, scale·H, scale·W]."""
        y = x
        for conv, act in zip(self.convolutions[:-1], self.acts, strict=True):
            y = act(conv(y))
        return with_residual(self.convolutions[-1](y), x, self.architecture.scale)

    @torch.no_grad()
    def with_value_range(self, value_range: float) -> PlainNet:
        """The network in [0, 1] that equals this one working on values in [0, `value_range`].

        Convolution, PReLU and ReLU are homogeneous, so only the biases change.
        """
        for conv in self.convolutions:
            _bias(conv).div_(value_range)
        return self


def activation_layer(activation: Activation, channels: int) -> nn.Module:
    """The layer that follows a block of `channels` channels."""
    if activation == "relu":
        return nn.ReLU()
    return PReLU(channels) if activation == "prelu" else nn.PReLU(1)


class PReLU(nn.PReLU):
    """One slope per channel; on a CPU its gradient runs at the speed of memory (torch's takes a third of a step)."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → the same, fastest in channels_last."""
        return prelu(x, self.weight)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """PReLU of [N, C, H, W] with slopes [C]."""
    if torch.is_grad_enabled() and x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last):
        return cast(Tensor, _PReLU.apply(x, slope))
    return F.prelu(x, slope)


class _PReLU(torch.autograd.Function):
    # A row of pixels and channels is one long dimension here: broadcasting over 16 channels is slow.

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


def forward_fake_quant(net: ECBSR | PlainNet, x: Tensor) -> Tensor:
    """`net(x)` with every activation rounded to 256 steps of its range, as int8 rounds it on a CPU.

    A PReLU is taken apart as x + relu((slope − 1)·x), each part rounded; a ReLU is part of its convolution. Gradients
    reach the values as if they were not rounded, and the ranges through the rounding error they cause (S. Esser et
    al., "Learned Step Size Quantization", 2020), so that training makes the ranges small.
    """
    with torch.autocast(x.device.type, enabled=False):  # kernels are summed in full precision
        *inner, (weight, bias, _) = net.layers()
    y = x
    for inner_weight, inner_bias, slope in inner:
        y = F.conv2d(y, inner_weight, inner_bias, padding=1)
        if slope is None:
            y = _rounded(F.relu(y))
            continue
        y = _rounded(y)
        active = prelu(y, slope.expand(y.shape[1]))
        y = _rounded(active if len(slope) == 1 else y + _rounded(active - y))
    return with_residual(_rounded(F.conv2d(y, weight, bias, padding=1)), x, net.architecture.scale)


def _rounded(x: Tensor) -> Tensor:
    return cast(Tensor, _Round.apply(x))


class _Round(torch.autograd.Function):
    """Round to 256 steps between the lowest and the highest value of a few crops, which say the range well enough."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        some = x[:4].permute(0, 2, 3, 1).reshape(-1)
        ends = torch.stack([some.argmax(), some.argmin()])
        high, low = some[ends].unbind()
        step = (high - low) / 255 + 1e-12
        steps = x / step
        error = torch.round(steps).sub_(steps)
        ctx.save_for_backward(error, ends)
        return torch.addcmul(x, step, error)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,), (error, ends) = gradients, ctx.saved_tensors
        to_step = (gradient * error).sum() / 255
        gradient = gradient.clone(memory_format=torch.channels_last)
        some = gradient[:4].permute(0, 2, 3, 1).view(-1)
        some.index_add_(0, ends, torch.stack([to_step, -to_step]))
        return gradient


def with_residual(y: Tensor, x: Tensor, scale: int) -> Tensor:
    """Add the input to every sub-pixel of its colour, then shuffle channels into pixels."""
    return F.pixel_shuffle(y + x.repeat_interleave(scale**2, dim=1), scale)


def _bias(conv: nn.Conv2d) -> nn.Parameter:
    return cast(nn.Parameter, conv.bias)
