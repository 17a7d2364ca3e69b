"""What a rule of shape inference is given and returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import EcbsrError

Shape = tuple[int, ...]
MAX_DIMENSION = 2**31 - 1
"""Largest dimension: the file stores 32-bit integers."""


@dataclass(frozen=True)
class Operand:
    """An input of a node: its new shape, its shape `before` (-1 where unknown), and its value if it is known.

    A value may contain an old size, unless it `follows` the new one because the model computes it from shapes.
    """

    shape: Shape
    before: Shape
    value: np.ndarray | None = None
    follows: bool = False

    @property
    def resized(self) -> bool:
        """Whether its shape is another one than before."""
        return self.shape != self.before


@dataclass(frozen=True)
class Call:
    """A node whose output shapes are needed; `before` has the old ones."""

    operator: str
    options: Any
    operands: Sequence[Operand | None]
    before: Sequence[Shape]

    def operand(self, position: int) -> Operand:
        """The input at `position`, which must be present."""
        if position >= len(self.operands):
            raise CannotInfer(f"input {position} is missing")
        operand = self.operands[position]
        if operand is None:
            raise CannotInfer(f"input {position} is missing")
        return operand

    def image(self, position: int = 0) -> Shape:
        """The shape of an input, which must be [batch, height, width, channels]."""
        shape = self.operand(position).shape
        if len(shape) != 4:
            raise CannotInfer(f"its input has shape {list(shape)}, not [batch, height, width, channels]")
        return shape

    def constant(self, position: int) -> np.ndarray:
        """The value of an input, which must be an integer constant."""
        value = self.operand(position).value
        if value is None:
            raise CannotInfer("its shape is computed while the model runs")
        if value.dtype.kind not in "iu":
            raise CannotInfer(f"input {position} has the type {value.dtype}, not integers")
        return value


@dataclass(frozen=True)
class Inferred:
    """The output shapes, and new values of constant inputs that contain a size, by position."""

    shapes: list[Shape]
    constants: dict[int, np.ndarray] = field(default_factory=dict)


class CannotInfer(EcbsrError):
    """Why the output shape of a node is not known, as the end of a sentence."""


def axis_of(axis: int, rank: int) -> int:
    """The axis, counted from 0.

    Raises:
        CannotInfer: there is none.
    """
    if not -rank <= axis < rank:
        raise CannotInfer(f"it has no axis {axis}")
    return axis % rank


def names(words: str) -> frozenset[str]:
    """The words, separated by spaces, as a set."""
    return frozenset(words.split())
