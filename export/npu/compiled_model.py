"""A `.tflite` file that the compiler wrote: a DISPATCH_OP per compiled partition, and the operators left to the CPU.

The code of a partition is a QNN context. It follows the flatbuffer in the file; the custom options of the node, a
flexbuffer, contain its offset and size.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ecbsr_mobile.tflite.graph import Graph, Tensor

DISPATCH = "DISPATCH_OP"
_STAMP = "LiteRtStamp"


@dataclass(frozen=True)
class CompiledPartition:
    """A compiled partition: its name in the QNN context, the context, and its input and output tensors."""

    name: str
    context: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def compiled_for(graph: Graph) -> tuple[str, str] | None:
    """The maker and the name of the SoC that a file is compiled for; None for a file that is not compiled."""
    if not any(node.operator == DISPATCH for node in graph.nodes):
        return None
    stamp = graph.metadata.get(_STAMP, b"")
    half = len(stamp) // 2
    maker, soc = (part.split(b"\0")[0].decode("ascii", "replace") for part in (stamp[:half], stamp[half:]))
    return maker, soc


def compiled_partitions(data: bytes, graph: Graph) -> list[CompiledPartition]:
    """The compiled partitions of a file, in the order in which they run.

    Raises:
        ValueError: the custom options of a compiled node are invalid.
    """
    return [_partition(data, graph, number) for number, node in enumerate(graph.nodes) if node.operator == DISPATCH]


def _partition(data: bytes, graph: Graph, number: int) -> CompiledPartition:
    from flatbuffers import flexbuffers

    node = graph.nodes[number]
    try:
        options = flexbuffers.Loads(node.custom_options or b"")
        start, size, name = int(options["bytecode_offset"]), int(options["bytecode_size"]), str(options["name"])
    except Exception as error:  # the reader has no verifier: invalid bytes can raise anything
        raise ValueError(f"the compiled node {number} does not contain the offset and size of its code") from error
    if not 0 < start < start + size <= len(data):
        raise ValueError(f"the code of the compiled node {number} is outside the file")
    inputs, outputs = (tuple(graph.tensors[index] for index in indices) for indices in (node.inputs, node.outputs))
    return CompiledPartition(name, data[start : start + size], inputs, outputs)


def remaining_nodes(compiled: Graph, model: Graph) -> set[int] | None:
    """The nodes of the model that are still in the compiled file, by the names of their outputs.

    None if these names are not unique.
    """
    names = Counter(model.tensors[index].name for node in model.nodes for index in node.outputs)
    if any(count > 1 for count in names.values()):
        return None
    kept = {compiled.tensors[i].name for node in compiled.nodes if node.operator != DISPATCH for i in node.outputs}
    return {n for n, node in enumerate(model.nodes) if any(model.tensors[i].name in kept for i in node.outputs)}
