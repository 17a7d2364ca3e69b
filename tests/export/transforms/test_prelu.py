from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import interpreter
from export.transforms.prelu import decompose_prelu
from tests.helpers.networks import graph

pytestmark = pytest.mark.slow  # the graphs come from TensorFlow


def assert_same(first: tflite.Graph, second: tflite.Graph, random: np.random.Generator) -> None:
    image = random.random((24, 31, 1 if first.tensors[first.inputs[0]].shape[3] == 1 else 3), np.float32)
    expected, result = interpreter.run(first, image), interpreter.run(second, image)
    assert np.abs(result - expected).max() < 1e-5 * max(1, np.abs(expected).max())


def leaky(alpha: float) -> tflite.Graph:
    """The leaky network with one slope everywhere."""
    original = graph(3, 3, "leaky")
    nodes = []
    for node in original.nodes:
        options = copy.copy(node.options)
        if node.operator == "LEAKY_RELU":
            options.alpha = alpha
        nodes.append(replace(node, options=options))
    return replace(original, nodes=tuple(nodes))


def test_the_single_decomposition_of_prelu_is_the_same_function(random) -> None:
    """For slopes below 0, at 0, between 0 and 1, at 1, and above 1 (`SLOPES` in `tests/helpers/networks.py`)."""
    plain = graph(1, 2, "prelu")
    decomposed = decompose_prelu(plain, "single")
    assert tflite.operators(decomposed) == {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 3, "ADD": 4, "DEPTH_TO_SPACE": 1}
    assert_same(plain, decomposed, random)


def test_prelu_stays_for_accelerators() -> None:
    assert tflite.operators(decompose_prelu(graph(1, 2, "prelu"), "native"))["PRELU"] == 3


def test_the_double_decomposition_is_the_same_function_whatever_the_ranges_of_channels(random) -> None:
    plain = graph(1, 2, "prelu")
    middle, width = random.normal(size=(3, 8, 1)), random.uniform(0.1, 30, (3, 8, 1))
    channel_ranges = np.concatenate([middle - width, middle + width], 2).astype(np.float32)
    decomposed = decompose_prelu(plain, "double", channel_ranges)
    assert tflite.operators(decomposed) == {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "ADD": 4, "DEPTH_TO_SPACE": 1}
    assert_same(plain, decomposed, random)
    with pytest.raises(ValueError, match="needs the range of each channel"):
        decompose_prelu(plain, "double")


@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.003, 1.0, 1.7, 20.0])
@pytest.mark.parametrize("decomposition", ["single", "native"])
def test_leaky_slopes_that_a_runtime_refuses_are_decomposed(alpha, decomposition, random) -> None:
    plain = leaky(alpha)
    decomposed = decompose_prelu(plain, decomposition)
    if alpha in (1.0, 1.7):
        assert tflite.operators(decomposed)["LEAKY_RELU"] == 3
    else:
        assert "LEAKY_RELU" not in tflite.operators(decomposed)
    assert_same(plain, decomposed, random)


def test_a_relu_network_is_not_changed() -> None:
    plain = graph(3, 4, "relu")
    assert tflite.write(decompose_prelu(plain, "single")) == tflite.write(plain)


def test_a_steep_slope_whose_result_is_read_by_another_operator_is_refused() -> None:
    plain = graph(1, 2, "prelu")
    prelu = next(node for node in plain.nodes if node.operator == "PRELU")
    add = tflite.Node("ADD", (prelu.outputs[0], prelu.outputs[0]), (len(plain.tensors),))
    other = replace(plain.tensors[prelu.outputs[0]], name="other")
    wider = replace(plain, tensors=(*plain.tensors, other), nodes=(*plain.nodes, add))
    with pytest.raises(EcbsrError, match="between two convolutions"):
        decompose_prelu(wider, "single")
