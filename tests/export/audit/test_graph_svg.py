"""The drawing of a graph: every node, every edge, and the support of every backend."""

from __future__ import annotations

import re
from itertools import combinations

from ecbsr_mobile.tflite import Graph
from export.audit.graph_svg import MAX_NODES, Backend, Drawing, draw
from export.html.rendering import render
from tests.helpers.pages import tags
from tests.helpers.tflite_models import GraphBuilder, plain_network


def drawn(graph: Graph, *backends: Backend) -> Drawing:
    drawing = draw(graph, backends)
    assert drawing is not None
    return drawing


def test_every_node_edge_and_cell_is_drawn() -> None:
    graph = plain_network("int8")
    supported = Backend("a <b>", dict.fromkeys(range(len(graph.nodes)), "supported"))
    svg = render("export.audit", "graph.svg.j2", drawing=drawn(graph, supported, Backend("none", {})))
    classes = [attrs.get("class") for _, attrs in tags(svg)]
    assert classes.count("node some") == len(graph.nodes)
    produced = {index for node in graph.nodes for index in node.outputs}
    edges = sum(index in produced for node in graph.nodes for index in node.inputs)
    assert [tag for tag, _ in tags(svg)].count("path") == edges
    assert classes.count("cell supported") == classes.count("cell unknown") == len(graph.nodes)
    assert "a &lt;b&gt;" in svg and "<b>" not in svg
    for number, node in enumerate(graph.nodes):
        assert f">{number} {node.operator}</text>" in svg


def test_coverage_is_all_some_or_none_of_the_backends() -> None:
    make = GraphBuilder()
    y = make.input((1, 4, 4, 1))
    for _ in range(3):
        y = make.unary("RELU", y)
    supports_all = Backend("a", dict.fromkeys(range(3), "supported"))
    supports_first = Backend("b", {0: "supported", 1: "rejected"})
    assert [box.coverage for box in drawn(make.graph(y), supports_all, supports_first).boxes] == ["all", "some", "some"]
    assert [box.coverage for box in drawn(make.graph(y), supports_first).boxes] == ["all", "none", "none"]


def test_boxes_do_not_overlap_and_edges_join_them() -> None:
    drawing = drawn(plain_network("int8"), Backend("a", {}))
    width, height = drawing.box_size
    places = [(box.x, box.y) for box in drawing.boxes]
    for (x, y), (other_x, other_y) in combinations(places, 2):
        assert abs(x - other_x) >= width or abs(y - other_y) >= height
    for x, y in places:
        assert 0 <= x <= drawing.width - width and 0 <= y <= drawing.height - height
    for edge in drawing.edges:
        x, y = map(int, re.findall(r"\d+", edge)[:2])
        assert any(left <= x <= left + width and top <= y <= top + height for left, top in places)


def test_an_empty_and_a_large_graph_are_not_drawn() -> None:
    make = GraphBuilder()
    y = make.input((1, 4, 4, 1))
    assert draw(make.graph(y), []) is None
    for _ in range(MAX_NODES):
        y = make.unary("RELU", y)
    assert draw(make.graph(y), []) is not None
    assert draw(make.graph(make.unary("RELU", y)), []) is None
