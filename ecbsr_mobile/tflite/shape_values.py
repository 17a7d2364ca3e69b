"""Values of the small integer tensors from which a model computes shapes: SHAPE → STRIDED_SLICE → PACK → RESHAPE."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .shape_call import Call, Shape

MAX_ELEMENTS = 64
"""A larger tensor is not a shape."""


def computed(call: Call, shapes: list[Shape]) -> list[np.ndarray] | None:
    """The outputs of a node, of the shapes that were inferred; None where they are not known."""
    if call.operator == "SHAPE":
        shape = call.operand(0).shape
        return None if -1 in shape else [np.array(shape, np.int32)]
    operands = [operand for operand in call.operands if operand is not None]
    if call.operator not in _RULES or any(operand.value is None for operand in operands):
        return None
    values = [operand.value for operand in operands if operand.value is not None]
    if any(value.dtype.kind not in "iu" or value.size > MAX_ELEMENTS for value in values):
        return None
    try:
        result = _RULES[call.operator](call, values)
        return [value.reshape(shape) for value, shape in zip(result, shapes, strict=True)]
    except (AttributeError, ValueError, IndexError, TypeError, ZeroDivisionError):
        return None  # the file is corrupt


def _strided_slice(call: Call, values: list[np.ndarray]) -> list[np.ndarray]:
    source, (begin, end, strides), o = values[0], (value.reshape(-1).tolist() for value in values[1:4]), call.options
    index: list[slice | int] = []
    for axis in range(len(begin)):
        start = None if o.beginMask >> axis & 1 else begin[axis]
        stop = None if o.endMask >> axis & 1 else end[axis]
        index.append(begin[axis] if o.shrinkAxisMask >> axis & 1 else slice(start, stop, strides[axis]))
    return [source[tuple(index)]]


def _slice(_call: Call, values: list[np.ndarray]) -> list[np.ndarray]:
    begin, size = (value.reshape(-1).tolist() for value in values[1:3])
    return [values[0][tuple(slice(b, None if s == -1 else b + s) for b, s in zip(begin, size, strict=True))]]


_RULES: dict[str, Callable[[Call, list[np.ndarray]], list[np.ndarray]]] = {
    "ADD": lambda _call, values: [values[0] + values[1]],
    "CAST": lambda _call, values: [values[0]],
    "CONCATENATION": lambda call, values: [np.concatenate(values, call.options.axis)],
    "EXPAND_DIMS": lambda _call, values: [values[0]],
    "FLOOR_DIV": lambda _call, values: [values[0] // values[1]],
    "GATHER": lambda call, values: [np.take(values[0], values[1], call.options.axis)],
    "MAXIMUM": lambda _call, values: [np.maximum(values[0], values[1])],
    "MINIMUM": lambda _call, values: [np.minimum(values[0], values[1])],
    "MUL": lambda _call, values: [values[0] * values[1]],
    "PACK": lambda call, values: [np.stack(values, call.options.axis)],
    "REDUCE_PROD": lambda _call, values: [np.prod(values[0], axis=tuple(values[1].reshape(-1).tolist()))],
    "RESHAPE": lambda _call, values: [values[0]],
    "SLICE": _slice,
    "SQUEEZE": lambda _call, values: [values[0]],
    "STRIDED_SLICE": _strided_slice,
    "SUB": lambda _call, values: [values[0] - values[1]],
    "UNPACK": lambda call, values: list(np.moveaxis(values[0], call.options.axis, 0)),
}
