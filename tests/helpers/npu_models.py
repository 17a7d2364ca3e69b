"""Models that an NPU compiler supports in part, and stored logs of Qualcomm's compiler."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import Graph
from tests.helpers.paths import ROOT
from tests.helpers.tflite_models import GraphBuilder

LOGS = ROOT / "tests" / "data" / "npu_logs"

SHAPE = (1, 8, 12, 4)


def several_reasons() -> Graph:
    """A pixel shuffle of rank 6, which the compiler rejects with a reason, and an operator that it does not know."""
    make = GraphBuilder()
    y = make.conv(make.input(SHAPE), 4)
    shapes = [(1, 8, 12, 2, 2, 1), (1, 8, 2, 12, 2, 1), (1, 16, 24, 1)]
    y = make.node("RESHAPE", [y, _ints(make, shapes[0])], shapes[0], options=schema.ReshapeOptionsT(list(shapes[0])))
    y = make.node("TRANSPOSE", [y, _ints(make, (0, 1, 3, 2, 4, 5))], shapes[1], options=schema.TransposeOptionsT())
    y = make.node("RESHAPE", [y, _ints(make, shapes[2])], shapes[2], options=schema.ReshapeOptionsT(list(shapes[2])))
    y = make.unary("BITCAST", make.conv(y, 4), schema.BitcastOptionsT())
    return make.graph(make.conv(y, 4))


def negations(dtype: str = "int8") -> Graph:
    """Convolutions with NEG between them, which the compiler supports in float only."""
    make, scale = GraphBuilder(dtype), (0.02, 0)
    y = make.conv(make.input((1, 24, 32, 1)), 8, scale=scale)
    for _ in range(2):
        y = make.conv(make.unary("NEG", y, schema.NegOptionsT(), scale=scale), 8, scale=scale)
    return make.graph(y)


def only_negation() -> Graph:
    """A model without an operator that the compiler supports."""
    make = GraphBuilder("int8")
    return make.graph(make.unary("NEG", make.input(SHAPE), schema.NegOptionsT()))


def _ints(make: GraphBuilder, values: tuple[int, ...]) -> int:
    return make.constant(np.array(values, np.int32))


def stored_log(name: str) -> tuple[bytes, bytes]:
    """Standard error and standard output of the compiler.

    "several" is its log for `several_reasons`, "failed" its log for an empty image.
    """
    return (LOGS / f"{name}.err").read_bytes(), (LOGS / f"{name}.out").read_bytes()
