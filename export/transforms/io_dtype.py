"""Data type of an int8 graph's input and output: int8 pixels (pixel xor 0x80), uint8 pixels, or float32 in [0, 1]."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import Graph, Node, Quantization, Signature, Tensor


def with_io_dtype(graph: Graph, io_dtype: str) -> Graph:
    """The int8 graph with another data type of its input and output, one of `options.IO_DTYPES`.

    `int8` returns the graph itself. The others add a QUANTIZE node before the first node, and after the last one a
    QUANTIZE (`uint8`) or DEQUANTIZE (`float32`) node. Each is one more pass over the image, and not every delegate
    supports it.
    """
    if io_dtype == "int8":
        return graph
    image, result = graph.inputs[0], graph.outputs[0]
    new_image, new_result = len(graph.tensors), len(graph.tensors) + 1
    tensors = [
        *graph.tensors,
        _with_dtype(graph.tensors[image], io_dtype),
        _with_dtype(graph.tensors[result], io_dtype),
    ]
    for index, name in ((image, "image"), (result, "result")):
        tensors[index] = replace(tensors[index], name=f"{name}/int8")
    first = Node("QUANTIZE", (new_image,), (image,), options=schema.QuantizeOptionsT())
    if io_dtype == "uint8":
        last = Node("QUANTIZE", (result,), (new_result,), options=schema.QuantizeOptionsT())
    else:
        last = Node("DEQUANTIZE", (result,), (new_result,), version=2)
    signature = graph.signature and Signature(
        graph.signature.key,
        dict.fromkeys(graph.signature.inputs, new_image),
        dict.fromkeys(graph.signature.outputs, new_result),
    )
    return replace(
        graph,
        tensors=tuple(tensors),
        nodes=(first, *graph.nodes, last),
        inputs=(new_image,),
        outputs=(new_result,),
        signature=signature,
    )


def _with_dtype(tensor: Tensor, io_dtype: str) -> Tensor:
    if io_dtype == "float32":
        return replace(tensor, dtype=np.dtype(np.float32), quantization=None)
    assert tensor.quantization is not None
    pixels = Quantization(tensor.quantization.scale, tensor.quantization.zero_point + 128)
    return replace(tensor, dtype=np.dtype(np.uint8), quantization=pixels)
