"""How the TFLite runtime groups the nodes that a delegate takes.

Source: LiteRT tflite/graph_info.cc, PartitionGraphIntoIndependentNodeSubsets.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..tflite.graph import Graph


def partitions(graph: Graph, taken: Sequence[bool]) -> list[tuple[int, ...]]:
    """The groups of taken nodes, as node indices, in the order in which they run.

    The nodes are laid into alternating groups of taken and other nodes; each group grows as long as any
    node of its kind has all its inputs, so the groups are few and keep the order of the data.
    """
    made = {index for node in graph.nodes for index in node.outputs}
    ready = set(range(len(graph.tensors))) - made
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
                fits = kind is None or taken[number] == kind
                if fits and all(index < 0 or index in ready for index in node.inputs):
                    kind, progress = taken[number], True
                    group.append(number)
                    ready.update(node.outputs)
                else:
                    rest.append(number)
            waiting = rest
        if not group:  # nodes that wait for each other: no order runs them
            break
        if kind:
            groups.append(tuple(sorted(group)))
    return groups
