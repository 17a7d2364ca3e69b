"""Layer-wise reconstruction: fit each convolution of an int8 graph to its quantized inputs.

A convolution that was trained on exact inputs can cancel large values against each other; their rounding errors do not
cancel. So each convolution in turn is fitted by least squares: from its inputs in the int8 graph to its outputs in the
float graph. (I. Hubara et al., "Accurate Post Training Quantization with Small Calibration Sets", ICML 2021; here in
closed form.)
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

RIDGE = 1e-4  # regularization, as a share of the inputs' mean square: keeps weights that the image does not determine


def reconstruct_layers(graph: Graph, ranges: Mapping[str, Range], image: NDArray[np.float32]) -> Graph:
    """The float graph with weights and biases fitted to `quantize(graph, ranges)` on an image [H, W, C] in [0, 1].

    Convolutions of the image itself are not changed: its values are exact in int8.
    """
    fitted = graph
    for node in graph.nodes:
        if node.operator != "CONV_2D" or node.inputs[0] in graph.inputs or not _keeps_size(graph, node):
            continue
        (inputs,) = interpreter.activations(quantize(fitted, ranges), image, [node.inputs[0]])
        (targets,) = interpreter.activations(graph, image, [node.outputs[0]])
        fitted = _fit(fitted, node, inputs, targets)
    return fitted


def _keeps_size(graph: Graph, node: Node) -> bool:
    """Whether a convolution has stride 1, an odd kernel, SAME padding and no fused activation."""
    plain = (node.options.strideH, node.options.strideW, node.options.fusedActivationFunction) == (1, 1, 0)
    kernel = graph.tensors[node.inputs[1]].shape[1:3]
    return plain and kernel[0] % 2 == kernel[1] % 2 == 1 and node.options.padding == 0  # SAME


def _fit(graph: Graph, node: Node, inputs: NDArray[np.float32], targets: NDArray[np.float32]) -> Graph:
    weight, bias = (graph.tensors[index] for index in node.inputs[1:])
    assert weight.data is not None and bias.data is not None
    outputs, rows, columns, _ = weight.shape
    patches = _patches(inputs, rows, columns)
    current = np.concatenate([weight.data.reshape(outputs, -1), bias.data[:, None]], axis=1).T
    residual = targets.reshape(-1, outputs) - patches @ current
    gram = (patches.T @ patches).astype(np.float64)
    ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    change = np.linalg.solve(gram + ridge, (patches.T @ residual).astype(np.float64))
    fitted = (current + change).T.astype(np.float32)
    tensors = list(graph.tensors)
    tensors[node.inputs[1]] = replace(weight, data=np.ascontiguousarray(fitted[:, :-1]).reshape(weight.shape))
    tensors[node.inputs[2]] = replace(bias, data=np.ascontiguousarray(fitted[:, -1]))
    return replace(graph, tensors=tuple(tensors))


def _patches(values: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """The inputs of each output pixel of [H, W, C], and a 1 for the bias: [H·W, rows·columns·C + 1]."""
    height, width, _ = values.shape
    padded = np.pad(values, ((rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0)))
    shifted = [padded[y : y + height, x : x + width] for y in range(rows) for x in range(columns)]
    return np.concatenate([*shifted, np.ones((height, width, 1), np.float32)], axis=2).reshape(height * width, -1)
