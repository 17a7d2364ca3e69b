"""Weights and ranges from quantization-aware training (`ecbsr_mobile.quantization.fake_quant`) in a converted graph."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile.errors import EcbsrError

from ..convert.onnx_builder import dcr_order
from ..tflite import Graph
from ..transforms.prelu import with_unshared_constants
from .quantizer import Range, activation_indices, copies_image, pinned

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


def qat_ranges(graph: Graph, weights: Int8Weights) -> dict[str, Range]:
    """The trained ranges by tensor name, for a float graph with PReLU written as it was in training.

    Raises:
        EcbsrError: the graph has another number of activations.
    """
    fixed = pinned(graph)
    free = [graph.tensors[index].name for index in activation_indices(graph) if index not in fixed]
    if len(free) != len(weights.ranges):
        raise EcbsrError(f"{len(weights.ranges)} trained ranges do not fit a graph of {len(free)} activations")
    return {name: (float(low), float(high)) for name, (low, high) in zip(free, weights.ranges.tolist(), strict=True)}
