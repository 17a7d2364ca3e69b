"""A model's graph as an SVG picture: a box per node, and in it a cell per delegate, coloured by whether it takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ..tflite.graph import Graph, printable

MOST_NODES = 400
"""Nodes of the largest graph that is drawn."""

_CELL, _TEXT, _ROW, _HEIGHT, _GAP, _LANE = 11, 176, 34, 24, 46, 7


@dataclass(frozen=True)
class Backend:
    """Who may take nodes, and what it does with each: "takes", "refuses" or "unknown", by the node's index."""

    name: str
    nodes: Mapping[int, str]

    def does(self, node: int) -> str:
        """What it does with a node."""
        return self.nodes.get(node, "unknown")


def picture(graph: Graph, takers: Sequence[Backend]) -> str:
    """The SVG element; for a graph of more than `MOST_NODES` nodes, or of none, a sentence."""
    if not graph.nodes or len(graph.nodes) > MOST_NODES:
        return f"<p>A graph of {len(graph.nodes)} nodes is not drawn.</p>"
    places = _places(graph)
    columns = 1 + max(column for column, _ in places)
    width = _TEXT + _CELL * len(takers) + 12
    head = 6 * max((len(taker.name) for taker in takers), default=0) + 14
    boxes = [(12 + column * (width + _GAP), head + layer * _ROW) for column, layer in places]
    lines, lanes = "", 0
    for source, target in _edges(graph):
        if places[target][1] - places[source][1] == 1 and places[target][0] == places[source][0]:
            lines += _down(boxes[source], boxes[target], width)
        else:
            lines += _beside(boxes[source], boxes[target], width, 8 + _LANE * (lanes % 5))
            lanes += 1
    drawn = "".join(_box(graph, takers, node, box, width) for node, box in enumerate(boxes))
    starts = [12 + column * (width + _GAP) + _TEXT for column in range(columns)]
    names = "".join(_name(taker.name, x + _CELL * n, head) for x in starts for n, taker in enumerate(takers))
    size = (12 + columns * (width + _GAP), head + _ROW * (1 + max(layer for _, layer in places)))
    return (
        f"<svg class='graph' width='{size[0]}' height='{size[1]}' viewBox='0 0 {size[0]} {size[1]}' role='img' "
        f"aria-label='the graph, with who takes each node'>{names}<g class='edges'>{lines}</g>{drawn}</svg>"
    )


def _edges(graph: Graph) -> list[tuple[int, int]]:
    makers = {index: number for number, node in enumerate(graph.nodes) for index in node.outputs}
    found = [(makers[i], number) for number, node in enumerate(graph.nodes) for i in node.inputs if i in makers]
    return list(dict.fromkeys((source, target) for source, target in found if source < target))


def _places(graph: Graph) -> list[tuple[int, int]]:
    """Column and layer of each node: below all that it reads, under the last of them where that is free.

    The longest columns come first.
    """
    layers: list[int] = []
    sources: dict[int, list[int]] = {}
    for source, target in _edges(graph):
        sources.setdefault(target, []).append(source)
    places: list[tuple[int, int]] = []
    for number in range(len(graph.nodes)):
        read = sources.get(number, ())
        layers.append(1 + max((layers[source] for source in read), default=-1))
        column = max(((layers[source], places[source][0]) for source in read), default=(0, 0))[1]
        while (column, layers[number]) in places:
            column += 1
        places.append((column, layers[number]))
    lengths = Counter(column for column, _ in places)
    order = sorted(lengths, key=lambda column: (-lengths[column], column))
    return [(order.index(column), layer) for column, layer in places]


def _down(source: tuple[int, int], target: tuple[int, int], width: int) -> str:
    x = source[0] + width // 2
    return f"<path d='M{x} {source[1] + _HEIGHT}V{target[1]}'/>"


def _beside(source: tuple[int, int], target: tuple[int, int], width: int, lane: int) -> str:
    """Past the boxes between the two, along their right side."""
    x = max(source[0], target[0]) + width + lane
    start, end = (source[1] + _HEIGHT // 2 + 3, target[1] + _HEIGHT // 2 - 3)
    return f"<path d='M{source[0] + width} {start}H{x}V{end}H{target[0] + width}'/>"


def _box(graph: Graph, takers: Sequence[Backend], node: int, box: tuple[int, int], width: int) -> str:
    x, y = box
    operator = printable(graph.nodes[node].operator)
    shapes = [graph.tensors[index].shape for index in graph.nodes[node].outputs]
    did = [taker.does(node) for taker in takers]
    kind = "all" if set(did) <= {"takes"} else "some" if "takes" in did else "none"
    text = operator if len(operator) <= 18 else f"{operator[:17]}…"
    size = f"width='{_CELL - 2}' height='{_HEIGHT - 12}'"
    cells = "".join(
        f"<rect class='cell {what}' x='{x + _TEXT + _CELL * n}' y='{y + 6}' {size}>"
        f"<title>{escape(f'{taker.name}: {what}')}</title></rect>"
        for n, (taker, what) in enumerate(zip(takers, did, strict=True))
    )
    about = escape(f"node {node}: {operator} → {', '.join('×'.join(map(str, shape)) for shape in shapes)}")
    return (
        f"<g class='node {kind}'><rect class='box' x='{x}' y='{y}' width='{width}' height='{_HEIGHT}' rx='4'>"
        f"<title>{about}</title></rect><text x='{x + 8}' y='{y + 16}'>{node} {escape(text)}</text>{cells}</g>"
    )


def _name(name: str, x: int, bottom: int) -> str:
    place = f"{x + _CELL - 3} {bottom - 6}"
    return f"<text class='taker' transform='translate({place}) rotate(-90)'>{escape(name)}</text>"
