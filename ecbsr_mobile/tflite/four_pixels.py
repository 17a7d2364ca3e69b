"""The end of an int8 network for four pixels at a time: the same bytes with less than half of the work.

XNNPACK's int8 kernels compute 16 output channels at once, of which the last convolution of a luma network at x2 needs
four. Here, a convolution of stride 2 computes the results of 2x2 pixels, and needs all 16: its kernel has one more row
and column, and contains that of each pixel at its place, and zeros. DEPTH_TO_SPACE with blocks of twice the size puts
the results where they belong. Each one is the sum of the same products as before, so the bytes are equal.

LiteRT gives one LR pixel too many where such a file is resized to an odd side; `resize` and `receptive_field` go by the
graph without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from .graph import INT8, SAME_PADDING, Graph, Node, Quantization, Tensor, image_shape

KERNEL_CHANNELS = 16
"""Output channels that XNNPACK's int8 kernels compute at once where they use dot products of bytes."""


def with_four_pixels(graph: Graph) -> Graph:
    """The int8 graph with its end for 2x2 pixels; the graph itself where that gains nothing, or a side is odd."""
    height, width, _ = image_shape(graph)
    end = _end(graph, stride=1)
    if end is None or height % 2 or width % 2 or 4 * end.channels > KERNEL_CHANNELS:
        return graph
    tensors, nodes = list(graph.tensors), list(graph.nodes)
    order = _order(end.block, end.channels)
    for number in end.convolutions:
        kernel = tensors[nodes[number].inputs[1]].data
        assert kernel is not None
        _, rows, columns, inputs = kernel.shape
        larger = np.zeros((len(order), rows + 1, columns + 1, inputs), kernel.dtype)
        for place, (row, column, channel) in enumerate(order):
            larger[place, row : row + rows, column : column + columns] = kernel[channel]
        nodes[number] = _convolution(nodes[number], tensors, larger, [channel for _, _, channel in order], 2)
    return _with_end(graph, end, tensors, nodes, 2 * end.block)


