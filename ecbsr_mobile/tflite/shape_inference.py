"""Output shapes of the operators that are common in image networks (NHWC).

Inputs are plain values: the operator's name, its schema options and its operands. Source of the rules: the `Prepare`
functions of the TFLite reference kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .graph import SAME_PADDING
from .reshape_rules import RESHAPE_RULES
from .shape_call import MAX_DIMENSION, Call, CannotInfer, Inferred, Shape, axis_of, names


def infer(call: Call) -> Inferred:
    """The output shapes of one node.

    Raises:
        CannotInfer: there is no rule for the operator, or its inputs do not match.
    """
    try:
        inferred = _inferred(call)
    except (AttributeError, ValueError, IndexError, TypeError):
        raise CannotInfer("the options or constants are not this operator's; the file is corrupt") from None
    except OverflowError:
        raise CannotInfer(f"a dimension of its output would be larger than {MAX_DIMENSION}") from None
    if len(inferred.shapes) != len(call.before):
        raise CannotInfer(f"it has {len(call.before)} outputs instead of {len(inferred.shapes)}; the file is corrupt")
    for shape in inferred.shapes:
        if not all(0 <= size <= MAX_DIMENSION for size in shape):
            raise CannotInfer(f"an output of shape {list(shape)} is impossible")
    return inferred


def _inferred(call: Call) -> Inferred:
    if call.operator in _SAME_SHAPE:
        return Inferred([call.operand(0).shape] * len(call.before))
    if call.operator in _BROADCAST:
        return Inferred([_broadcast(call.operand(0).shape, call.operand(1).shape)])
    if call.operator in _RULES:
        return _RULES[call.operator](call)
    unchanged = all(operand is None or operand.shape == operand.before for operand in call.operands)
    if unchanged and all(-1 not in shape for shape in call.before):
        return Inferred(list(call.before))
    raise CannotInfer("there is no shape rule for this operator")


def _select(call: Call) -> Inferred:
    shape = call.operand(0).shape
    for position in (1, 2):
        shape = _broadcast(shape, call.operand(position).shape)
    return Inferred([shape])


_SAME_SHAPE = names(
    "ABS CAST CEIL COS CUMSUM DEQUANTIZE ELU EXP FAKE_QUANT FLOOR GELU HARD_SWISH L2_NORMALIZATION LEAKY_RELU "
    "LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX NEG PRELU QUANTIZE RELU RELU6 RELU_0_TO_1 "
    "RELU_N1_TO_1 ROUND RSQRT SIGN SIN SOFTMAX SQRT SQUARE TANH ZEROS_LIKE"
)
_BROADCAST = names(
    "ADD DIV EQUAL FLOOR_DIV FLOOR_MOD GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR MAXIMUM MINIMUM "
    "MUL NOT_EQUAL POW SQUARED_DIFFERENCE SUB"
)


def _broadcast(first: Shape, second: Shape) -> Shape:
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise CannotInfer(f"its inputs {list(first)} and {list(second)} cannot be broadcast") from None


def _window(size: int, window: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Number of positions of a sliding window along one dimension."""
    if stride < 1 or window < 1 or dilation < 1:
        raise CannotInfer(f"stride {stride}, window {window} or dilation {dilation} is not positive")
    positions = -(-size // stride) if padding == SAME_PADDING else -(-(size - (window - 1) * dilation) // stride)
    if positions < 1:
        raise CannotInfer(f"a window of {window} does not fit into {size} pixels")
    return positions


def _convolution(call: Call) -> Inferred:
    (n, h, w, _), kernel, o = call.image(), call.image(1), call.options
    height = _window(h, kernel[1], o.strideH, o.padding, o.dilationHFactor)
    width = _window(w, kernel[2], o.strideW, o.padding, o.dilationWFactor)
    return Inferred([(n, height, width, kernel[3 if call.operator == "DEPTHWISE_CONV_2D" else 0])])


def _pool(call: Call) -> Inferred:
    (n, h, w, c), o, old = call.image(), call.options, call.operand(0)
    whole = [
        before > 1 and size >= before
        for size, before in zip((o.filterHeight, o.filterWidth), old.before[1:3], strict=True)
    ]
    if old.resized and any(whole):
        raise CannotInfer(f"it pools all of {old.before[2]}x{old.before[1]}, and would not of another size")
    height = _window(h, o.filterHeight, o.strideH, o.padding)
    return Inferred([(n, height, _window(w, o.filterWidth, o.strideW, o.padding), c)])


def _transpose_convolution(call: Call) -> Inferred:
    (n, h, w, _), kernel, o = call.image(2), call.image(1), call.options
    old, output = call.operand(2).before, call.constant(0).reshape(-1)
    if call.operand(0).follows:
        return Inferred([tuple(output.tolist())])
    size = []
    for axis, now, stride in ((1, h, o.strideH), (2, w, o.strideW)):
        valid = max(kernel[axis] - stride, 0)
        extra = int(output[axis]) - old[axis] * stride
        if now != old[axis] and extra != (0 if o.padding == SAME_PADDING else valid):
            raise CannotInfer(f"its output size {list(output)} is not a multiple of its input size {list(old)}")
        size.append(now * stride + extra)
    shape = (n, size[0], size[1], kernel[0])
    return Inferred([shape], {0: np.array(shape, call.constant(0).dtype)})


def _resize(call: Call) -> Inferred:
    (n, h, w, c), old, target = call.image(), call.operand(0).before, call.constant(1)
    if call.operand(1).follows:
        return Inferred([(n, int(target[0]), int(target[1]), c)])
    size = [_scaled(now, before, int(after)) for now, before, after in zip((h, w), old[1:3], target, strict=True)]
    return Inferred([(n, size[0], size[1], c)], {1: np.array(size, target.dtype)})


def _scaled(now: int, before: int, after: int) -> int:
    """`now` · `after` / `before`."""
    if now == before:
        return after
    if before < 1 or after < 1 or now * after % before:
        raise CannotInfer(f"it resizes {before} to {after}, and {now} in that ratio is not an integer")
    return now * after // before


def _depth_to_space(call: Call) -> Inferred:
    (n, h, w, c), block = call.image(), call.options.blockSize
    if block < 1 or c % block**2:
        raise CannotInfer(f"{c} channels cannot be rearranged into blocks of {block}")
    return Inferred([(n, h * block, w * block, c // block**2)])


def _space_to_depth(call: Call) -> Inferred:
    (n, h, w, c), block = call.image(), call.options.blockSize
    if block < 1 or h % block or w % block:
        raise CannotInfer(f"{w}x{h} cannot be divided into blocks of {block}")
    return Inferred([(n, h // block, w // block, c * block**2)])


def _fully_connected(call: Call) -> Inferred:
    source, (outputs, inputs) = call.operand(0), call.operand(1).shape
    if inputs < 1 or (source.resized and source.shape[-1:] != (inputs,)):
        raise CannotInfer(f"its weights are for {inputs} values, and its input becomes {list(source.shape)}")
    if call.options.keepNumDims:
        return Inferred([(*source.shape[:-1], outputs)])
    return Inferred([(math.prod(source.shape) // inputs, outputs)])


def _concatenation(call: Call) -> Inferred:
    shapes = [call.operand(i).shape for i in range(len(call.operands))]
    axis = axis_of(call.options.axis, len(shapes[0])) if shapes else 0
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rest) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise CannotInfer(f"its inputs {[list(shape) for shape in shapes]} cannot be concatenated")
    total = sum(shape[axis] for shape in shapes)
    return Inferred([(*shapes[0][:axis], total, *shapes[0][axis + 1 :])])


def _pad(call: Call) -> Inferred:
    shape, padding = call.operand(0).shape, call.constant(1)
    if padding.shape != (len(shape), 2):
        raise CannotInfer(f"its paddings have shape {list(padding.shape)}, not [{len(shape)}, 2]")
    padded = zip(shape, padding.tolist(), strict=True)
    return Inferred([tuple(size + before + after for size, (before, after) in padded)])


def _split(call: Call) -> Inferred:
    shape, parts = call.operand(1).shape, len(call.before)
    axis = axis_of(int(call.constant(0).reshape(-1)[0]), len(shape))
    if parts < 1 or shape[axis] % parts:
        raise CannotInfer(f"{shape[axis]} cannot be split into {parts} equal parts")
    return Inferred([(*shape[:axis], shape[axis] // parts, *shape[axis + 1 :])] * parts)


def _reduction(call: Call) -> Inferred:
    shape = call.operand(0).shape
    axes = {axis_of(int(axis), len(shape)) for axis in call.constant(1).reshape(-1)}
    if call.options.keepDims:
        return Inferred([tuple(1 if i in axes else size for i, size in enumerate(shape))])
    return Inferred([tuple(size for i, size in enumerate(shape) if i not in axes)])


def _slice(call: Call) -> Inferred:
    source, begin, size = call.operand(0), call.constant(1).reshape(-1), call.constant(2).reshape(-1)
    sizes = []
    for now, before, start, count in zip(source.shape, source.before, begin.tolist(), size.tolist(), strict=True):
        rest = count == -1 or (now != before and start + count == before)
        if now != before and not rest:
            raise CannotInfer(f"it keeps {count} of {before} pixels; of {now} the number is not known")
        sizes.append(now - start if rest else count)
    return Inferred([tuple(sizes)], {2: np.array(sizes, size.dtype)})


def _strided_slice(call: Call) -> Inferred:
    source, o = call.operand(0), call.options
    begin, end, strides = (call.constant(i).reshape(-1).tolist() for i in (1, 2, 3))
    if len(source.shape) == 1 and o.shrinkAxisMask == 1:
        return Inferred([()])  # one value of a shape
    masks = o.ellipsisMask or o.newAxisMask or o.shrinkAxisMask or o.offset
    if masks or 0 in strides or len(strides) != len(source.shape):
        raise CannotInfer("its masks or strides are not supported")
    sizes, ends = [], []
    for axis, (now, before) in enumerate(zip(source.shape, source.before, strict=True)):
        if strides[axis] < 0:  # such as RGB turned into BGR
            if now != before:
                raise CannotInfer("it reverses rows or columns, whose number is not known")
            first, last = (
                None if mask >> axis & 1 else at[axis] for mask, at in ((o.beginMask, begin), (o.endMask, end))
            )
            sizes.append(len(range(now)[first : last : strides[axis]]))
            ends.append(end[axis])
            continue
        start = 0 if o.beginMask >> axis & 1 else begin[axis]
        whole = bool(o.endMask >> axis & 1) or (now != before and end[axis] >= before >= 0)
        if now != before and not whole and end[axis] >= 0:  # a negative end follows the size
            raise CannotInfer(f"it keeps pixels {start} to {end[axis]} of {before}; of {now} the number is not known")
        first, last, step = slice(start, None if whole else end[axis], strides[axis]).indices(now)
        sizes.append(len(range(first, last, step)))
        ends.append(end[axis] if end[axis] < 0 and not whole else last)
    return Inferred([tuple(sizes)], {2: np.array(ends, call.constant(2).dtype)})


_RULES: dict[str, Callable[[Call], Inferred]] = {
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "DEPTH_TO_SPACE": _depth_to_space,
    "FULLY_CONNECTED": _fully_connected,
    "L2_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _reduction,
    "MIRROR_PAD": _pad,
    "PAD": _pad,
    "PADV2": _pad,
    "REDUCE_MAX": _reduction,
    "REDUCE_MIN": _reduction,
    "REDUCE_PROD": _reduction,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SELECT": _select,
    "SELECT_V2": _select,
    "SLICE": _slice,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SPLIT": _split,
    "STRIDED_SLICE": _strided_slice,
    "SUM": _reduction,
    "TRANSPOSE_CONV": _transpose_convolution,
    **RESHAPE_RULES,
}
