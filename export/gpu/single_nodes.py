"""Graphs of one node of a model, with which the delegate is asked about that node alone."""

from __future__ import annotations

from dataclasses import replace

from ecbsr_mobile.tflite.graph import Graph, folded_constants


def single_node(graph: Graph, number: int) -> Graph:
    """The node `number` as a graph, with its activations as inputs and outputs.

    A DEQUANTIZE of a constant that it uses is part of the graph, since delegates treat its result as a constant.
    """
    node = graph.nodes[number]
    folded = set(folded_constants(graph)) & set(node.inputs)
    inputs = [
        index for index in dict.fromkeys(node.inputs)
        if index >= 0 and graph.tensors[index].data is None and index not in folded
    ]  # fmt: skip
    producers = [producer for producer in graph.nodes if not folded.isdisjoint(producer.outputs)]
    return replace(
        graph, nodes=(*producers, node), inputs=tuple(inputs), outputs=node.outputs, signature=None, metadata={}
    )
