"""Fitting the convolutions of an int8 graph to the rounded inputs that they get.

A convolution trained on exact inputs may cancel large values against each other; the rounding errors of
these do not cancel. So each convolution in turn is fitted anew, by least squares: from its inputs as int8
leaves them, give the values that the float network has there. (Layer-wise reconstruction, as in I. Hubara
et al., "Accurate Post Training Quantization with Small Calibration Sets", ICML 2021, here in closed form.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..tflite import Graph, Node, interpreter
from .quantizer import Range, quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

RIDGE = 1e-4  # of the inputs' mean square: holds a weight where the pictures say nothing about it


def refit(graph: Graph, ranges: Mapping[str, Range], image: NDArray[np.float32]) -> Graph:
    """The float graph with the weights and biases that suit `quantize(graph, ranges)` best on an image [H, W, C].

    Convolutions that read the image itself stay as they are, for its values are exact.
    """
    fitted = graph
    for node in graph.nodes:
        if node.operator != "CONV_2D" or node.inputs[0] in graph.inputs or not _keeps_size(graph, node):
            continue
        (inputs,) = interpreter.activations(quantize(fitted, ranges), image, [node.inputs[0]])
        (wanted,) = interpreter.activations(graph, image, [node.outputs[0]])
        fitted = _fit(fitted, node, inputs, wanted)
    return fitted


def _keeps_size(graph: Graph, node: Node) -> bool:
    """Whether the convolution moves pixel by pixel, without a fused activation: then it is linear in its weights."""
    plain = (node.options.strideH, node.options.strideW, node.options.fusedActivationFunction) == (1, 1, 0)
    kernel = graph.tensors[node.inputs[1]].shape[1:3]
    return plain and kernel[0] % 2 == kernel[1] % 2 == 1 and node.options.padding == 0  # SAME


def _fit(graph: Graph, node: Node, inputs: NDArray[np.float32], wanted: NDArray[np.float32]) -> Graph:
    weight, bias = (graph.tensors[index] for index in node.inputs[1:])
    assert weight.data is not None and bias.data is not None
    outputs, rows, columns, _ = weight.shape
    patches = _patches(inputs, rows, columns)
    current = np.concatenate([weight.data.reshape(outputs, -1), bias.data[:, None]], axis=1).T
    missing = wanted.reshape(-1, outputs) - patches @ current
    gram = (patches.T @ patches).astype(np.float64)
    held = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    change = np.linalg.solve(gram + held, (patches.T @ missing).astype(np.float64))
    better = (current + change).T.astype(np.float32)
    tensors = list(graph.tensors)
    tensors[node.inputs[1]] = replace(weight, data=np.ascontiguousarray(better[:, :-1]).reshape(weight.shape))
    tensors[node.inputs[2]] = replace(bias, data=np.ascontiguousarray(better[:, -1]))
    return replace(graph, tensors=tuple(tensors))


def _patches(values: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """What each output pixel sees of [H, W, C], and a one for the bias: [H·W, rows·columns·C + 1]."""
    height, width, _ = values.shape
    padded = np.pad(values, ((rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0)))
    seen = [padded[y : y + height, x : x + width] for y in range(rows) for x in range(columns)]
    return np.concatenate([*seen, np.ones((height, width, 1), np.float32)], axis=2).reshape(height * width, -1)
