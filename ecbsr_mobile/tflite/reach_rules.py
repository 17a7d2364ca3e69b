"""What the values of a node's outputs depend on, by what those of its inputs do; see `receptive_field`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .graph import SAME_PADDING, Node
from .shape_call import names

MAX_WINDOW = 512

NONE = np.int16(-20_000)
"""The value does not depend on the input."""

Reach = np.ndarray
"""int16 [4, *shape]: for each value, minus the first row, the last row, minus the first column, the last column. The
larger number is the wider reach."""


class Step(NamedTuple):
    """A node: the reaches of its inputs (None: constant), its constants, and the shapes of its outputs and inputs."""

    node: Node
    operands: list[Reach | None]
    constants: list[np.ndarray | None]
    shapes: list[tuple[int, ...]]
    input_shapes: list[tuple[int, ...]]

    @property
    def first(self) -> Reach:
        """The reach of the first input; see `at`."""
        return self.at(0)

    def at(self, position: int) -> Reach:
        """The reach of an input.

        Raises:
            ValueError: it is a constant.
        """
        reach = self.operands[position]
        if reach is None:
            raise ValueError("its image input is a constant")
        return reach

    def constant(self, position: int) -> list[int]:
        """The integers of a constant input.

        Raises:
            ValueError: it is not a constant.
        """
        value = self.constants[position]
        if value is None:
            raise ValueError("it needs a constant")
        return [int(item) for item in value.reshape(-1)]


def is_known(node: Node) -> bool:
    """Whether there is a rule for the operator."""
    return node.operator in _SAME_POSITIONS or node.operator in _RULES


def outputs(step: Step) -> list[Reach] | None:
    """The reach of each output; None where it is not known."""
    if step.node.operator in _SAME_POSITIONS:
        return [_all([operand for operand in step.operands if operand is not None], step.shapes[0])]
    rule = _RULES.get(step.node.operator)
    try:
        return rule(step) if rule else None
    except (AttributeError, ValueError, IndexError, TypeError, ZeroDivisionError):
        return None  # the file is corrupt, or a constant is not known


def _all(operands: list[Reach], shape: tuple[int, ...]) -> Reach:
    """The union, broadcast to a shape; one channel stands for all where they are equal."""
    narrow = len(shape) > 0 and all(operand.ndim == len(shape) + 1 and _is_uniform(operand) for operand in operands)
    parts = [operand[..., :1] if narrow else _with_rank(operand, len(shape)) for operand in operands]
    result = parts[0]
    for part in parts[1:]:
        result = np.maximum(result, part)
    return np.broadcast_to(result, (4, *shape))


def _with_rank(operand: Reach, rank: int) -> Reach:
    return operand.reshape(4, *[1] * (rank + 1 - operand.ndim), *operand.shape[1:])


def _is_uniform(operand: Reach) -> bool:
    return operand.shape[-1] == 1 or operand.strides[-1] == 0


def _mixed(operand: Reach, channels: int) -> Reach:
    """Every channel depends on all of them."""
    one = operand[..., :1] if _is_uniform(operand) else operand.max(axis=-1, keepdims=True)
    return np.broadcast_to(one, (*one.shape[:-1], channels))


def _padding(length: int, out: int, window: int, stride: int, same: bool) -> int:
    return max((out - 1) * stride + window - length, 0) // 2 if same else 0


def _window(reach: Reach, axis: int, out: int, window: int, stride: int, dilation: int, same: bool) -> Reach:
    """The union over a sliding window along one axis."""
    length = reach.shape[axis]
    if window > MAX_WINDOW:
        raise ValueError("a window this large is not followed")
    before = _padding(length, out, (window - 1) * dilation + 1, stride, same)
    result: Reach | None = None
    for tap in range(window):
        positions = np.arange(out) * stride - before + tap * dilation
        part = np.take(reach, positions.clip(0, length - 1), axis)
        outside = (positions < 0) | (positions >= length)
        if outside.any():
            part = np.moveaxis(part, axis, 0).copy()
            part[outside] = NONE
            part = np.moveaxis(part, 0, axis)
        result = part if result is None else np.maximum(result, part)
    if result is None:
        raise ValueError("an empty window")
    return result


def _windows(reach: Reach, shape: tuple[int, ...], sizes: tuple[int, ...], options: Any, dilated: bool) -> Reach:
    same = options.padding == SAME_PADDING
    dilation = (options.dilationHFactor, options.dilationWFactor) if dilated else (1, 1)
    reach = _window(reach, 2, shape[1], sizes[0], options.strideH, dilation[0], same)
    return _window(reach, 3, shape[2], sizes[1], options.strideW, dilation[1], same)


def _convolution(step: Step) -> list[Reach]:
    sizes, shape, reach = _kernel(step), step.shapes[0], step.first
    depthwise = step.node.operator == "DEPTHWISE_CONV_2D"
    if not depthwise or _is_uniform(reach):
        reach = _windows(_mixed(reach, 1), shape, sizes, step.node.options, True)
        return [np.broadcast_to(reach, (*reach.shape[:-1], shape[3]))]
    reach = _windows(reach, shape, sizes, step.node.options, True)
    return [reach.repeat(shape[3] // reach.shape[-1], axis=-1)]


def _fully_connected(step: Step) -> list[Reach]:
    if step.operands[1] is not None:
        raise ValueError("its weights depend on the image")
    outputs, inputs = step.input_shapes[1]
    if step.first.shape[-1] != inputs:
        raise ValueError("its rows are not those of its input")
    return [_mixed(step.first, outputs).reshape(4, *step.shapes[0])]


def _kernel(step: Step) -> tuple[int, ...]:
    """Height and width of the weights, which can be the DEQUANTIZE of a constant."""
    if step.operands[1] is not None:
        raise ValueError("its weights depend on the image")
    return step.input_shapes[1][1:3]


def _pool(step: Step) -> list[Reach]:
    options = step.node.options
    return [_windows(step.first, step.shapes[0], (options.filterHeight, options.filterWidth), options, False)]


def _transpose_convolution(step: Step) -> list[Reach]:
    sizes, shape, options = _kernel(step), step.shapes[0], step.node.options
    reach = _mixed(step.at(2), 1)
    for axis, window, stride in ((2, sizes[0], options.strideH), (3, sizes[1], options.strideW)):
        length, out = reach.shape[axis], shape[axis - 1]
        before = _padding(out, length, window, stride, options.padding == SAME_PADDING)
        result = np.full((*reach.shape[:axis], out, *reach.shape[axis + 1 :]), NONE, np.int16)
        target, source = np.moveaxis(result, axis, 0), np.moveaxis(reach, axis, 0)
        for tap in range(window):
            positions = np.arange(length) * stride - before + tap
            inside = (positions >= 0) & (positions < out)
            target[positions[inside]] = np.maximum(target[positions[inside]], source[inside])
        reach = result
    return [np.broadcast_to(reach, (*reach.shape[:-1], shape[3]))]


def _resize(step: Step) -> list[Reach]:
    reach, shape, options = step.first, step.shapes[0], step.node.options
    for axis in (2, 3):
        length, out = reach.shape[axis], shape[axis - 1]
        if length == out:
            continue
        if options.alignCorners:
            raise ValueError("the positions depend on the size of the whole image")
        bilinear = step.node.operator == "RESIZE_BILINEAR"
        # The position is (o + 1/2) · length/out - 1/2 with half-pixel centers, else o · length/out: in whole numbers.
        twice = 2 * np.arange(out) * length
        if options.halfPixelCenters:
            twice = twice + length - (out if bilinear else 0)
        low = twice // (2 * out)
        high = low + 1 if bilinear else low
        taps = [np.take(reach, part.clip(0, length - 1), axis) for part in (low, high)]
        reach = np.maximum(*taps)
    return [reach]


def _depth_to_space(step: Step) -> list[Reach]:
    block, (n, h, w, c) = step.node.options.blockSize, step.first.shape[1:]
    if _is_uniform(step.first):
        one = step.first[..., :1].repeat(block, axis=2).repeat(block, axis=3)
        return [np.broadcast_to(one, (4, n, h * block, w * block, c // block**2))]
    blocks = step.first.reshape(4, n, h, w, block, block, c // block**2).transpose(0, 1, 2, 4, 3, 5, 6)
    return [blocks.reshape(4, n, h * block, w * block, c // block**2)]


def _space_to_depth(step: Step) -> list[Reach]:
    block, (n, h, w, c) = step.node.options.blockSize, step.first.shape[1:]
    blocks = step.first.reshape(4, n, h // block, block, w // block, block, c).transpose(0, 1, 2, 4, 3, 5, 6)
    return [blocks.reshape(4, n, h // block, w // block, c * block**2)]


def _concatenation(step: Step) -> list[Reach]:
    shape = step.shapes[0]
    axis = step.node.options.axis % len(shape)
    total = sum(reach.shape[axis + 1] for reach in step.operands if reach is not None)
    missing = (shape[axis] - total) // max(sum(reach is None for reach in step.operands), 1)
    empty = np.full((4, *shape[:axis], missing, *shape[axis + 1 :]), NONE, np.int16)
    return [np.concatenate([empty if reach is None else reach for reach in step.operands], axis + 1)]


def _pad(step: Step) -> list[Reach]:
    pads = [(0, 0), *np.reshape(step.constant(1), (-1, 2)).tolist()]
    if step.node.operator == "MIRROR_PAD":
        return [np.pad(step.first, pads, mode="symmetric" if step.node.options.mode else "reflect")]
    return [np.pad(step.first, pads, constant_values=NONE)]


def _slice(step: Step) -> list[Reach]:
    begin, shape = step.constant(1), step.shapes[0]
    return [step.first[(slice(None), *(slice(b, b + size) for b, size in zip(begin, shape, strict=True)))]]


def _strided_slice(step: Step) -> list[Reach]:
    begin, end, strides = (step.constant(i) for i in (1, 2, 3))
    o = step.node.options
    index = [
        slice(None if o.beginMask >> i & 1 else b, None if o.endMask >> i & 1 else e, s)
        for i, (b, e, s) in enumerate(zip(begin, end, strides, strict=True))
    ]
    return [step.first[(slice(None), *index)]]


def _split(step: Step) -> list[Reach]:
    source, place = (step.at(1), 0) if step.node.operator == "SPLIT" else (step.first, 2)
    axis = step.constant(place)[0] % len(step.shapes[0])
    return np.split(source, np.cumsum([shape[axis] for shape in step.shapes])[:-1], axis + 1)


def _reduction(step: Step) -> list[Reach]:
    rank = step.first.ndim - 1
    axes = tuple(axis % rank + 1 for axis in step.constant(1))
    return [step.first.max(axis=axes, keepdims=bool(step.node.options.keepDims))]


def _over_channels(step: Step) -> list[Reach]:
    return [_mixed(step.first, step.shapes[0][-1])]


_SAME_POSITIONS = names(
    "ABS ADD CAST CEIL COS DEQUANTIZE DIV ELU EQUAL EXP FAKE_QUANT FLOOR FLOOR_DIV FLOOR_MOD GELU GREATER "
    "GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAXIMUM "
    "MINIMUM MUL NEG NOT_EQUAL POW PRELU QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND RSQRT SELECT SELECT_V2 "
    "SIGN SIN SQRT SQUARE SQUARED_DIFFERENCE SUB TANH ZEROS_LIKE"
)
_RULES: dict[str, Callable[[Step], list[Reach]]] = {
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "DEPTH_TO_SPACE": _depth_to_space,
    "EXPAND_DIMS": lambda step: [step.first.reshape(4, *step.shapes[0])],
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": lambda step: [np.take(step.first, step.constant(1), step.node.options.axis % (step.first.ndim - 1) + 1)],
    "L2_NORMALIZATION": _over_channels,
    "L2_POOL_2D": _pool,
    "LOCAL_RESPONSE_NORMALIZATION": _over_channels,
    "LOG_SOFTMAX": _over_channels,
    "MAX_POOL_2D": _pool,
    "MEAN": _reduction,
    "MIRROR_PAD": _pad,
    "PACK": lambda step: [np.stack([step.at(i) for i in range(len(step.operands))], step.node.options.axis + 1)],
    "PAD": _pad,
    "PADV2": _pad,
    "REDUCE_MAX": _reduction,
    "REDUCE_MIN": _reduction,
    "RESHAPE": lambda step: [step.first.reshape(4, *step.shapes[0])],
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SLICE": _slice,
    "SOFTMAX": _over_channels,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "SQUEEZE": lambda step: [step.first.reshape(4, *step.shapes[0])],
    "STRIDED_SLICE": _strided_slice,
    "SUM": _reduction,
    "TILE": lambda step: [np.tile(step.first, (1, *step.constant(1)))],
    "TRANSPOSE": lambda step: [step.first.transpose(0, *(axis + 1 for axis in step.constant(1)))],
    "TRANSPOSE_CONV": _transpose_convolution,
    "UNPACK": lambda step: [np.take(step.first, i, step.node.options.axis + 1) for i in range(len(step.shapes))],
}
