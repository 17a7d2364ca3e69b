"""Graphs at other image sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.tflite import at_size, input_size, read, scale_of, write
from tests.helpers import upscalers
from tests.helpers.foreign_tflite import foreign_model, packed
from tests.helpers.litert import interpreter, run
from tests.helpers.tflite_models import SAME, GraphBuilder, plain_network


def test_fp16_constants_are_kept() -> None:
    make = GraphBuilder()
    image = make.input((1, 6, 8, 1))
    stored = make.random.normal(0, 0.3, (4, 3, 3, 1)).astype(np.float16)
    weights = make.node("DEQUANTIZE", [make.constant(stored)], stored.shape, options=schema.DequantizeOptionsT())
    bias = make.constant(np.zeros(4, np.float32))
    options = schema.Conv2DOptionsT(SAME, 1, 1, 0, 1, 1)
    graph = make.graph(make.node("CONV_2D", [image, weights, bias], (1, 6, 8, 4), options=options))
    again = read(write(graph))
    constant = next(tensor for tensor in again.tensors if tensor.data is not None and tensor.dtype == np.float16)
    np.testing.assert_array_equal(constant.data, stored)
    assert run(write(at_size(again, 9, 5))).shape == (1, 5, 9, 4)


def test_a_dynamic_model_gets_a_fixed_size() -> None:
    graph = plain_network("int8", scale=3)

    def with_dynamic_size(i: int) -> Any:
        tensor = graph.tensors[i]
        if tensor.data is not None:
            return tensor
        return replace(tensor, shape=(1, 1, 1, tensor.shape[3]), signature=(1, -1, -1, tensor.shape[3]))

    dynamic = read(write(replace(graph, tensors=tuple(map(with_dynamic_size, range(len(graph.tensors)))))))
    assert input_size(dynamic) == (-1, -1)
    assert scale_of(dynamic) == 3
    sized = at_size(dynamic, 20, 12)
    assert input_size(sized) == (20, 12)
    assert write(sized) == write(at_size(graph, 20, 12))
    np.testing.assert_array_equal(run(write(sized)), run(write(graph)))


def test_resizing_keeps_the_names_of_inputs_and_outputs() -> None:
    runner = interpreter(write(at_size(plain_network(), 7, 5)))
    result = runner.get_signature_runner("serving_default")(image=np.zeros((1, 5, 7, 1), np.float32))
    assert result["upscaled"].shape == (1, 10, 14, 1)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5), (65537, 5)])
def test_rejects_impossible_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"{size[0]}x{size[1]}"):
        at_size(plain_network(), *size)


def test_names_an_operator_without_a_shape_rule() -> None:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    options = schema.ReverseV2OptionsT()
    graph = make.graph(make.node("REVERSE_V2", [image, make.constant(np.int32([1]))], (1, 12, 20, 4), options=options))
    with pytest.raises(EcbsrError, match="node 0, REVERSE_V2"):
        at_size(graph, 10, 10)
    assert run(write(at_size(graph, 20, 12))).shape == (1, 12, 20, 4)
    with pytest.raises(EcbsrError, match="custom operator TheirOperator"):
        at_size(read(packed(foreign_model())), 8, 8)


@pytest.mark.parametrize("name", ["dynamic batch", "computed shape"])
def test_shapes_that_the_model_computes_become_constants(name: str) -> None:
    graph = upscalers.DOUBLING[name]()
    sized = at_size(graph, 24, 16)
    assert [node.operator for node in sized.nodes] == ["TRANSPOSE_CONV"]
    image = np.random.default_rng(0).random((1, 16, 24, 3), np.float32)
    runner = interpreter(write(sized))
    runner.set_tensor(runner.get_input_details()[0]["index"], image)
    runner.invoke()
    result = runner.get_tensor(runner.get_output_details()[0]["index"])
    np.testing.assert_array_equal(result, image.repeat(2, axis=1).repeat(2, axis=2))


def test_a_resized_output_keeps_its_ratio_to_the_input() -> None:
    make = GraphBuilder()
    pixels = upscalers.reshape(make, make.input((1, 48, 32, 1)), (1, 1536, 1))
    graph = make.graph(upscalers.reshape(make, pixels, (1, 48, 32, 1)))
    with pytest.raises(
        EcbsrError, match=r"output would have the shape \[1, 192, 32, 1\] for an input of \[1, 96, 64, 1\]"
    ):
        at_size(graph, 64, 96)


def test_of_several_subgraphs_the_first_can_be_resized() -> None:
    both = read(upscalers.two_subgraphs(plain_network(), plain_network(size=(40, 24))))
    assert (both.subgraphs, input_size(both)) == (2, (20, 12))
    assert write(at_size(both, 30, 20)) == write(at_size(plain_network(), 30, 20))
    call = replace(both.nodes[0], operator="CALL_ONCE")
    with pytest.raises(EcbsrError, match="its CALL_ONCE runs another subgraph"):
        at_size(replace(both, nodes=(call, *both.nodes[1:])), 30, 20)
