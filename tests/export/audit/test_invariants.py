"""Invariants of quantized models."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert

from ecbsr_mobile.tflite import Graph, Quantization, write
from export.audit.delegate_audit import audit_delegate
from export.audit.delegates import DELEGATES
from export.audit.invariants import broken_invariants
from tests.helpers.audit_cases import (
    UNIT,
    alone,
    concatenation,
    convolution,
    leaky,
    pair,
    shuffle,
)
from tests.helpers.int16_models import SHAPE, int16_node, int16x8_network
from tests.helpers.networks import photo
from tests.helpers.tflite_models import plain_network


def test_valid_models_break_no_invariant() -> None:
    for kind in ("float32", "int8"):
        for slope in ("prelu", "relu", "leaky"):
            assert broken_invariants(plain_network(kind, activation=slope)) == []
    for slope in ("prelu", "relu", "leaky"):
        assert broken_invariants(int16x8_network(photo(1), slope)) == []


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (convolution("int8", weight_zero_point=3), "zero point 3"),
        (convolution("int8", weight_scale=300.0, scale=UNIT), "not below 256"),
        (pair("ADD", "int8", 512 / 16, 1 / 16, 1 / 16), "input / output scale is 512"),
        (pair("MUL", "int8", 1.0, 2.0**-22, 1 / 16), "scale · scale"),
        (shuffle("int8", 2, (1 / 100, 0)), "differ in scale or zero point"),
        (concatenation("int8", 2, (1 / 128, 1 / 64)), "differ in scale or zero point"),
        (leaky("int8", 0.003), "alpha"),
        (pair("MAXIMUM", "int8", 1 / 64), "differ in scale or zero point"),
        (alone("ADD", "int16", None, (1 / 128, 3)), "zero point 3, not 0"),
    ],
)
def test_finds_the_broken_invariant(graph: Graph, reason: str) -> None:
    (broken,) = broken_invariants(graph)
    assert reason in broken.reason


def test_finds_slopes_that_the_kernel_reads_in_another_type() -> None:
    """The built-in kernel takes each byte of int16 slopes for one of int8, without an error."""

    def slopes(kind: str) -> np.ndarray:
        graph = int16_node("PRELU", kind)
        runner = litert.Interpreter(model_content=write(graph))
        runner.allocate_tensors()
        runner.set_tensor(runner.get_input_details()[0]["index"], np.full(SHAPE, -32640, np.int16))
        runner.invoke()
        return runner.get_tensor(runner.get_output_details()[0]["index"])[0, 0, 0]

    assert (slopes("int8") == -20).all() and broken_invariants(int16_node("PRELU", "int8")) == []
    assert not (slopes("int16") == -20).all()
    (broken,) = broken_invariants(int16_node("PRELU", "int16"))
    assert "supports INT8 slopes with INT16 activations, not INT16" in broken.reason


def test_finds_a_bias_scale_that_the_runtime_rejects() -> None:
    for factor, sound in ((1.0, True), (1.5, True), (500.0, False)):
        graph = convolution("uint8", weight_scale=0.01, scale=UNIT)
        tensors = list(graph.tensors)
        index = graph.nodes[0].inputs[2]
        scale = np.array([0.01 / 128 * factor], np.float32)
        tensors[index] = replace(tensors[index], quantization=Quantization(scale, np.zeros(1, np.int64)))
        changed = replace(graph, tensors=tuple(tensors))
        assert (broken_invariants(changed) == []) == sound
        kernels = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # XNNPACK does not check it
        runner = litert.Interpreter(model_content=write(changed), experimental_op_resolver_type=kernels)
        with nullcontext() if sound else pytest.raises(RuntimeError, match="failed to prepare"):
            runner.allocate_tensors()
        if not sound:
            assert "bias scale" in broken_invariants(changed)[0].reason


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e-42])
def test_finds_a_scale_that_is_not_a_normal_positive_number(scale: float) -> None:
    graph = alone("RELU", "int8", scale=(scale, 0))
    assert any("not a normal positive number" in broken.reason for broken in broken_invariants(graph))
    for delegate in DELEGATES:
        audit_delegate(graph, delegate)
