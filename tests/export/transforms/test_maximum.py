from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import interpreter, operators
from export.quantize.weight_rounding import equalize
from export.transforms.maximum import prelu_as_maximum
from export.transforms.prelu import fold_steep_slopes
from tests.helpers.int16_models import float_network
from tests.helpers.networks import photo
from tests.helpers.tflite_models import GraphBuilder


def test_mul_and_maximum_compute_prelu_whatever_its_slopes() -> None:
    graph = float_network(colors=3)
    written = prelu_as_maximum(fold_steep_slopes(graph))
    counts = operators(written)
    assert "PRELU" not in counts and counts["MUL"] == counts["MAXIMUM"] == operators(graph)["PRELU"] > 1
    slopes = [written.tensors[node.inputs[1]].data for node in written.nodes if node.operator == "MUL"]
    assert max(values.max() for values in slopes) == 1 and min(values.min() for values in slopes) < -1
    expected = interpreter.run(graph, photo(3))
    np.testing.assert_allclose(interpreter.run(written, photo(3)), expected, atol=1e-5 * np.abs(expected).max())


def test_a_steep_slope_that_is_not_between_convolutions_is_refused() -> None:
    make = GraphBuilder()
    graph = make.graph(make.prelu(make.input((1, 8, 8, 4))))
    index = graph.nodes[0].inputs[1]
    tensors = list(graph.tensors)
    tensors[index] = replace(tensors[index], data=np.full((1, 1, 4), 1.5, np.float32))
    with pytest.raises(EcbsrError, match=r"a slope of 1\.5, above 1, must be between two convolutions"):
        fold_steep_slopes(replace(graph, tensors=tuple(tensors)))


@pytest.mark.parametrize("activation", ["prelu", "leaky", "relu"])
def test_equalization_keeps_the_network_and_evens_out_its_weights(activation: str) -> None:
    graph = float_network(activation)
    tensors = list(graph.tensors)
    kernels = [n.inputs[1] for n in graph.nodes if n.operator == "CONV_2D" and tensors[n.inputs[1]].shape[3] == 8]
    uneven = np.append(10.0 ** np.linspace(-1, 1, 7), 0)  # nothing reads the last channel
    for index in kernels:
        tensors[index] = replace(tensors[index], data=(tensors[index].data * uneven).astype(np.float32))
    graph = replace(graph, tensors=tuple(tensors))
    equalized = equalize(graph)
    expected = interpreter.run(graph, photo(1))
    np.testing.assert_allclose(interpreter.run(equalized, photo(1)), expected, atol=1e-5 * np.abs(expected).max())
    for index in kernels:
        shares = [use_of_the_8_bits(candidate.tensors[index].data)[:-1] for candidate in (graph, equalized)]
        assert shares[0].min() < 0.1 and shares[1].min() > 0.9


def use_of_the_8_bits(weight: np.ndarray) -> np.ndarray:
    """How near the largest weight of each input channel comes to the largest of its output channel; 1 is best."""
    largest = np.abs(weight).max(axis=(1, 2))
    return (largest / largest.max(axis=1, keepdims=True)).max(axis=0)
