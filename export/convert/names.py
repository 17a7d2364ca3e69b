"""Names of the float graph's tensors, the same whatever built the graph."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError

from .onnx_builder import INPUT, OUTPUT


def with_our_names(graph: tflite.Graph) -> tflite.Graph:
    """The graph with short tensor names and our signature, without a converter's metadata.

    Raises:
        EcbsrError: the graph has not one input and one output.
    """
    names: dict[int, str] = {}
    count: Counter[str] = Counter()
    for node in graph.nodes:
        name = f"{node.operator.lower()}_{count[node.operator]}"
        count[node.operator] += 1
        names.update(dict.fromkeys(node.outputs, name))
        parts = ("weight", "bias") if len(node.inputs) == 3 else ("slope",)
        for index, part in zip(node.inputs[1:], parts, strict=False):
            if graph.tensors[index].data is not None:
                names.setdefault(index, f"{name}/{part}")
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        ends = f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
        raise EcbsrError(f"the converted graph has {ends}, not one of each")
    names |= {graph.inputs[0]: INPUT, graph.outputs[0]: OUTPUT}
    tensors = tuple(replace(tensor, name=names.get(i, tensor.name)) for i, tensor in enumerate(graph.tensors))
    signature = tflite.Signature("serving_default", {INPUT: graph.inputs[0]}, {OUTPUT: graph.outputs[0]})
    return replace(graph, tensors=tensors, signature=signature, metadata={}, description="")
