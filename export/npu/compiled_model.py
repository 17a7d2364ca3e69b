"""A `.tflite` file as the compiler leaves it: a DISPATCH_OP for each compiled piece, and what was not taken.

A piece's code, a QNN context, lies behind the flatbuffer; a flexbuffer in the node's custom options says where.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..tflite.graph import Graph, Tensor

DISPATCH = "DISPATCH_OP"


@dataclass(frozen=True)
class CompiledPartition:
    """One compiled piece: the context that holds it, its name there, and what it takes and gives."""

    name: str
    context: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def compiled_partitions(data: bytes, graph: Graph) -> list[CompiledPartition]:
    """The compiled compiled_partitions of a file, in the order in which they run.

    Raises:
        ValueError: a node of the compiler's that does not say where its code is.
    """
    return [_piece(data, graph, number) for number, node in enumerate(graph.nodes) if node.operator == DISPATCH]


def _piece(data: bytes, graph: Graph, number: int) -> CompiledPartition:
    from flatbuffers import flexbuffers

    node = graph.nodes[number]
    try:
        said = flexbuffers.Loads(node.custom_options or b"")
        start, size, name = int(said["bytecode_offset"]), int(said["bytecode_size"]), str(said["name"])
    except Exception as error:  # flexbuffers' reader has no verifier, and raises what its bytes lead it to
        raise ValueError(f"the compiled piece {number} does not say where its code is") from error
    if not 0 < start < start + size <= len(data):
        raise ValueError(f"the compiled piece {number} lies outside its file")
    tensors = [tuple(graph.tensors[index] for index in ends) for ends in (node.inputs, node.outputs)]
    return CompiledPartition(name, data[start : start + size], tensors[0], tensors[1])


def remaining_nodes(compiled: Graph, model: Graph) -> set[int] | None:
    """Which nodes of the model are still themselves in the compiled file, by what they compute.

    None if the tensors' names, which the compiler keeps, do not say.
    """
    names = Counter(model.tensors[index].name for node in model.nodes for index in node.outputs)
    if any(count > 1 for count in names.values()):
        return None
    kept = {compiled.tensors[i].name for node in compiled.nodes if node.operator != DISPATCH for i in node.outputs}
    return {n for n, node in enumerate(model.nodes) if any(model.tensors[i].name in kept for i in node.outputs)}
