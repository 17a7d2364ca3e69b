"""How the TFLite runtime groups the nodes that a delegate supports.

Source: LiteRT tflite/graph_info.cc, PartitionGraphIntoIndependentNodeSubsets.
"""

from __future__ import annotations

from collections.abc import Sequence

from .graph import Graph


def partitions(graph: Graph, supported: Sequence[bool]) -> list[tuple[int, ...]]:
    """The groups of supported nodes, as node indices, in the order in which they run.

    Supported and unsupported nodes form alternating groups. A group grows as long as there is a node of its kind whose
    inputs have been computed.
    """
    computed = {index for node in graph.nodes for index in node.outputs}
    ready = set(range(len(graph.tensors))) - computed
    waiting = list(range(len(graph.nodes)))
    groups: list[tuple[int, ...]] = []
    while waiting:
        kind: bool | None = None
        group: list[int] = []
        progress = True
        while progress:
            progress, rest = False, []
            for number in waiting:
                node = graph.nodes[number]
                fits = kind is None or supported[number] == kind
                if fits and all(index < 0 or index in ready for index in node.inputs):
                    kind, progress = supported[number], True
                    group.append(number)
                    ready.update(node.outputs)
                else:
                    rest.append(number)
            waiting = rest
        if not group:  # the remaining nodes form a cycle, or need its outputs
            break
        if kind:
            groups.append(tuple(sorted(group)))
    return groups
