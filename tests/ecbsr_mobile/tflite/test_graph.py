"""Properties of a graph in memory."""

from __future__ import annotations

import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import at_size, fused_activation, input_size, operators, scale_of
from tests.helpers.tflite_models import GraphBuilder, plain_network


def test_operators_size_scale_and_fused_activations() -> None:
    graph = plain_network(activation="relu", size=(20, 12), scale=4, blocks=2)
    assert operators(graph) == {"CONV_2D": 5, "ADD": 1, "DEPTH_TO_SPACE": 1}
    assert input_size(graph) == (20, 12)
    assert scale_of(graph) == 4
    assert [fused_activation(node) for node in graph.nodes] == ["RELU"] * 3 + ["NONE"] * 4


def test_rejects_models_without_a_single_image_input() -> None:
    make = GraphBuilder()
    first, second = make.input((1, 4, 4, 1)), make.input((1, 4, 4, 1))
    with pytest.raises(EcbsrError, match="2 inputs"):
        at_size(make.graph(make.add(first, second)), 8, 8)
    make = GraphBuilder()
    with pytest.raises(EcbsrError, match=r"shape \[1, 10\]"):
        at_size(make.graph(make.unary("RELU", make.input((1, 10)))), 8, 8)
