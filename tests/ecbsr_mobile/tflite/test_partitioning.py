"""Partitions are those of the runtime of this machine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecbsr_mobile.tflite import Graph, write, xnnpack_probe_worker
from ecbsr_mobile.tflite.partitioning import partitions
from ecbsr_mobile.tflite.xnnpack_probe import report
from tests.helpers.audit_cases import SHAPE
from tests.helpers.tflite_models import GraphBuilder


def random_graph(seed: int) -> tuple[Graph, list[bool]]:
    """Nodes that XNNPACK supports (NEG, ADD) and does not support (SIGN), connected at random."""
    random = np.random.default_rng(seed)
    make = GraphBuilder()
    values = [make.input(SHAPE)]
    for _ in range(int(random.integers(3, 14))):
        source = int(random.choice(values[-4:]))
        operator = random.choice(["NEG", "SIGN", "ADD"])
        if operator == "ADD":
            values.append(make.add(source, int(random.choice(values))))
        else:
            values.append(make.unary(str(operator), source))
    used = {index for node in make.nodes for index in node.inputs}
    graph = make.graph(*[value for value in values[1:] if value not in used])
    return graph, [node.operator != "SIGN" for node in graph.nodes]


@pytest.mark.parametrize("seed", range(60))
def test_partitions_are_those_of_the_runtime(seed: int) -> None:
    graph, supported = random_graph(seed)
    groups, runtime = partitions(graph, supported), report(xnnpack_probe_worker.load(write(graph)))
    assert sorted(number for group in groups for number in group) == list(runtime.nodes)
    assert len(groups) == runtime.partitions


def test_a_cycle_of_nodes_is_in_no_partition() -> None:
    make = GraphBuilder()
    first = make.unary("RELU", make.input(SHAPE))
    second = make.unary("RELU", first)
    nodes = (replace(make.nodes[0], inputs=(second,)), make.nodes[1])
    assert partitions(replace(make.graph(second), nodes=nodes), [True, True]) == []
