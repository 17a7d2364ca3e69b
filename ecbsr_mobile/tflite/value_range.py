"""Which real values an input or output tensor stores for black and for white.

An integer tensor says it by its quantization, or stores pixels as they are. A float tensor does not: its range is what
the file's recipe or its TFLite metadata records.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table

from ..errors import EcbsrError
from . import recipe
from .graph import Graph, Tensor

Side = Literal["input", "output"]

METADATA = "TFLITE_METADATA"
"""Name of the metadata entry with the tensors' normalization."""


@dataclass(frozen=True)
class ValueRange:
    """The real values of black and of white: one for all colors, or one for each."""

    black: tuple[float, ...]
    white: tuple[float, ...]

    def __str__(self) -> str:
        low, high = ("/".join(f"{value:g}" for value in values) for values in (self.black, self.white))
        return f"[{low}, {high}]"

    def fits(self, channels: int) -> bool:
        """Whether it can be that of an image of so many channels."""
        return len(self.black) in (1, channels)


UNIT = ValueRange((0.0,), (1.0,))
BYTES = ValueRange((0.0,), (255.0,))
SIGNED = ValueRange((-1.0,), (1.0,))
_OFFSET = ValueRange((-128.0,), (127.0,))  # pixels as 8 signed bits
FLOAT_RANGES = (UNIT, BYTES, SIGNED)
"""What float networks use, the most common first."""
_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = ValueRange(
    tuple(-mean / deviation for mean, deviation in zip(_MEANS, _DEVIATIONS, strict=True)),
    tuple((1 - mean) / deviation for mean, deviation in zip(_MEANS, _DEVIATIONS, strict=True)),
)
"""RGB in [0, 1] without the mean of ImageNet's images, divided by their standard deviation."""

CENTERED_RANGES = (ValueRange((-0.5,), (0.5,)), _OFFSET, IMAGENET)
"""What they use, about, where the mean was subtracted from their images."""


def integer_scale(tensor: Tensor) -> tuple[float, int] | None:
    """Scale and zero point of an integer tensor; None where it stores plain numbers.

    Raises:
        EcbsrError: it has another scale for each channel, or one that is negative or not finite.
    """
    quantization = tensor.quantization
    if quantization is None or not quantization.scale.any():
        return None
    scale, zero_point = float(quantization.scale[0]), int(quantization.zero_point[0])
    if not (math.isfinite(scale) and scale > 0):
        raise EcbsrError(f"the image {tensor.label} has the quantization scale {scale:g}; the file is damaged")
    if (quantization.scale != quantization.scale[0]).any() or (quantization.zero_point != zero_point).any():
        raise EcbsrError(f"the image {tensor.label} has a scale for each channel, which no runtime supports")
    return scale, zero_point


def integer_ranges(tensor: Tensor, side: Side, colors: int) -> tuple[ValueRange, ...]:
    """The ranges that an integer tensor can have by its quantization, the most likely first; one if that is certain.

    `colors` is the number of its channels. Without quantization, it stores pixels: 0..255, or -128..127 where it has 8
    signed bits.

    Raises:
        EcbsrError: see `integer_scale`.
    """
    limits = np.iinfo(tensor.dtype)
    quantized = integer_scale(tensor)
    if quantized is None:
        return (_OFFSET if tensor.dtype == np.int8 else BYTES,)
    scale, zero_point = quantized
    low, high = (scale * (limit - zero_point) for limit in (int(limits.min), int(limits.max)))
    symmetric = limits.min < 0 and zero_point == 0
    if limits.bits > 8:
        # Wider types reach far beyond white: 16 bits with scale 1/255 reach 128.5, and no network uses that range.
        usual = BYTES if (high >= 200 if limits.bits == 16 else scale > 1 / 16) else UNIT
        return (usual, *_others(usual, low, high)) if symmetric else (usual,)
    stored = ValueRange((low,), (high,))
    if side == "input" and colors == 3 and _is_near(stored, IMAGENET, 0.05):
        return (IMAGENET, stored)
    usual = BYTES if high >= 16 else UNIT
    if low < 0:
        usual = next((values for values in (SIGNED, _OFFSET) if _is_near(stored, values, 0.3)), usual)
    others = _others(usual, low, high) if low < 0 else ()
    # A calibrated output can end before white, or reach beyond it. An input is a whole image.
    if side == "output" or _is_near(stored, usual, 0.15):
        return (usual, *others)
    # It can also have been calibrated without white; and zero is in the middle where it had to be there.
    if symmetric or (_is_inside(stored, usual) and not _is_shifted(stored)):
        return (usual, stored, *others)
    return (stored, usual) if _is_inside(stored, SIGNED) else (stored,)


