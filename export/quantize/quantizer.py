"""Float TFLite graph + activation ranges → int8 TFLite graph, all int8 from end to end.

Follows TFLite's 8-bit specification: activations asymmetric per tensor, weights symmetric per output
channel, biases int32 at input scale times weight scale (https://ai.google.dev/edge/litert/models/quantization_spec).
TensorFlow's own quantiser is not used: it records wrong ranges where a tensor feeds an addition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.quantization.qparams import (
    IMAGE_RANGE,
    MIN_RANGE_WIDTH,
    RESIDUAL_RANGE,
    align_activation_ranges,
    align_addend_max,
    scale_and_zero_point,
)

from ..tflite import Graph, Node, Quantization, Tensor, fused_activation

Range = tuple[float, float]
"""The lowest and highest real value that a tensor can hold; values beyond are clipped."""

# The version of each operator that says "int8" (tflite/converter/tools/versioning/op_version.cc).
INT8_VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "ADD": 2,
    "DEPTH_TO_SPACE": 2,
    "PRELU": 1,
    "LEAKY_RELU": 1,
}
_CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}


def quantize(graph: Graph, ranges: Mapping[str, Range]) -> Graph:
    """The int8 graph; input and output are pinned to `IMAGE_RANGE`.

    Args:
        graph: a float graph in the form of its target (see `forms`).
        ranges: one per activation, by the tensor's name, that it holds at least: steps that fit into each other
            can widen it (see `ecbsr_mobile.quantization.qparams`). Those of `pinned` activations are not looked at.

    Raises:
        EcbsrError: an operator that has no int8 form here, or a tensor without a range.
    """
    spans = _held_apart(graph, _fitting(graph, _ranges(graph, ranges)))
    tensors = list(graph.tensors)
    nodes = []
    for index, limits in spans.items():
        tensors[index] = replace(tensors[index], dtype=np.dtype(np.int8), quantization=affine(limits))
    for node in graph.nodes:
        if node.operator not in INT8_VERSIONS:
            raise EcbsrError(f"{node.operator} has no int8 form here; {', '.join(INT8_VERSIONS)} have")
        inputs = list(node.inputs)
        for position, constant in _constants(node, tensors).items():
            inputs[position] = len(tensors)
            tensors.append(constant)
        nodes.append(replace(node, inputs=tuple(inputs), version=INT8_VERSIONS[node.operator]))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def activations(graph: Graph) -> list[int]:
    """The tensors that depend on the image, in the order in which they are computed."""
    return [*graph.inputs, *(index for node in graph.nodes for index in node.outputs)]


def pinned(graph: Graph) -> dict[int, Range]:
    """The activations whose range is known: the image, the result, and what must fit to them.

    DEPTH_TO_SPACE moves bytes, so its input is the result's equal. Copies of the image (a convolution whose
    weights are ones and zeros, the residual) hold the image's values, and are exact if they keep its scale; so is
    their sum with what is added to them, the `RESIDUAL_RANGE`.
    """
    pixels = {*graph.inputs, *graph.outputs}
    for node in reversed(graph.nodes):
        if node.operator == "DEPTH_TO_SPACE" and node.outputs[0] in pixels:
            pixels.add(node.inputs[0])
    pixels |= {node.outputs[0] for node in graph.nodes if node.inputs[0] in graph.inputs and copies_image(graph, node)}
    fixed: dict[int, Range] = dict.fromkeys(pixels, IMAGE_RANGE)
    for node in graph.nodes:
        if node.operator == "ADD" and node.outputs[0] in pixels and set(node.inputs) & pixels:
            fixed |= dict.fromkeys(set(node.inputs) - pixels, RESIDUAL_RANGE)
    return fixed


def _ranges(graph: Graph, ranges: Mapping[str, Range]) -> dict[int, Range]:
    """The range of every activation, as given or pinned; each holds 0."""
    found = pinned(graph)
    for index in activations(graph):
        name = graph.tensors[index].name
        if index in found:
            continue
        if name not in ranges:
            raise EcbsrError(f"no range is known for the activation {name}; calibrate the graph that is quantised")
        found[index] = min(ranges[name][0], 0.0), max(ranges[name][1], 0.0)
    return found


def _fitting(graph: Graph, ranges: dict[int, Range]) -> dict[int, Range]:
    """Widen the ranges around each activation function until their steps fit into each other."""
    ranges = dict(ranges)
    rests = {node.outputs[0]: node.inputs[0] for node in graph.nodes if node.operator == "DEPTHWISE_CONV_2D"}
    for node in graph.nodes:
        source, result = node.inputs[0], node.outputs[0]
        summed = node.operator == "ADD" and rests.get(node.inputs[1]) == source
        if summed or node.operator in ("PRELU", "LEAKY_RELU"):
            ranges[source], ranges[result] = align_activation_ranges(ranges[source], ranges[result], summed)
        if summed:
            ranges[node.inputs[1]] = 0.0, align_addend_max(ranges[node.inputs[1]][1], ranges[result])
    return ranges


def _held_apart(graph: Graph, ranges: dict[int, Range]) -> dict[int, Range]:
    """Widen ranges until the ratios of scales between neighbours are such as XNNPACK takes.

    Its limits: in·weight/out below 2^8 in a convolution; in/out from 2^-10 to 2^8 in an ADD; from 2^-8 to 2^7
    in a LEAKY_RELU, also times its slope. Real networks keep far from them, dead channels and layers do not.
    """
    ranges = dict(ranges)

    def span(index: int) -> float:
        return ranges[index][1] - ranges[index][0]

    def widen(index: int, least: float) -> None:
        if span(index) < least:
            factor = least / span(index) if span(index) > 0 else 0.0
            low, high = ranges[index]
            ranges[index] = (low * factor, high * factor) if factor else (0.0, least)

    for node in [*graph.nodes, *graph.nodes]:  # twice, for an ADD can widen what an earlier node reads
        result = node.outputs[0]
        if node.operator in _CHANNEL_AXIS:
            weight = graph.tensors[node.inputs[1]].data
            steepest = float(np.abs(weight).max()) / 127 if weight is not None else 0.0
            widen(result, max(span(node.inputs[0]) * steepest / 2**7, MIN_RANGE_WIDTH))
        elif node.operator == "ADD":
            widen(result, max(span(index) for index in node.inputs) / 2**7)
            for index in node.inputs:
                widen(index, span(result) / 2**9)
        elif node.operator == "LEAKY_RELU":
            widen(result, span(node.inputs[0]) * max(1.0, node.options.alpha) / 2**6)
            widen(node.inputs[0], span(result) / min(1.0, node.options.alpha) / 2**7)
        elif node.operator == "PRELU":
            widen(result, MIN_RANGE_WIDTH)
    return ranges


def affine(limits: Range) -> Quantization:
    """Scale and zero point of int8 for a range (see `ecbsr_mobile.quantization.qparams`)."""
    scale, zero_point = scale_and_zero_point(*limits)
    return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))


def dequantized(tensor: Tensor) -> np.ndarray:
    """The real values [float64] of a quantised constant."""
    assert tensor.data is not None and tensor.quantization is not None
    shape = [1] * len(tensor.shape)
    if len(tensor.quantization.scale) > 1:
        shape[tensor.quantization.axis] = -1
    scale = tensor.quantization.scale.astype(np.float64).reshape(shape)
    real: np.ndarray = (tensor.data.astype(np.float64) - tensor.quantization.zero_point.reshape(shape)) * scale
    return real


def copies_image(graph: Graph, node: Node) -> bool:
    """Whether the node is a convolution that copies its input's channels, as the residual does."""
    if node.operator != "CONV_2D" or fused_activation(node) != "NONE":
        return False
    weight, bias = (graph.tensors[index].data for index in node.inputs[1:])
    return (
        weight is not None
        and bias is not None
        and not bias.any()
        and weight.shape[1:3] == (1, 1)
        and bool(np.all((weight == 0) | (weight == 1)) and np.all(weight.sum(axis=(1, 2, 3)) == 1))
    )


