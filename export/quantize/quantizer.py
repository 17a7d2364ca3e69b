"""Float TFLite graph + activation ranges → int8 TFLite graph, with int8 input and output.

Follows TFLite's 8-bit specification: activations asymmetric per tensor, weights symmetric per output channel, biases
int32 with scale input scale · weight scale (https://ai.google.dev/edge/litert/models/quantization_spec). TensorFlow's
quantizer is not used: it records wrong ranges where a tensor is the input of an addition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.quantization import qparams
from ecbsr_mobile.quantization.qparams import IMAGE_RANGE, MIN_RANGE_WIDTH, RESIDUAL_RANGE
from ecbsr_mobile.tflite import Graph, Node, Quantization, Tensor, fused_activation

if TYPE_CHECKING:
    from numpy.typing import NDArray

Range = tuple[float, float]
"""Minimum and maximum real value of a tensor; values beyond are clipped."""

# The version of each operator that stands for int8 (tflite/converter/tools/versioning/op_version.cc).
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
    """The int8 graph of a float graph; the ranges of its input and output are `IMAGE_RANGE`.

    Args:
        graph: a float graph with PReLU written for its target (see `transforms.prelu`).
        ranges: the range of each activation by tensor name; aligning scales can widen it (see
            `ecbsr_mobile.quantization.qparams`). `pinned` activations need none.

    Raises:
        EcbsrError: an operator that is not in `INT8_VERSIONS`, or an activation without a range.
    """
    widened = _limit_scale_ratios(graph, _align_scales(graph, _all_ranges(graph, ranges)))
    tensors = list(graph.tensors)
    nodes = []
    for index, limits in widened.items():
        tensors[index] = replace(tensors[index], dtype=np.dtype(np.int8), quantization=quantization(limits))
    for node in graph.nodes:
        if node.operator not in INT8_VERSIONS:
            raise EcbsrError(f"{node.operator} cannot be quantized; {', '.join(INT8_VERSIONS)} can")
        inputs = list(node.inputs)
        for position, constant in _constants(node, tensors).items():
            inputs[position] = len(tensors)
            tensors.append(constant)
        nodes.append(replace(node, inputs=tuple(inputs), version=INT8_VERSIONS[node.operator]))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def activation_indices(graph: Graph) -> list[int]:
    """Indices of the tensors that depend on the image, in the order of computation."""
    return [*graph.inputs, *(index for node in graph.nodes for index in node.outputs)]


def pinned(graph: Graph) -> dict[int, Range]:
    """The activations whose range is fixed, by index: the image, the result, and those that must have their scale.

    DEPTH_TO_SPACE only moves values, so its input has the range of its output. The residual, a convolution that copies
    the image, is exact with the image's scale, and so is its sum with an addend of the same scale (`RESIDUAL_RANGE`).
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


def free_activations(graph: Graph) -> list[int]:
    """The tensors whose range is to be chosen: all activations but those of `pinned`."""
    fixed = pinned(graph)
    return [index for index in activation_indices(graph) if index not in fixed]


def _all_ranges(graph: Graph, ranges: Mapping[str, Range]) -> dict[int, Range]:
    """The range of every activation by index, given or pinned, widened to include 0."""
    result = pinned(graph)
    for index in activation_indices(graph):
        name = graph.tensors[index].name
        if index in result:
            continue
        if name not in ranges:
            raise EcbsrError(f"no range is known for the activation {name}; calibrate the graph that is quantized")
        result[index] = min(ranges[name][0], 0.0), max(ranges[name][1], 0.0)
    return result


def _align_scales(graph: Graph, ranges: dict[int, Range]) -> dict[int, Range]:
    """Widen the ranges around each activation function until their scales are aligned."""
    ranges = dict(ranges)
    depthwise = {node.outputs[0]: node.inputs[0] for node in graph.nodes if node.operator == "DEPTHWISE_CONV_2D"}
    for node in graph.nodes:
        source, result = node.inputs[0], node.outputs[0]
        summed = node.operator == "ADD" and depthwise.get(node.inputs[1]) == source
        if summed or node.operator in ("PRELU", "LEAKY_RELU"):
            ranges[source], ranges[result] = qparams.align_activation_ranges(ranges[source], ranges[result], summed)
        if summed:
            ranges[node.inputs[1]] = 0.0, qparams.align_addend_max(ranges[node.inputs[1]][1], ranges[result])
    return ranges