def reaches_as_far(tensor: Tensor, values: ValueRange) -> bool:
    """Whether an integer tensor stores about the values from black to white, and not much more.

    Raises:
        EcbsrError: see `integer_scale`.
    """
    scale, zero_point = integer_scale(tensor) or (1.0, 0)
    limits = np.iinfo(tensor.dtype)
    low, high = (scale * (limit - zero_point) for limit in (int(limits.min), int(limits.max)))
    return _is_near(ValueRange((low,), (high,)), values, 0.3)


def float_range(graph: Graph, side: Side) -> ValueRange | None:
    """The recorded range of a float input or output; None where the file records none."""
    recorded = (recipe.read(graph) or {}).get("range")
    if isinstance(recorded, list) and len(recorded) == 2 and all(isinstance(v, int | float) for v in recorded):
        return _valid([float(recorded[0])], [float(recorded[1])])
    try:
        return _metadata_range(graph.metadata.get(METADATA, b""), side)
    except (struct.error, ValueError, IndexError, TypeError, OverflowError):
        return None  # the flatbuffer is damaged; its reader has no verifier


def _is_near(stored: ValueRange, usual: ValueRange, share: float) -> bool:
    black, white = min(usual.black), max(usual.white)
    tolerance = share * (white - black)
    return abs(stored.black[0] - black) <= tolerance and abs(stored.white[0] - white) <= tolerance


def _is_inside(stored: ValueRange, usual: ValueRange) -> bool:
    tolerance = 0.15 * (usual.white[0] - usual.black[0])
    return stored.black[0] >= usual.black[0] - tolerance and stored.white[0] <= usual.white[0] + tolerance


def _is_shifted(stored: ValueRange) -> bool:
    """Whether it is a whole image from which a mean was subtracted."""
    width = stored.white[0] - stored.black[0]
    return stored.black[0] < -0.1 and any(abs(width / whole - 1) < 0.1 for whole in (1, 255))


def _others(usual: ValueRange, low: float, high: float) -> tuple[ValueRange, ...]:
    """The other usual ranges of which a tensor with values in [low, high] stores most."""
    return tuple(
        values
        for values in FLOAT_RANGES
        if values != usual and high >= 0.5 * values.white[0] and low <= 0.5 * values.black[0]
    )


def _valid(black: list[float], white: list[float]) -> ValueRange | None:
    pairs = list(zip(black, white, strict=True))
    if not pairs or not all(math.isfinite(low) and math.isfinite(high) and low < high for low, high in pairs):
        return None
    return ValueRange(tuple(black), tuple(white))


def _metadata_range(data: bytes, side: Side) -> ValueRange | None:
    """The range by the NormalizationOptions in TFLite's metadata_schema.fbs: normalized = (pixel - mean) / std."""
    if not data:
        return None
    model = Table(bytearray(data), encode.Get(packer.uoffset, data, 0))
    for subgraph in _tables(model, 3)[:1]:
        for tensor in _tables(subgraph, 2 if side == "input" else 3)[:1]:
            for unit in _tables(tensor, 4):
                options = _normalization(unit)
                if options is not None:
                    return _normalized(*options, side)
    return None


def _normalized(mean: list[float], std: list[float], side: Side) -> ValueRange | None:
    length = max(len(mean), len(std))
    means, stds = (values * length if len(values) == 1 else values for values in (mean, std))
    if side == "output":  # the formula turns the stored value into a pixel
        found = _valid(means, [255 * s + m for m, s in zip(means, stds, strict=True)])
        if found and max(found.white) - min(found.black) <= 300:
            return found  # otherwise the values are those of the input
    if not all(stds):
        return None
    pairs = list(zip(means, stds, strict=True))
    return _valid([(0 - m) / s for m, s in pairs], [(255 - m) / s for m, s in pairs])


def _normalization(unit: Table) -> tuple[list[float], list[float]] | None:
    kind, place = unit.Offset(4), unit.Offset(6)
    if not kind or not place or unit.Get(number_types.Uint8Flags, kind + unit.Pos) != 1:
        return None
    options = Table(unit.Bytes, 0)
    unit.Union(options, place)
    return _floats(options, 0), _floats(options, 1)


def _field(table: Table, number: int) -> int:
    return int(table.Offset(4 + 2 * number))


def _tables(table: Table, number: int) -> list[Table]:
    place: Any = _field(table, number)
    if not place:
        return []
    start = table.Vector(place)
    return [Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(min(table.VectorLen(place), 16))]


def _floats(table: Table, number: int) -> list[float]:
    place = _field(table, number)
    if not place:
        return []
    start, length = table.Vector(place), min(table.VectorLen(place), 16)
    return [float(table.Get(number_types.Float32Flags, start + 4 * i)) for i in range(length)]
