"""Graphs at other image sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.tflite import (
    at_size,
    input_size,
    read,
    scale_of,
    write,
)
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
