"""How far from a pixel of the input each pixel of the output can depend on it, so that an image can be cut into tiles.

Every activation gets, for each of its values, the first and last row and column of the input that it depends on. The
operators combine these as they combine values, whatever their stride, dilation, rank or layout.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..errors import EcbsrError
from .four_pixels import without_four_pixels
from .graph import Graph, image_input, image_shape, is_channels_first
from .reach_rules import Reach, Step, is_known, outputs
from .resize import at_size, scale_of

SIZES = (96, 192, 384)
"""LR pixels along a side of the image that is followed; a field that covers the last one is unbounded."""

MAX_STEP = 32


class ReceptiveField(NamedTuple):
    """The receptive field of a model, in LR pixels.

    Attributes:
        radius: how far a pixel can depend on others; None where there is no bound, or it is not known.
        step: tiles start at multiples of it, because a stride makes the result depend on the position, and images that
            have no such size are extended to one.
    """

    radius: int | None
    step: int


def receptive_field(graph: Graph) -> ReceptiveField:
    """The receptive field of a super-resolution model.

    Raises:
        EcbsrError: its output is not a larger image.
    """
    graph = without_four_pixels(graph) or graph
    field = _followed(graph, scale_of(graph))
    return field._replace(step=_supported_step(graph, field.step))


def _supported_step(graph: Graph, least: int) -> int:
    """The smallest multiple of `least` whose multiples the graph supports as sizes; `least` where there is none."""
    for step in range(least, MAX_STEP + 1, least):
        try:
            at_size(graph, 67 * step, 71 * step)  # primes, so that no other number divides both sides
        except EcbsrError:
            continue
        return step
    return least


def _followed(graph: Graph, scale: int) -> ReceptiveField:
    """The receptive field of a graph, at the sizes that it supports."""
    for size in SIZES:
        try:
            sized = at_size(graph, size, size)
        except EcbsrError:
            break
        field = _field(sized, scale)
        if field.radius is not None:
            return field
        if not all(is_known(node) for node in graph.nodes):
            return field
    else:
        return field
    height, width, _ = image_shape(graph)
    try:
        return _field(graph, scale) if height > 1 and width > 1 else ReceptiveField(None, 1)
    except ValueError:  # a shape in the file is not that of what its node computes
        return ReceptiveField(None, 1)


def _field(graph: Graph, scale: int) -> ReceptiveField:
    """The receptive field of a graph of fixed size, as far as that size shows it."""
    reaches = _reaches(graph)
    result = reaches.get(graph.outputs[0])
    if result is None:
        return ReceptiveField(None, 1)
    if is_channels_first(graph, "output"):
        result = result.transpose(0, 1, 3, 4, 2)
    height, width, _ = image_shape(graph)
    reach = result.max(axis=4)  # [4, 1, H, W]
    radius, step = 0, 1
    for first, length, axes in ((0, height, (1, 3)), (2, width, (1, 2))):
        position = np.arange(length * scale) // scale
        before, after = reach[first : first + 2].max(axis=axes).astype(int)
        low, high = -before, after
        radius = max(radius, int((position - low).max()), int((high - position).max()))
        period = _period(low, high, length, scale)
        if period is None:
            return ReceptiveField(None, 1)
        step = math.lcm(step, period)
    return ReceptiveField(radius, step)


def _period(low: np.ndarray, high: np.ndarray, length: int, scale: int) -> int | None:
    """After how many LR pixels the reach of the output repeats; None where the image is too small to tell."""
    inner = np.flatnonzero((low > 0) & (high < length - 1))
    for step in range(1, MAX_STEP + 1):
        pairs = inner[np.isin(inner + step * scale, inner)]
        later = pairs + step * scale
        if len(pairs) and (low[later] - low[pairs] == step).all() and (high[later] - high[pairs] == step).all():
            return step
    return None


def _reaches(graph: Graph) -> dict[int, Reach]:
    image = image_input(graph)
    height, width, _ = image_shape(graph)
    rows, columns = np.arange(height, dtype=np.int16), np.arange(width, dtype=np.int16)
    y, x = (2, 3) if is_channels_first(graph) else (1, 2)
    start = np.empty((4, *image.shape), np.int16)
    along_y, along_x = ([-1 if axis == wanted else 1 for axis in range(4)] for wanted in (y, x))
    start[0], start[1] = -rows.reshape(along_y), rows.reshape(along_y)
    start[2], start[3] = -columns.reshape(along_x), columns.reshape(along_x)
    reaches: dict[int, Reach] = {graph.inputs[0]: start}
    last_use = {index: number for number, node in enumerate(graph.nodes) for index in node.inputs}
    whole = np.array([0, height - 1, 0, width - 1], np.int16)
    for number, node in enumerate(graph.nodes):
        operands = [reaches.get(index) for index in node.inputs]
        if all(operand is None for operand in operands):
            continue
        constants = [graph.tensors[index].data if index >= 0 else None for index in node.inputs]
        shapes, input_shapes = (
            [graph.tensors[index].shape if index >= 0 else () for index in indices]
            for indices in (node.outputs, node.inputs)
        )
        results = outputs(Step(node, operands, constants, shapes, input_shapes))
        for position, index in enumerate(node.outputs):
            shape = graph.tensors[index].shape
            if results is None or position >= len(results) or results[position].shape != (4, *shape):
                reaches[index] = np.broadcast_to(whole.reshape(4, *[1] * len(shape)), (4, *shape))
            else:
                reaches[index] = results[position]
        for index in node.inputs:
            if last_use[index] == number and index not in graph.outputs:
                reaches.pop(index, None)
    return reaches
