"""Float32 TFLite graph → the same graph with float16 constants, which halves the file.

CPUs still compute in float32; GPUs compute in float16 where that is enabled.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Graph, Node, Tensor


def with_fp16_constants(graph: Graph) -> Graph:
    """The graph with float16 constants, each with a DEQUANTIZE node after it, as TensorFlow writes them.

    Raises:
        EcbsrError: a constant is beyond float16's range.
    """
    tensors, dequantize_nodes = list(graph.tensors), []
    for index in {index: None for node in graph.nodes for index in node.inputs}:
        if index < 0 or tensors[index].data is None or tensors[index].dtype != np.float32:
            continue
        half = _half(tensors[index])
        dequantize_nodes.append(Node("DEQUANTIZE", (len(tensors),), (index,)))
        tensors[index] = replace(tensors[index], data=None)
        tensors.append(half)
    return replace(graph, tensors=tuple(tensors), nodes=(*dequantize_nodes, *graph.nodes))


def _half(tensor: Tensor) -> Tensor:
    assert tensor.data is not None
    largest = float(np.abs(tensor.data).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise EcbsrError(f"{tensor.name} has a value of {largest:g}, beyond float16's range; leave fp16 out")
    return replace(tensor, name=f"{tensor.name}/half", dtype=np.dtype(np.float16), data=tensor.data.astype(np.float16))
