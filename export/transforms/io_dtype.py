"""The type of numbers that an int8 graph takes and gives: int8 pixels (xor 0x80), uint8 pixels, or floats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..options import IO_DTYPES, one_of
from ..tflite import Graph, Node, Quantization, Signature, Tensor


def with_io_dtype(graph: Graph, kind: str) -> Graph:
    """The int8 graph with its image and its result as `kind`.

    `int8` is the graph itself, int8 from end to end. The others add one node at each end (QUANTIZE, or
    DEQUANTIZE at the end for `float32`), which the CPU's fast kernels do not all take and which costs a pass
    over the picture.

    Raises:
        UsageError: no such kind.
    """
    if one_of("io", kind, IO_DTYPES) == "int8":
        return graph
    image, result = graph.inputs[0], graph.outputs[0]
    tensors = [*graph.tensors, _as(graph.tensors[image], kind), _as(graph.tensors[result], kind)]
    outer_image, outer_result = len(tensors) - 2, len(tensors) - 1
    for index, end in ((image, "image"), (result, "result")):
        tensors[index] = replace(tensors[index], name=f"{end}/int8")
    first = Node("QUANTIZE", (image_source := outer_image,), (image,), version=1, options=_quantize_options())
    if kind == "uint8":
        last = Node("QUANTIZE", (result,), (outer_result,), version=1, options=_quantize_options())
    else:
        last = Node("DEQUANTIZE", (result,), (outer_result,), version=2)
    signature = graph.signature and Signature(
        graph.signature.key,
        dict.fromkeys(graph.signature.inputs, image_source),
        dict.fromkeys(graph.signature.outputs, outer_result),
    )
    nodes = (first, *graph.nodes, last)
    return replace(
        graph, tensors=tuple(tensors), nodes=nodes, inputs=(outer_image,), outputs=(outer_result,), signature=signature
    )


def _as(tensor: Tensor, kind: str) -> Tensor:
    if kind == "float32":
        return replace(tensor, dtype=np.dtype(np.float32), quantization=None)
    assert tensor.quantization is not None
    pixels = Quantization(tensor.quantization.scale, tensor.quantization.zero_point + 128)
    return replace(tensor, dtype=np.dtype(np.uint8), quantization=pixels)


def _quantize_options() -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.QuantizeOptionsT()
