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
from tests.helpers.tflite_models import plain_network


def test_valid_models_break_no_invariant() -> None:
    for kind in ("float32", "int8"):
        for slope in ("prelu", "relu", "leaky"):
            assert broken_invariants(plain_network(kind, activation=slope)) == []


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
    ],
)
def test_finds_the_broken_invariant(graph: Graph, reason: str) -> None:
    (broken,) = broken_invariants(graph)
    assert reason in broken.reason


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
