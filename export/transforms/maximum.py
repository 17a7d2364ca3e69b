"""PReLU for 16-bit activations: MUL by the slopes, and MAXIMUM.

    prelu(x) = max(x, a·x)        for a slope a ≤ 1

Qualcomm's compiler wants PRELU's slopes in int16 where x is int16; TFLite's kernel reads them as int8, whatever their
type is, and then computes something else (tflite/kernels/activations.cc PreluEval). MUL and MAXIMUM mean the same to
both, and move no more bytes than PRELU. Slopes keep 16 bits.
"""

from __future__ import annotations

from dataclasses import replace

from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import Graph, Node, Tensor


def prelu_as_maximum(graph: Graph) -> Graph:
    """The float graph with MUL and MAXIMUM in place of each PRELU, whose slopes must be at most 1 (see `prelu`)."""
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
        nodes.append(Node("MUL", (source, constant), (product,), options=schema.MulOptionsT()))
        nodes.append(Node("MAXIMUM", (source, product), (result,), options=schema.MaximumMinimumOptionsT()))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))
