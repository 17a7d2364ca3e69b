"""The documented limits of the GPU delegates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.helpers.audit_cases import SHAPE, alone, fp16_weights, pair, prelu
from tests.helpers.delegates import audited, reasons, supported


@pytest.mark.parametrize(
    ("slope", "is_supported"), [((4,), True), ((1, 1, 4), True), ((1, 8, 8, 4), True), ((1, 1, 1), False)]
)
def test_prelu_slopes_per_channel_or_per_value(slope: tuple[int, ...], is_supported: bool) -> None:
    graph = prelu("float32", slope)
    assert audited(graph, "gpu").loads == is_supported
    assert ("PRELU" in supported(graph, "gpu_ml_drift")) == is_supported
    assert audited(graph, "gpu_ml_drift").loads


def test_broadcasting_depends_on_the_order_of_the_inputs() -> None:
    wide, narrow = SHAPE, (1, 8, 8, 1)
    assert reasons(pair("ADD", "float32", shapes=(wide, narrow)), "gpu")["ADD"][0] == "unknown"
    assert reasons(pair("ADD", "float32", shapes=(narrow, wide)), "gpu")["ADD"][0] == "fatal"
    assert not reasons(pair("ADD", "float32"), "gpu")
    vector = alone("ADD", "float32", schema.AddOptionsT(0), constants=[np.ones(4, np.float32)])
    assert not reasons(vector, "gpu")


def test_fp16_constants_are_folded_only_if_the_whole_model_is_delegated() -> None:
    whole, split = fp16_weights(), fp16_weights("between")
    assert audited(whole, "gpu").taken == len(whole.nodes)
    split = replace(
        split, nodes=tuple(replace(n, operator=n.operator.replace("RELU_0_TO_1", "SIGN")) for n in split.nodes)
    )
    assert set(reasons(split, "gpu")) == {"SIGN", "DEQUANTIZE"}
