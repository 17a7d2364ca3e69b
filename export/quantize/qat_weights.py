"""Int8 weights and ranges (`ecbsr_mobile.network.Int8Weights`) in a converted graph."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.quantization import qparams
from ecbsr_mobile.tflite import Graph

from ..convert.onnx_builder import dcr_order
from ..transforms.prelu import decompose_prelu, with_unshared_constants
from .quantizer import Range, copies_image, free_activations

if TYPE_CHECKING:
    from ecbsr_mobile.network import Int8Weights, PlainNet


def with_qat_weights(graph: Graph, net: PlainNet) -> Graph:
    """A converted float graph with the weights, biases and slopes of another network of the same architecture.

    Raises:
        EcbsrError: the architectures differ.
    """
    graph = with_unshared_constants(graph)
    tensors, nodes = list(graph.tensors), []
    trained = net.layers()
    kernels = [kernel.numpy().transpose(0, 2, 3, 1) for kernel, _, _ in trained]
    biases = [bias.numpy() for _, bias, _ in trained]
    order = dcr_order(net.architecture.colors, net.architecture.scale)
    kernels[-1], biases[-1] = kernels[-1][order], biases[-1][order]
    slopes = [None if slope is None else slope.numpy() for _, _, slope in trained]
    layers = zip(kernels, biases, slopes, strict=True)
    slope = None
    for node in graph.nodes:
        if node.operator == "CONV_2D" and not copies_image(graph, node):
            kernel, bias, slope = next(layers)
            for index, value in zip(node.inputs[1:], (kernel, bias), strict=True):
                if tensors[index].shape != value.shape:
                    raise EcbsrError(f"a converted convolution is {tensors[index].shape}, not {value.shape}")
                tensors[index] = replace(tensors[index], data=np.ascontiguousarray(value))
        if node.operator == "PRELU" and slope is not None:
            converted = tensors[node.inputs[1]]
            tensors[node.inputs[1]] = replace(converted, data=np.ascontiguousarray(slope.reshape(converted.shape)))
        if node.operator == "LEAKY_RELU" and slope is not None:
            options = copy(node.options)
            options.alpha = float(slope[0])
            nodes.append(replace(node, options=options))
            continue
        nodes.append(node)
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def decomposed_graph(graph: Graph, weights: Int8Weights) -> Graph:
    """The float graph of int8 weights, with PReLU written as they need it.

    Args:
        graph: a converted float graph of the same architecture.
        weights: the weights, and the ranges of channels where their decomposition has them.

    Raises:
        EcbsrError: the architectures differ.
    """
    channel_ranges = None if weights.channel_ranges is None else weights.channel_ranges.numpy()
    return decompose_prelu(with_qat_weights(graph, weights.net), weights.decomposition, channel_ranges)


def qat_ranges(graph: Graph, weights: Int8Weights) -> dict[str, Range]:
    """The ranges by tensor name, for the `decomposed_graph` of the weights.

    Raises:
        EcbsrError: the graph has another number of activations.
    """
    rows = [(float(low), float(high)) for low, high in weights.ranges.tolist()]
    if weights.net.architecture.activation == "relu":
        rows = [(0.0, high) for _, high in rows]
    if weights.channel_ranges is not None:
        # The convolution, both addends, and their sum, of each layer.
        rows = [limits for act in rows for limits in ((0.0, 1.0), *qparams.double_ranges(act), act)]
    names = [graph.tensors[index].name for index in free_activations(graph)]
    if len(names) != len(rows):
        raise EcbsrError(f"{len(rows)} trained ranges do not fit a graph of {len(names)} activations")
    return dict(zip(names, rows, strict=True))
