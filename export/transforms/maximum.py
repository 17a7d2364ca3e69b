"""PReLU for 16-bit activations: MUL by the slopes, and MAXIMUM.

    prelu(x) = max(x, a·x)        for a slope a ≤ 1

Qualcomm's compiler wants PRELU's slopes in int16 where x is int16; TFLite's kernel reads them as int8, whatever their
type is, and then computes something else (tflite/kernels/activations.cc PreluEval). MUL and MAXIMUM mean the same to
both, and move no more bytes than PRELU. Slopes keep 16 bits.

For a slope above 1, the convolution before computes u = -a·x, since -prelu(x) = max(u, u/a), and the one behind it
changes the sign back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Graph, Node, Tensor

from .channels import convolution_before, scale_channels


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
            raise EcbsrError("a PRELU with a slope above 1 must be between two convolutions to be written for an NPU")
        scale_channels(tensors, before, after[0], np.where(steep, -slopes, 1), np.where(steep, -1, 1))
        folded = np.where(steep, 1 / np.where(steep, slopes, 1), slopes)
        tensors[node.inputs[1]] = replace(slope, data=folded.astype(np.float32).reshape(slope.shape))
    return replace(graph, tensors=tuple(tensors))


def prelu_as_maximum(graph: Graph) -> Graph:
    """The float graph with MUL and MAXIMUM in place of each PRELU, whose slopes must be at most 1."""
    tensors, nodes = list(graph.tensors), []
    for node in graph.nodes:
        if node.operator != "PRELU":
            nodes.append(node)
            continue
        source, slope = node.inputs
        (result,) = node.outputs
        slopes = tensors[slope].data
        assert slopes is not None and (slopes <= 1).all()
        name = tensors[result].name
        tensors.append(Tensor(f"{name}/slope", (1, 1, 1, slopes.size), slopes.dtype, slopes.reshape(1, 1, 1, -1)))
        tensors.append(replace(tensors[source], name=f"{name}/sloped"))
        constant, product = len(tensors) - 2, len(tensors) - 1
        nodes.append(Node("MUL", (source, constant), (product,), options=_mul_options()))
        nodes.append(Node("MAXIMUM", (source, product), (result,), options=_maximum_options()))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def _mul_options() -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.MulOptionsT()


def _maximum_options() -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.MaximumMinimumOptionsT()