def _limit_scale_ratios(graph: Graph, ranges: dict[int, Range]) -> dict[int, Range]:
    """Widen ranges until the ratios of the scales of neighboring tensors are within XNNPACK's limits.

    in·weight/out must be below 2^8 in a convolution; in/out between 2^-10 and 2^8 in an ADD, and between 2^-8 and 2^7
    in a LEAKY_RELU, also times its slope. Only dead channels and layers of real networks come near these limits.
    """
    ranges = dict(ranges)

    def width(index: int) -> float:
        return ranges[index][1] - ranges[index][0]

    def widen(index: int, min_width: float) -> None:
        if 0 < width(index) < min_width:
            factor = min_width / width(index)
            ranges[index] = ranges[index][0] * factor, ranges[index][1] * factor
        elif width(index) < min_width:
            ranges[index] = 0.0, min_width

    for node in [*graph.nodes, *graph.nodes]:  # twice: an ADD can widen the input of an earlier node
        result = node.outputs[0]
        if node.operator in _CHANNEL_AXIS:
            weight = graph.tensors[node.inputs[1]].data
            max_weight_scale = float(np.abs(weight).max()) / 127 if weight is not None else 0.0
            widen(result, max(width(node.inputs[0]) * max_weight_scale / 2**7, MIN_RANGE_WIDTH))
        elif node.operator == "ADD":
            widen(result, max(width(index) for index in node.inputs) / 2**7)
            for index in node.inputs:
                widen(index, width(result) / 2**9)
        elif node.operator == "LEAKY_RELU":
            widen(result, width(node.inputs[0]) * max(1.0, node.options.alpha) / 2**6)
            widen(node.inputs[0], width(result) / min(1.0, node.options.alpha) / 2**7)
        elif node.operator == "PRELU":
            widen(result, MIN_RANGE_WIDTH)
    return ranges


def quantization(limits: Range) -> Quantization:
    """The int8 scale and zero point of a range (see `qparams.scale_and_zero_point`)."""
    scale, zero_point = qparams.scale_and_zero_point(*limits)
    return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))


def copies_image(graph: Graph, node: Node) -> bool:
    """Whether a node is a 1x1 convolution that copies channels of its input, as the residual does."""
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
    """The quantized constants of a node, by their position among its inputs."""
    if node.operator in _CHANNEL_AXIS:
        weight, bias = _weight_and_bias(node, tensors)
        return {1: weight, 2: bias}
    if node.operator == "PRELU":
        return {1: _slope(tensors[node.inputs[1]])}
    if any(tensors[index].data is not None for index in node.inputs):
        raise EcbsrError(f"{node.operator} with a constant input cannot be quantized")
    return {}


def _weight_and_bias(node: Node, tensors: list[Tensor]) -> tuple[Tensor, Tensor]:
    weight, bias = tensors[node.inputs[1]], tensors[node.inputs[2]]
    source, result = (tensors[index].quantization for index in (node.inputs[0], node.outputs[0]))
    if weight.data is None or bias.data is None or source is None or result is None:
        raise EcbsrError(f"{node.operator} {tensors[node.outputs[0]].name} has no constant weights and bias")
    axis = _CHANNEL_AXIS[node.operator]
    return quantized_weight_and_bias(weight, bias, float(source.scale[0]), float(result.scale[0]), axis)


def quantized_weight_and_bias(
    weight: Tensor,
    bias: Tensor,
    in_scale: float,
    out_scale: float,
    axis: int = 0,
    bias_dtype: type[np.int32] | type[np.int64] = np.int32,
    scales: NDArray[np.floating] | None = None,
) -> tuple[Tensor, Tensor]:
    """The constants of a convolution: int8 weights with a scale per output channel, and biases in their unit.

    Args:
        weight: float weights, whose output channels are along `axis`.
        bias: float biases [channels].
        in_scale: the input's quantization scale.
        out_scale: the output's.
        axis: see `weight`.
        bias_dtype: int32 for int8 activations, int64 for int16.
        scales: [channels], the weights' scales; None: those that the largest weights need.
    """
    assert weight.data is not None and bias.data is not None
    shape = [1] * weight.data.ndim
    shape[axis] = -1
    if scales is None:
        others = tuple(i for i in range(weight.data.ndim) if i != axis)
        scales = np.abs(weight.data.astype(np.float64)).max(axis=others) / 127
    # The scale of a channel of tiny weights is raised: its bias must stay far from int32's limits, in which compilers
    # store it with int16 activations, too; some builds of XNNPACK refuse in·weight/out of 2^-32 and below; and the
    # kernel for int16 shifts a sum by at most 31 bits (tflite/kernels/internal/common.cc).
    scale = np.maximum(scales.astype(np.float64), np.abs(bias.data.astype(np.float64)) / in_scale / 2**30)
    scale = np.maximum(scale, out_scale / in_scale * 2.0**-24).astype(np.float32)
    bias_scale = (np.float32(in_scale) * scale).astype(np.float32)
    weight_values = qparams.quantize(weight.data, scale.reshape(shape).astype(np.float64), narrow=True)
    bias_values = qparams.quantize(bias.data, bias_scale.astype(np.float64), dtype=bias_dtype)
    zeros = np.zeros(len(scale), np.int64)
    return (
        _quantized(weight, weight_values, Quantization(scale, zeros, axis)),
        _quantized(bias, bias_values, Quantization(bias_scale, zeros, 0)),
    )


def _slope(slope: Tensor) -> Tensor:
    """PReLU's slopes as int8: symmetric with one scale, which every delegate and the reference kernel support."""
    assert slope.data is not None
    scale = np.float32(max(float(np.abs(slope.data).max()), 1e-6) / 127)
    values = qparams.quantize(slope.data, float(scale), narrow=True)
    return _quantized(slope, values, Quantization(np.array([scale], np.float32), np.zeros(1, np.int64)))


def _quantized(constant: Tensor, values: np.ndarray, quantization: Quantization) -> Tensor:
    return replace(constant, dtype=values.dtype, data=values, quantization=quantization)
