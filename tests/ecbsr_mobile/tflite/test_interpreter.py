"""Real values through LiteRT, and its errors as one sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import at_size, interpreter, write
from tests.helpers.tflite_models import GraphBuilder, plain_network


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_real_values_are_those_of_the_stored_tensors(dtype: str) -> None:
    graph, image = plain_network(dtype), np.random.default_rng(0).random((9, 7, 1), np.float32)
    result = interpreter.run(graph, image)
    runner = litert.Interpreter(model_content=write(at_size(graph, 7, 9)))
    runner.allocate_tensors()
    details = runner.get_input_details()[0]
    stored = image if dtype == "float32" else np.round(image * 255).astype(int) - 128
    runner.set_tensor(details["index"], stored[None].astype(details["dtype"]))
    runner.invoke()
    output = runner.get_tensor(runner.get_output_details()[0]["index"])[0].astype(np.float64)
    expected = output if dtype == "float32" else (output + 128) / 255
    assert result.dtype == np.float32 and result.shape == (18, 14, 1)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_activations_are_returned_in_the_order_of_their_indices() -> None:
    make = GraphBuilder()
    image = make.input((1, 4, 4, 1))
    negative = make.unary("NEG", image)
    graph = make.graph(make.unary("ABS", negative))
    pixels = np.random.default_rng(0).random((4, 4, 1), np.float32)
    absolute, negated = interpreter.activations(graph, pixels, [graph.outputs[0], negative])
    np.testing.assert_array_equal(absolute, pixels)
    np.testing.assert_array_equal(negated, -pixels)


def test_reports_why_litert_cannot_run_a_graph() -> None:
    graph = plain_network()
    newer = replace(graph.nodes[0], version=99)
    with pytest.raises(EcbsrError, match=r"^LiteRT cannot run the graph: \S+") as error:
        interpreter.run(replace(graph, nodes=(newer, *graph.nodes[1:])), np.zeros((4, 4, 1), np.float32))
    assert "\n" not in str(error.value)


def test_check_shapes_compares_the_file_with_litert() -> None:
    graph = plain_network()
    interpreter.check_shapes(write(graph), "x.tflite")
    tensors, output = list(graph.tensors), graph.outputs[0]
    tensors[output] = replace(tensors[output], shape=(1, 24, 41, 1))
    message = r"x\.tflite: .*\(1, 24, 41, 1\) in the file, but LiteRT infers \(1, 24, 40, 1\)"
    with pytest.raises(EcbsrError, match=message):
        interpreter.check_shapes(write(replace(graph, tensors=tuple(tensors))), "x.tflite")
