"""Small int16x8 graphs, quantized from float graphs that need no converter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import Graph
from export.quantize.int16x8 import observed_maxima, quantize_int16x8
from export.transforms.maximum import prelu_as_maximum
from export.transforms.prelu import fold_steep_slopes
from tests.helpers.tflite_models import GraphBuilder, plain_network

SLOPES = (-0.47, 0.0, 1.0, 1.7, 0.24, -1.31, 0.87, 3.0)


def float_network(activation: str = "prelu", colors: int = 1, scale: int = 2) -> Graph:
    """A network of random weights and 8 channels, with slopes of every kind, whose residual copies the image."""
    graph = plain_network(activation=activation, colors=colors, scale=scale)
    tensors = list(graph.tensors)
    for node in graph.nodes:
        if node.operator == "PRELU":
            slopes = np.array(SLOPES, np.float32).reshape(1, 1, -1)
            tensors[node.inputs[1]] = replace(tensors[node.inputs[1]], data=slopes)
        if node.operator == "CONV_2D":
            _, weight, bias = node.inputs
            if tensors[weight].shape[1] == 1:
                copies = np.eye(colors, dtype=np.float32).repeat(scale**2, axis=0)[:, None, None]
                tensors[weight] = replace(tensors[weight], data=np.ascontiguousarray(copies))
                tensors[bias] = replace(tensors[bias], data=np.zeros(colors * scale**2, np.float32))
            else:
                tensors[weight] = replace(tensors[weight], data=tensors[weight].data * np.float32(2))
    return replace(graph, tensors=tuple(tensors))


def int16x8_network(image: np.ndarray, activation: str = "prelu") -> Graph:
    """`float_network` quantized for an image [H, W, C] in [0, 1], with weights rounded to the nearest integer."""
    graph = prelu_as_maximum(fold_steep_slopes(float_network(activation, image.shape[2])))
    return quantize_int16x8(graph, observed_maxima(graph, image))


SHAPE = (1, 16, 24, 8)
_UNARY: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "LEAKY_RELU": (schema.LeakyReluOptionsT(0.2), 2, {}),
    "QUANTIZE": (schema.QuantizeOptionsT(), 1, {"scale": (1 / 255, -128), "dtype": "int8"}),
}
_BINARY: dict[str, tuple[Any, int]] = {
    "ADD": (schema.AddOptionsT(potScaleInt16=False), 3),
    "MUL": (schema.MulOptionsT(), 4),
    "MAXIMUM": (schema.MaximumMinimumOptionsT(), 4),
}


def int16_node(operator: str, slope: str = "int8") -> Graph:
    """One node of int16 activations; `slope` is the type of PRELU's slopes."""
    make = GraphBuilder("int16", (1 / 32640, 0))
    source = make.input(SHAPE)
    if operator in _UNARY:
        options, version, settings = _UNARY[operator]
        output = make.node(operator, [source], SHAPE, options=options, version=version, **settings)
    elif operator in _BINARY:
        options, version = _BINARY[operator]
        output = make.node(operator, [source, make.input(SHAPE)], SHAPE, options=options, version=version)
    elif operator == "DEPTH_TO_SPACE":
        output = make.depth_to_space(source, 2)
    elif operator == "PRELU":
        slopes = make.constant(np.full((1, 1, 8), 20, slope), make.tensors[source].quantization)
        output = make.node(operator, [source, slopes], SHAPE)
    else:
        depthwise = operator == "DEPTHWISE_CONV_2D"
        output = make.conv(source, 8, depthwise=depthwise, scale=(0.01, 0))
        node = make.nodes[-1]
        bias = make.tensors[node.inputs[2]]
        make.tensors[node.inputs[2]] = replace(bias, dtype=np.dtype(np.int64), data=np.zeros(8, np.int64))
        make.nodes[-1] = replace(node, version=5 if depthwise else 4)
    return make.graph(output)
