"""The documented limits of NNAPI, by API level."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from tests.helpers.audit_cases import SHAPE, UNIT, alone, convolution
from tests.helpers.delegates import reasons
from tests.helpers.tflite_models import GraphBuilder


def test_below_29_neither_per_channel_weights_nor_dilation() -> None:
    assert not reasons(convolution("uint8", weight_scale=1e-3, scale=UNIT), "nnapi_28")
    assert "not below 1" in reasons(convolution("uint8", weight_scale=2.0, scale=UNIT), "nnapi_28")["CONV_2D"][1]
    assert "dilation" in reasons(convolution("float32", dilation=2), "nnapi_28")["CONV_2D"][1]
    assert not reasons(convolution("float32", dilation=2), "nnapi_29")
    assert "INT8" in reasons(convolution("int8"), "nnapi_28")["CONV_2D"][1]


def test_conversions_of_input_and_output() -> None:
    """The QUANTIZE of an int8 model with float input stays on the CPU below API level 30."""
    options = schema.DequantizeOptionsT()
    to_float = alone("DEQUANTIZE", "int8", options, to="float32")
    shifted = GraphBuilder("int8", (1 / 255, -128))
    source = shifted.input(SHAPE)
    moved = shifted.graph(shifted.node("DEQUANTIZE", [source], SHAPE, options=options, dtype="float32"))
    to_int8 = alone("QUANTIZE", "float32", schema.QuantizeOptionsT(), to="int8")
    levels = ("nnapi_28", "nnapi_29", "nnapi_30")
    assert [not reasons(to_float, level) for level in levels] == [False, True, True]
    assert [not reasons(moved, level) for level in levels] == [False, False, True]
    assert [not reasons(to_int8, level) for level in levels] == [False, False, True]
