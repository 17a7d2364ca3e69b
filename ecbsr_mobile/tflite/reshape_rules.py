"""Output shapes of the operators that only arrange values, of any rank; their constants may contain a size."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .shape_call import Call, CannotInfer, Inferred, Shape, axis_of


def _reshape(call: Call) -> Inferred:
    source = call.operand(0)
    present = len(call.operands) > 1 and call.operands[1] is not None
    stated = call.constant(1).reshape(-1) if present else np.array(call.options.newShape, np.int32)
    target = [int(size) for size in stated]
    if target.count(-1) > 1 or min(target, default=0) < -1:
        raise CannotInfer(f"its target {target} is not a shape")
    if not (present and call.operand(1).follows) and source.resized and -1 not in source.before:
        target = _resized_target(source.before, source.shape, target)
    shape = _completed(source.shape, target)
    if len(stated) == len(shape) and all(old in (-1, new) for old, new in zip(stated.tolist(), shape, strict=True)):
        return Inferred([shape])  # its -1 absorbs the change
    if not present and shape != tuple(stated.tolist()):
        raise CannotInfer("its target is not an input, which could be changed")
    return Inferred([shape], {1: np.array(shape, stated.dtype)} if present else {})


def _completed(source: Shape, target: list[int]) -> Shape:
    """The target with its -1 replaced."""
    known = math.prod(size for size in target if size != -1)
    if -1 in target and known:
        target = [math.prod(source) // known if size == -1 else size for size in target]
    if math.prod(target) != math.prod(source):
        raise CannotInfer(f"its input {list(source)} does not have the size of its target {target}")
    return tuple(target)


def _resized_target(before: Shape, now: Shape, target: list[int]) -> list[int]:
    """The target for an input of the shape `now` instead of `before`."""
    result: list[int] = []
    for inputs, outputs in _groups(before, _completed(before, target)):
        old, new = ([shape[i] for i in inputs] for shape in (before, now))
        out = list(_completed(before, target)[outputs.start : outputs.stop])
        result += out if old == new else _resized_group(old, new, out)
    return result


def _groups(source: Shape, target: Shape) -> list[tuple[range, range]]:
    """The smallest groups of neighboring dimensions that have the same number of elements on both sides."""
    groups, i, j = [], 0, 0
    while i < len(source) or j < len(target):
        start_i, start_j = i, j
        inner = outer = 1
        while True:
            if i < len(source) and (i == start_i or inner < outer):
                inner, i = inner * source[i], i + 1
            elif j < len(target) and (j == start_j or outer < inner):
                outer, j = outer * target[j], j + 1
            else:
                break
        groups.append((range(start_i, i), range(start_j, j)))
    return groups


def _resized_group(old: list[int], new: list[int], out: list[int]) -> list[int]:
    """The new sizes of a group of target dimensions, of which one absorbs the change.

    Where the group has several, the first one does: more rows are then added behind the others. That needs the
    input's first dimension to be the only one that changes, and the target's first to be the largest, as in
    [H] → [H / 2, 2]. [2, H / 2] or [H, W] from [H · W] would be something else.
    """
    wide = [k for k, size in enumerate(out) if size != 1]
    total = math.prod(new)
    if len(wide) <= 1:
        place = wide[0] if wide else len(out) - 1
        return [total if k == place else 1 for k in range(len(out))]
    lead = next((k for k, size in enumerate(old) if size != 1), 0)
    changed = [k for k, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    first, rest = wide[0], math.prod(out[k] for k in wide[1:])
    if (
        changed != [lead]
        or out[first] < max(out[k] for k in wide)
        or len([k for k in old if k != 1]) > 2
        or total % rest
    ):
        raise CannotInfer(f"it arranges {old} as {out}; how it would arrange {new} is not known")
    return [total // rest if k == first else size for k, size in enumerate(out)]


def _transpose(call: Call) -> Inferred:
    shape, order = call.operand(0).shape, call.constant(1).reshape(-1).tolist()
    if sorted(order) != list(range(len(shape))):
        raise CannotInfer(f"{order} is not a permutation of {len(shape)} dimensions")
    return Inferred([tuple(shape[axis] for axis in order)])


def _gather(call: Call) -> Inferred:
    source, indices = call.operand(0), call.operand(1)
    axis = axis_of(call.options.axis, len(source.shape))
    if call.options.batchDims:
        raise CannotInfer("it has batch dimensions")
    if source.resized and source.shape[axis] != source.before[axis]:
        raise CannotInfer(f"it selects from {source.before[axis]} values; of {source.shape[axis]} it is not known")
    return Inferred([(*source.shape[:axis], *indices.shape, *source.shape[axis + 1 :])])


def _expand_dims(call: Call) -> Inferred:
    shape = call.operand(0).shape
    axis = axis_of(int(call.constant(1).reshape(-1)[0]), len(shape) + 1)
    return Inferred([(*shape[:axis], 1, *shape[axis:])])


def _squeeze(call: Call) -> Inferred:
    shape = call.operand(0).shape
    stated = call.options.squeezeDims
    axes = set() if stated is None else {axis_of(int(axis), len(shape)) for axis in stated}
    axes = axes or {axis for axis, size in enumerate(shape) if size == 1}
    if any(shape[axis] != 1 for axis in axes):
        raise CannotInfer(f"it removes dimensions of {list(shape)} that are not 1")
    return Inferred([tuple(size for axis, size in enumerate(shape) if axis not in axes)])


def _pack(call: Call) -> Inferred:
    shapes = {call.operand(i).shape for i in range(len(call.operands))}
    if len(shapes) != 1:
        raise CannotInfer("its inputs differ in shape")
    (shape,) = shapes
    axis = axis_of(call.options.axis, len(shape) + 1)
    return Inferred([(*shape[:axis], len(call.operands), *shape[axis:])])


def _unpack(call: Call) -> Inferred:
    shape = call.operand(0).shape
    axis = axis_of(call.options.axis, len(shape))
    if shape[axis] != len(call.before):
        raise CannotInfer(f"it has {len(call.before)} outputs for {shape[axis]} slices")
    return Inferred([(*shape[:axis], *shape[axis + 1 :])] * len(call.before))


def _tile(call: Call) -> Inferred:
    shape, times = call.operand(0).shape, call.constant(1).reshape(-1).tolist()
    return Inferred([tuple(size * count for size, count in zip(shape, times, strict=True))])


def _shape(call: Call) -> Inferred:
    return Inferred([(len(call.operand(0).shape),)])


def _split_v(call: Call) -> Inferred:
    source, sizes = call.operand(0), call.constant(1).reshape(-1).tolist()
    axis = axis_of(int(call.constant(2).reshape(-1)[0]), len(source.shape))
    if -1 in sizes:
        sizes[sizes.index(-1)] = source.shape[axis] - sum(sizes) - 1
    if sum(sizes) != source.shape[axis] or min(sizes) < 0:
        raise CannotInfer(f"{source.shape[axis]} cannot be split into {sizes}")
    return Inferred([(*source.shape[:axis], size, *source.shape[axis + 1 :]) for size in sizes])


RESHAPE_RULES: dict[str, Callable[[Call], Inferred]] = {
    "EXPAND_DIMS": _expand_dims,
    "GATHER": _gather,
    "PACK": _pack,
    "RESHAPE": _reshape,
    "SHAPE": _shape,
    "SPLIT_V": _split_v,
    "SQUEEZE": _squeeze,
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "UNPACK": _unpack,
}
