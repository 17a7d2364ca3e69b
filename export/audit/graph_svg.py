"""Layout of a model's graph for `graph.svg.j2`: a box for each node, and in it a cell for each backend's support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecbsr_mobile.tflite.graph import Graph, Node, short_name

MAX_NODES = 400
"""Nodes of the largest graph that is drawn."""

MAX_NAME = 18
"""Characters of an operator's name that fit into a box."""

CELL_WIDTH, BOX_HEIGHT = 26, 36
"""Cells of 24 x 24 pixels, which a finger can hit: their tooltips name the backend."""

_MARGIN, _TEXT_WIDTH, _ROW_HEIGHT, _COLUMN_GAP = 12, 164, 46, 46
_LANES, _FIRST_LANE, _LANE_WIDTH = 5, 8, 7

Point = tuple[int, int]


@dataclass(frozen=True)
class Backend:
    """A delegate or compiler. `support` maps a node's index to "supported", "rejected" or "unknown" (the default)."""

    name: str
    support: Mapping[int, str]


@dataclass(frozen=True)
class Cell:
    """Whether a backend supports a node. `x` and `y` are pixels."""

    backend: str
    support: str
    x: int
    y: int


@dataclass(frozen=True)
class Box:
    """A node. `coverage` is "all", "some" or "none" of the backends."""

    x: int
    y: int
    coverage: str
    label: str
    title: str
    cells: list[Cell]


@dataclass(frozen=True)
class Drawing:
    """All shapes, in pixels; a size is a width and a height.

    `edges` are SVG path data. `headings` are the backends' names with the points at which they start.
    """

    width: int
    height: int
    box_size: tuple[int, int]
    cell_size: tuple[int, int]
    boxes: list[Box]
    edges: list[str]
    headings: list[tuple[str, Point]]


def draw(graph: Graph, backends: Sequence[Backend]) -> Drawing | None:
    """Lay the graph out from top to bottom; None without nodes or with more than `MAX_NODES`."""
    if not 0 < len(graph.nodes) <= MAX_NODES:
        return None
    edges = _edges(graph)
    places = _places(len(graph.nodes), edges)
    box_width = _TEXT_WIDTH + CELL_WIDTH * len(backends) + _MARGIN
    column_width = box_width + _COLUMN_GAP
    top = 6 * max((len(backend.name) for backend in backends), default=0) + 14
    corners = [(_MARGIN + column * column_width, top + layer * _ROW_HEIGHT) for column, layer in places]
    columns, layers = (1 + max(place[axis] for place in places) for axis in (0, 1))
    first_cells = [_MARGIN + column * column_width + _TEXT_WIDTH for column in range(columns)]
    return Drawing(
        width=_MARGIN + columns * column_width,
        height=top + layers * _ROW_HEIGHT,
        box_size=(box_width, BOX_HEIGHT),
        cell_size=(CELL_WIDTH - 2, BOX_HEIGHT - 12),
        boxes=[_box(graph, number, corner, backends) for number, corner in enumerate(corners)],
        edges=_paths(edges, places, corners, box_width),
        headings=[
            (backend.name, (x + CELL_WIDTH * number + CELL_WIDTH // 2 + 3, top - 6))
            for x in first_cells
            for number, backend in enumerate(backends)
        ],
    )


def _edges(graph: Graph) -> list[tuple[int, int]]:
    """Pairs of nodes: the second reads an output of the first."""
    producers = {index: number for number, node in enumerate(graph.nodes) for index in node.outputs}
    edges = [
        (producers[index], number)
        for number, node in enumerate(graph.nodes)
        for index in node.inputs
        if index in producers
    ]
    return list(dict.fromkeys((source, target) for source, target in edges if source < target))


def _places(count: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Column and layer of each node: one layer below its last source, in that source's column where it is free.

    The longest columns come first.
    """
    sources: dict[int, list[int]] = {}
    for source, target in edges:
        sources.setdefault(target, []).append(source)
    places: list[tuple[int, int]] = []
    for number in range(count):
        layer, column = max(
            ((places[source][1] + 1, places[source][0]) for source in sources.get(number, ())), default=(0, 0)
        )
        while (column, layer) in places:
            column += 1
        places.append((column, layer))
    lengths = Counter(column for column, _ in places)
    order = sorted(lengths, key=lambda column: (-lengths[column], column))
    return [(order.index(column), layer) for column, layer in places]


def _paths(
    edges: Sequence[tuple[int, int]], places: Sequence[tuple[int, int]], corners: Sequence[Point], box_width: int
) -> list[str]:
    """SVG path data of each edge: straight down to the next layer, otherwise around the boxes in a lane of its own."""
    paths = []
    detours = 0
    for source, target in edges:
        if places[target] == (places[source][0], places[source][1] + 1):
            x, y = corners[source]
            paths.append(f"M{x + box_width // 2} {y + BOX_HEIGHT}V{corners[target][1]}")
        else:
            lane = _FIRST_LANE + _LANE_WIDTH * (detours % _LANES)
            paths.append(_detour(corners[source], corners[target], box_width, lane))
            detours += 1
    return paths


def _detour(source: Point, target: Point, box_width: int, lane: int) -> str:
    """Out of the right side of one box and into the right side of the other."""
    x = max(source[0], target[0]) + box_width + lane
    start, end = source[1] + BOX_HEIGHT // 2 + 3, target[1] + BOX_HEIGHT // 2 - 3
    return f"M{source[0] + box_width} {start}H{x}V{end}H{target[0] + box_width}"


def _box(graph: Graph, number: int, corner: Point, backends: Sequence[Backend]) -> Box:
    x, y = corner
    node = graph.nodes[number]
    support = [backend.support.get(number, "unknown") for backend in backends]
    name = short_name(node.operator)
    return Box(
        x,
        y,
        coverage="all" if set(support) <= {"supported"} else "some" if "supported" in support else "none",
        label=f"{number} {name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + '…'}",
        title=f"node {number}: {name} → {_shapes(graph, node)}",
        cells=[
            Cell(backend.name, state, x + _TEXT_WIDTH + CELL_WIDTH * position, y + 6)
            for position, (backend, state) in enumerate(zip(backends, support, strict=True))
        ],
    )


def _shapes(graph: Graph, node: Node) -> str:
    return ", ".join("×".join(map(str, graph.tensors[index].shape)) for index in node.outputs)