def _constants(node: Node, tensors: list[Tensor]) -> dict[int, Tensor]:
    """The quantised constants of a node, by their position among its inputs."""
    if node.operator in _CHANNEL_AXIS:
        weight, bias = _weight_and_bias(node, tensors)
        return {1: weight, 2: bias}
    if node.operator == "PRELU":
        return {1: _slope(tensors[node.inputs[1]])}
    if any(tensors[index].data is not None for index in node.inputs):
        raise EcbsrError(f"{node.operator} with a constant operand has no int8 form here")
    return {}


def _weight_and_bias(node: Node, tensors: list[Tensor]) -> tuple[Tensor, Tensor]:
    weight, bias = tensors[node.inputs[1]], tensors[node.inputs[2]]
    source, result = (tensors[index].quantization for index in (node.inputs[0], node.outputs[0]))
    if weight.data is None or bias.data is None or source is None or result is None:
        raise EcbsrError(f"{node.operator} {tensors[node.outputs[0]].name} has no constant weights and bias")
    axis = _CHANNEL_AXIS[node.operator]
    shape = [1] * weight.data.ndim
    shape[axis] = -1
    in_scale = float(source.scale[0])
    largest = np.abs(weight.data.astype(np.float64)).max(axis=tuple(i for i in range(weight.data.ndim) if i != axis))
    scale = largest / 127
    # A channel of tiny weights would make a bias that int32 cannot hold, or no scale at all: XNNPACK
    # refuses ratios of 2^-32 and below in some builds, and biases are to stay far from overflow.
    scale = np.maximum(scale, np.abs(bias.data.astype(np.float64)) / in_scale / 2**30)
    scale = np.maximum(scale, float(result.scale[0]) / in_scale * 2.0**-24).astype(np.float32)
    quantized = np.clip(np.round(weight.data / scale.reshape(shape).astype(np.float64)), -127, 127).astype(np.int8)
    bias_scale = (np.float32(in_scale) * scale).astype(np.float32)
    steps = np.round(bias.data / bias_scale.astype(np.float64)).astype(np.int32)
    zeros = np.zeros(len(scale), np.int64)
    return (
        replace(weight, dtype=np.dtype(np.int8), data=quantized, quantization=Quantization(scale, zeros, axis)),
        replace(bias, dtype=np.dtype(np.int32), data=steps, quantization=Quantization(bias_scale, zeros, 0)),
    )


def _slope(slope: Tensor) -> Tensor:
    """PRELU's slopes as int8: symmetric, one scale, which every delegate and the reference kernel take."""
    assert slope.data is not None
    scale = np.float32(max(float(np.abs(slope.data).max()), 1e-6) / 127)
    data = np.clip(np.round(slope.data / float(scale)), -127, 127).astype(np.int8)
    quantization = Quantization(np.array([scale], np.float32), np.zeros(1, np.int64))
    return replace(slope, dtype=np.dtype(np.int8), data=data, quantization=quantization)