def without_four_pixels(graph: Graph) -> Graph | None:
    """The graph that `with_four_pixels` gave this one for; None where it did not."""
    end = _end(graph, stride=2)
    if end is None or end.block % 2:
        return None
    tensors, nodes = list(graph.tensors), list(graph.nodes)
    order = _order(end.block // 2, end.channels // 4)
    first = [place for place, (row, column, _) in enumerate(order) if (row, column) == (0, 0)]
    for number in end.convolutions:
        kernel = tensors[nodes[number].inputs[1]].data
        assert kernel is not None
        nodes[number] = _convolution(nodes[number], tensors, kernel[first, :-1, :-1], first, 1)
    plain = _with_end(graph, end, tensors, nodes, end.block // 2)
    again = with_four_pixels(plain)
    return plain if all(_same(graph, again, number) for number in end.convolutions) else None


class _End(NamedTuple):
    """The last nodes of a graph, by their numbers, and how many channels there are before DEPTH_TO_SPACE."""

    convolutions: list[int]
    shuffle: int
    block: int
    channels: int


def _end(graph: Graph, stride: int) -> _End | None:
    """The DEPTH_TO_SPACE of an int8 convolution of this stride, or of the sum of such convolutions."""
    number = next((n for n, node in enumerate(graph.nodes) if node.operator == "DEPTH_TO_SPACE"), None)
    if number is None or getattr(graph.nodes[number].options, "blockSize", 0) < 1:
        return None
    source, block = graph.nodes[number].inputs[0], graph.nodes[number].options.blockSize
    shape = graph.tensors[source].shape
    makers = {index: n for n, node in enumerate(graph.nodes[:number]) for index in node.outputs}
    last = makers.get(source)
    if last is None or len(shape) != 4 or shape[3] % block**2:
        return None
    summed = graph.nodes[last].operator == "ADD"
    results = graph.nodes[last].inputs if summed else (source,)
    convolutions = [makers[index] for index in results if index in makers]
    fit = all(_fits(graph, graph.nodes[n], shape, stride) for n in convolutions)
    return _End(convolutions, number, block, shape[3]) if fit and len(convolutions) == len(results) else None


def _fits(graph: Graph, node: Node, shape: tuple[int, ...], stride: int) -> bool:
    """Whether a node is an int8 convolution with this stride and result, and a kernel in the middle of its padding."""
    if node.operator != "CONV_2D" or len(node.inputs) != 3 or min(node.inputs) < 0 or node.options is None:
        return False
    o, weight, bias = node.options, graph.tensors[node.inputs[1]], graph.tensors[node.inputs[2]]
    return (
        (o.strideH, o.strideW, o.dilationHFactor, o.dilationWFactor, o.padding) == (stride, stride, 1, 1, SAME_PADDING)
        and weight.type_name == INT8
        and weight.data is not None
        and bias.data is not None
        and len(weight.shape) == 4
        and all(side % 2 == stride % 2 for side in weight.shape[1:3])
        and graph.tensors[node.outputs[0]].shape == shape
        and weight.shape[0] == bias.data.size == shape[3]
    )


def _order(block: int, channels: int) -> list[tuple[int, int, int]]:
    """For each channel before the larger DEPTH_TO_SPACE: the row and column in 2x2 pixels, and the channel there."""
    colors, side = channels // block**2, range(2 * block)
    return [
        (row // block, column // block, (row % block * block + column % block) * colors + color)
        for row, column, color in product(side, side, range(colors))
    ]


def _convolution(node: Node, tensors: list[Tensor], kernel: np.ndarray, channels: Sequence[int], stride: int) -> Node:
    """The convolution with this kernel, and the bias and scales of these channels; appends them to `tensors`."""
    weight, bias = (tensors[index] for index in node.inputs[1:])
    assert bias.data is not None
    tensors += [
        replace(weight, shape=kernel.shape, data=kernel, quantization=_at(weight.quantization, channels)),
        replace(bias, shape=(len(channels),), data=bias.data[channels], quantization=_at(bias.quantization, channels)),
    ]
    options = copy(node.options)
    options.strideH = options.strideW = stride
    return replace(node, inputs=(node.inputs[0], len(tensors) - 2, len(tensors) - 1), options=options)


def _at(quantization: Quantization | None, channels: Sequence[int]) -> Quantization | None:
    if quantization is None or len(quantization.scale) == 1:
        return quantization
    return replace(quantization, scale=quantization.scale[channels], zero_point=quantization.zero_point[channels])


def _with_end(graph: Graph, end: _End, tensors: list[Tensor], nodes: list[Node], block: int) -> Graph:
    """The graph with other convolutions at its end, whose results DEPTH_TO_SPACE puts in place in blocks of a size."""
    options = copy(nodes[end.shuffle].options)
    options.blockSize = block
    nodes[end.shuffle] = replace(nodes[end.shuffle], options=options)
    channels = end.channels * block**2 // end.block**2
    for index in {nodes[end.shuffle].inputs[0], *(nodes[number].outputs[0] for number in end.convolutions)}:
        batch, rows, columns, _ = tensors[index].shape
        shape = (batch, rows * end.block // block, columns * end.block // block, channels)
        tensors[index] = replace(tensors[index], shape=shape)
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def _same(graph: Graph, other: Graph, number: int) -> bool:
    """Whether a convolution has the same constants in both graphs."""
    pairs = zip(*([g.tensors[index] for index in g.nodes[number].inputs[1:]] for g in (graph, other)), strict=True)
    return all(np.array_equal(a.data, b.data) and _scales(a) == _scales(b) for a, b in pairs)


def _scales(tensor: Tensor) -> tuple[list[float], list[int]] | None:
    q = tensor.quantization
    return None if q is None else (q.scale.tolist(), q.zero_point.tolist())
