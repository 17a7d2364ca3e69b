"""Float32 TFLite graph → the same with its constants in half precision: a file half as large.

Arithmetic stays float32 on a CPU; a GPU computes in half precision where it is allowed to.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecbsr_mobile.errors import EcbsrError

from ..tflite import Graph, Node, Tensor


def with_fp16_constants(graph: Graph) -> Graph:
    """The graph with float16 constants, a DEQUANTIZE node behind each, as TensorFlow writes them.

    Raises:
        EcbsrError: a constant is too large for float16.
    """
    tensors, widening = list(graph.tensors), []
    for index in {index: None for node in graph.nodes for index in node.inputs}:
        if index < 0 or tensors[index].data is None or tensors[index].dtype != np.float32:
            continue
        small = _half(tensors[index])
        widening.append(Node("DEQUANTIZE", (len(tensors),), (index,)))
        tensors[index] = replace(tensors[index], data=None)
        tensors.append(small)
    return replace(graph, tensors=tuple(tensors), nodes=(*widening, *graph.nodes))


def _half(tensor: Tensor) -> Tensor:
    assert tensor.data is not None
    largest = float(np.abs(tensor.data).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise EcbsrError(f"{tensor.name} holds {largest:g}, which float16 cannot; leave fp16 out")
    return replace(tensor, name=f"{tensor.name}/half", dtype=np.dtype(np.float16), data=tensor.data.astype(np.float16))
