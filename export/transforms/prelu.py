"""PReLU as each target runs it best in int8.

XNNPACK, the CPU runtime, has no int8 PRELU: each one would run on a slow kernel and split the graph. It has
DEPTHWISE_CONV_2D with fused RELU and ADD, and

    prelu(x) = max(x, a·x) = x + relu((a - 1)·x)        "single"
                           = relu((1 - a)·x) + a·x      "double"

exactly for a slope a ≤ 1, negative slopes included. "single" cancels: both addends are as large as x, which reaches far
below zero where its slope is small. "double" does not, and its x needs no common scale: each channel is stored in units
of its own range, which the depthwise convolutions undo.

For a slope above 1 the maximum becomes a minimum. The sign of such a channel is changed first, in the convolutions
before and after it, since

    -prelu(x) = max(u, u/a) = prelu(u) with slope 1/a     with u = -a·x and a > 1.

Accelerators run PRELU natively, and some refuse a depthwise 1x1 convolution.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.quantization.qparams import LEAKY_SLOPES
from ecbsr_mobile.tflite import Graph, Node, Tensor

from .channels import convolution_before, scale_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecbsr_mobile.architecture import PReLUDecomposition


def decompose_prelu(
    graph: Graph, decomposition: PReLUDecomposition, channel_ranges: NDArray[np.float32] | None = None
) -> Graph:
    """The float graph with its activations written for int8; the result is the same.

    For "native", PRELU stays, and a LEAKY_RELU whose slope XNNPACK refuses becomes PRELU. Otherwise both become
    depthwise convolutions and ADD. RELU, fused into the convolution, stays.

    Args:
        graph: a converted float graph.
        decomposition: see `ecbsr_mobile.architecture.PReLUDecomposition`.
        channel_ranges: [layers, channels, 2], minimum and maximum of each channel before its PReLU, for "double".

    Raises:
        EcbsrError: an activation that is not between two convolutions, where those would have to change.
    """
    graph = _with_slope_per_channel(with_unshared_constants(graph))
    if decomposition == "native":
        return graph
    graph = fold_steep_slopes(graph)
    editor = _Editor(graph)
    ranges = iter(() if channel_ranges is None else channel_ranges)
    for node in graph.nodes:
        if node.operator != "PRELU":
            editor.nodes.append(node)
        elif decomposition == "single":
            editor.add_single(node)
        elif channel_ranges is None:
            raise ValueError("the decomposition double needs the range of each channel")
        else:
            editor.add_double(node, next(ranges))
    return replace(graph, tensors=tuple(editor.tensors), nodes=tuple(editor.nodes))


def fold_steep_slopes(graph: Graph) -> Graph:
    """A float graph in which no PRELU has a slope above 1; the result is the same.

    Raises:
        EcbsrError: a PRELU with such a slope that is not between two convolutions.
    """
    tensors = list(graph.tensors)
    for node in graph.nodes:
        if node.operator != "PRELU":
            continue
        slope = tensors[node.inputs[1]]
        assert slope.data is not None
        slopes = slope.data.reshape(-1)
        steep = slopes > 1
        if not steep.any():
            continue
        after = [reader for reader in graph.nodes if node.outputs[0] in reader.inputs and reader.operator == "CONV_2D"]
        before = convolution_before(graph, after[0]) if len(after) == 1 else None
        if before is None:
            raise EcbsrError(f"a PRELU with a slope of {slopes.max():g}, above 1, must be between two convolutions")
        scale_channels(tensors, before, after[0], np.where(steep, -slopes, 1), np.where(steep, -1, 1))
        folded = np.where(steep, 1 / np.where(steep, slopes, 1), slopes)
        tensors[node.inputs[1]] = replace(slope, data=folded.astype(np.float32).reshape(slope.shape))
    return replace(graph, tensors=tuple(tensors))


def _with_slope_per_channel(graph: Graph) -> Graph:
    """The graph whose PRELUs have a slope per channel; a LEAKY_RELU that XNNPACK refuses becomes one of them."""
    tensors, nodes = list(graph.tensors), []
    for node in graph.nodes:
        result = graph.tensors[node.outputs[0]]
        channels = result.shape[-1]
        if node.operator == "LEAKY_RELU" and not LEAKY_SLOPES[0] <= node.options.alpha <= LEAKY_SLOPES[1]:
            slopes = np.full(channels, node.options.alpha, np.float32)
        elif node.operator == "PRELU":
            data = graph.tensors[node.inputs[1]].data
            if data is None or data.size not in (1, channels):
                raise EcbsrError(f"a PRELU of {channels} channels must have a constant slope per channel")
            slopes = np.broadcast_to(data.reshape(-1), (channels,)).astype(np.float32)
        else:
            nodes.append(node)
            continue
        nodes.append(Node("PRELU", (node.inputs[0], len(tensors)), node.outputs))
        tensors.append(Tensor(f"{result.name}/slope", (1, 1, channels), slopes.dtype, slopes.reshape(1, 1, channels)))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


class _Editor:
    """The tensors and nodes of the new graph; tensor indices of the given graph stay valid."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: list[Tensor] = list(graph.tensors)
        self.nodes: list[Node] = []

    def append(self, tensor: Tensor) -> int:
        """Append a tensor and return its index."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, name: str, value: np.ndarray) -> int:
        """Append a float32 constant and return its index."""
        value = value.astype(np.float32)
        return self.append(Tensor(name, value.shape, value.dtype, value))

    def add_single(self, node: Node) -> None:
        """Write a PRELU as DEPTHWISE_CONV_2D with fused RELU, and ADD."""
        source, result, slopes = node.inputs[0], node.outputs[0], self._slopes(node)
        addend = self._depthwise(source, f"{self.tensors[result].name}/addend", slopes - 1, np.zeros(len(slopes)), True)
        self.nodes.append(Node("ADD", (source, addend), (result,), options=schema.AddOptionsT()))

    def add_double(self, node: Node, channel_ranges: np.ndarray) -> None:
        """Write a PRELU as two DEPTHWISE_CONV_2D, one with fused RELU, and ADD.

        The convolution before it then gives x' = (x - minimum) / (maximum - minimum) of each channel.
        """
        source, result, slopes = node.inputs[0], node.outputs[0], self._slopes(node)
        low, high = channel_ranges.astype(np.float64).T
        width = high - low
        self._scale_outputs(source, 1 / width, -low / width)
        name = self.tensors[result].name
        addends = [
            self._depthwise(source, f"{name}/{part}", factors * width, factors * low, relu)
            for part, factors, relu in (("addend", 1 - slopes, True), ("linear", slopes, False))
        ]
        self.nodes.append(Node("ADD", (addends[0], addends[1]), (result,), options=schema.AddOptionsT()))

    def _slopes(self, node: Node) -> np.ndarray:
        data = self.tensors[node.inputs[1]].data
        assert data is not None
        return data.reshape(-1)

    def _depthwise(self, source: int, name: str, weights: np.ndarray, biases: np.ndarray, relu: bool) -> int:
        """Append a depthwise 1x1 convolution; returns the index of its result."""
        weight = self.constant(f"{name}/weight", weights.reshape(1, 1, 1, -1))
        bias = self.constant(f"{name}/bias", biases)
        result = self.append(replace(self.tensors[source], name=name))
        kind = schema.ActivationFunctionType
        options = schema.DepthwiseConv2DOptionsT(schema.Padding.VALID, 1, 1, 1, kind.RELU if relu else kind.NONE)
        self.nodes.append(Node("DEPTHWISE_CONV_2D", (source, weight, bias), (result,), options=options))
        return result

    def _scale_outputs(self, index: int, factors: np.ndarray, offsets: np.ndarray) -> None:
        """Change the output channels of the convolution that computes a tensor; only its activation may read it."""
        writers = [node for node in self.graph.nodes if index in node.outputs]
        readers = [node for node in self.graph.nodes if index in node.inputs]
        if [node.operator for node in writers] != ["CONV_2D"] or len(readers) != 1 or index in self.graph.outputs:
            raise EcbsrError(_NOT_BETWEEN_CONVOLUTIONS)
        _, weight, bias = writers[0].inputs
        for constant, scale, offset in ((weight, factors.reshape(-1, 1, 1, 1), 0.0), (bias, factors, offsets)):
            tensor = self.tensors[constant]
            if tensor.data is None:
                raise EcbsrError(_NOT_BETWEEN_CONVOLUTIONS)
            self.tensors[constant] = replace(tensor, data=(tensor.data * scale + offset).astype(np.float32))


def with_unshared_constants(graph: Graph) -> Graph:
    """The graph with one constant per reader: converters merge equal constants, and edits must not change both."""
    tensors, nodes, used = list(graph.tensors), [], set()
    for node in graph.nodes:
        inputs = list(node.inputs)
        for position, index in enumerate(inputs):
            if index >= 0 and graph.tensors[index].data is not None:
                if index in used:
                    inputs[position] = len(tensors)
                    tensors.append(graph.tensors[index])
                used.add(index)
        nodes.append(replace(node, inputs=tuple(inputs)))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


_NOT_BETWEEN_CONVOLUTIONS = "a PRELU must be between two convolutions to be decomposed for a CPU"
