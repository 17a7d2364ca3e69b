"""The hyper-parameters of a network; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from .errors import UsageError
from .utils.text import either

Activation = Literal["prelu", "relu", "leaky"]
"""`prelu`: one learned slope per channel; `leaky`: one learned slope per layer; `relu`: none."""

PReLUDecomposition = Literal["single", "double", "native"]
"""How an int8 graph computes PReLU.

`single`: x + relu((slope - 1)·x), one depthwise convolution and an addition: fast on CPUs.
`double`: relu((1 - slope)·x) + slope·x, two depthwise convolutions and an addition: as fast but for one operator, and
precise for any network, since nothing cancels and each channel of x has a range of its own.
`native`: one PRELU operator.
"""

ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
PRELU_DECOMPOSITIONS: tuple[PReLUDecomposition, ...] = get_args(PReLUDecomposition)
SCALES = (2, 3, 4)
COLORS = (1, 3)


@dataclass(frozen=True)
class Architecture:
    """The hyper-parameters of a network.

    `blocks` counts the blocks between the first and the last, so a plain network has `blocks` + 2 convolutions.
    `colors` is 1 (luma) or 3 (RGB). `residual`: the image is added to every sub-pixel; networks of others can lack it.

    Raises:
        UsageError: a value is not supported.
    """

    blocks: int = 4
    channels: int = 16
    scale: int = 2
    colors: int = 1
    activation: Activation = "prelu"
    residual: bool = True

    def __post_init__(self) -> None:
        if self.blocks < 0 or self.channels < 1:
            raise UsageError(f"a network of {self.blocks} blocks and {self.channels} channels cannot be built")
        if self.scale not in SCALES:
            raise UsageError(f"scale {self.scale} is not supported; use {either(SCALES)}")
        if self.colors not in COLORS:
            raise UsageError(f"{self.colors} color channels are not supported; use 1 (luma) or 3 (RGB)")
        if self.activation not in ACTIVATIONS:
            raise UsageError(f"activation {self.activation!r} is unknown; use one of {', '.join(ACTIVATIONS)}")

    @property
    def name(self) -> str:
        """Such as `ecbsr-m4c16-x2`; RGB, activations other than PReLU and a missing residual are part of the name."""
        parts = [f"ecbsr-m{self.blocks}c{self.channels}"]
        if self.colors == 3:
            parts.append("rgb")
        if self.activation != "prelu":
            parts.append(self.activation)
        if not self.residual:
            parts.append("noskip")
        return "-".join([*parts, f"x{self.scale}"])

    @property
    def widths(self) -> list[tuple[int, int]]:
        """(input, output) channels of each 3×3 convolution, first to last."""
        inner = [(self.channels, self.channels)] * self.blocks
        return [(self.colors, self.channels), *inner, (self.channels, self.colors * self.scale**2)]

    @property
    def radius(self) -> int:
        """Radius of the receptive field in LR pixels."""
        return len(self.widths)

    @property
    def multiplications(self) -> int:
        """Multiply-accumulate operations of the convolutions per LR pixel."""
        return sum(9 * inputs * outputs for inputs, outputs in self.widths)
