"""Small graphs about which the table of ML Drift is compared with the delegate: one operator, in every type.

The cases for XNNPACK are part of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import Graph, Quantization
from tests.helpers import audit_cases
from tests.helpers.audit_cases import PADDING, SHAPE, UNIT, alone, pair
from tests.helpers.int16_models import int16_node
from tests.helpers.tflite_models import GraphBuilder

TYPES = ("float32", "int8", "uint8")

CASES: dict[str, Callable[[], Graph]] = {}


def case(name: str, make: Callable[..., Graph], *arguments: Any, **settings: Any) -> None:
    """Add a case: the graph that `make` returns for these arguments."""
    CASES[name] = lambda: make(*arguments, **settings)


def with_constant(operator: str, dtype: str, shape: Sequence[int], options: Any = None) -> Graph:
    """An operator of an image and a constant."""
    make = GraphBuilder(dtype, UNIT)
    values = make.random.uniform(0.5, 1, shape)
    if not make.quantized:
        return make.graph(_binary(make, operator, make.input(SHAPE), make.constant(np.float32(values)), options))
    stored = Quantization(np.float32([UNIT[0]]), np.int64([UNIT[1]]))
    constant = make.constant((values * 100).astype(make.dtype), stored)
    return make.graph(_binary(make, operator, make.input(SHAPE), constant, options))


def _binary(make: GraphBuilder, operator: str, first: int, second: int, options: Any) -> int:
    shape = np.broadcast_shapes(make.tensors[first].shape, make.tensors[second].shape)
    return make.node(operator, [first, second], shape, options=options)


def cast(dtype: str, to: str) -> Graph:
    return alone("CAST", dtype, schema.CastOptionsT(), to=to)


def split(dtype: str) -> Graph:
    make = GraphBuilder(dtype, UNIT)
    axis, image = make.constant(np.int32(3)), make.input(SHAPE)
    first = make.node("SPLIT", [axis, image], (1, 8, 8, 2), options=schema.SplitOptionsT(2), version=1)
    second = make.tensor((1, 8, 8, 2))
    make.nodes[-1] = replace(make.nodes[-1], outputs=(first, second))
    return make.graph(first, second)


def fully_connected(dtype: str) -> Graph:
    make = GraphBuilder(dtype, UNIT)
    image = make.input((1, 16))
    scales = Quantization(np.float32([0.01]), np.int64([0])) if make.quantized else None
    weights = make.constant(np.ones((8, 16), make.dtype), scales)
    return make.graph(
        make.node("FULLY_CONNECTED", [image, weights, -1], (1, 8), options=schema.FullyConnectedOptionsT())
    )


def transposed(dtype: str, order: Sequence[int] = (0, 2, 1, 3)) -> Graph:
    shape = tuple(SHAPE[axis] for axis in order)
    return alone("TRANSPOSE", dtype, schema.TransposeOptionsT(), shape=shape, constants=[np.int32(order)])


def reshaped(dtype: str, shape: Sequence[int]) -> Graph:
    return alone("RESHAPE", dtype, schema.ReshapeOptionsT(list(shape)), shape=shape, constants=[np.int32(shape)])


BINARY: dict[str, Any] = {
    "ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT, "DIV": schema.DivOptionsT,
    "MAXIMUM": schema.MaximumMinimumOptionsT, "MINIMUM": schema.MaximumMinimumOptionsT,
    "SQUARED_DIFFERENCE": schema.SquaredDifferenceOptionsT, "POW": schema.PowOptionsT,
}  # fmt: skip
UNARY: dict[str, Any] = {
    "ABS": schema.AbsOptionsT(), "CEIL": None, "COS": None, "ELU": None, "EXP": schema.ExpOptionsT(), "FLOOR": None,
    "HARD_SWISH": None, "LEAKY_RELU": schema.LeakyReluOptionsT(0.2), "LOG": None, "NEG": schema.NegOptionsT(),
    "RELU": None, "RELU6": None, "RELU_N1_TO_1": None, "RELU_0_TO_1": None, "ROUND": None, "RSQRT": None,
    "SIGN": schema.SignOptionsT(), "SIN": None, "SQRT": None, "SQUARE": schema.SquareOptionsT(),
}  # fmt: skip

for kind in TYPES:
    for operator, options in UNARY.items():
        case(f"{operator} {kind}", alone, operator, kind, options)
    for operator, make_options in BINARY.items():
        fused = () if operator in ("MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW") else (0,)
        case(f"{operator} {kind}", with_constant, operator, kind, SHAPE, make_options(*fused))
    for shape in ((), (1,), (4,), (1, 1, 1, 4), (1, 8, 8, 1), (1, 1, 8, 4), (8, 4)):
        case(f"ADD {kind} constant {shape}", with_constant, "ADD", kind, shape, schema.AddOptionsT(0, False))
        case(f"MUL {kind} constant {shape}", with_constant, "MUL", kind, shape, schema.MulOptionsT(0))
    case(f"TANH {kind}", alone, "TANH", kind, None, (1 / 128, 0))
    case(f"LOGISTIC {kind}", alone, "LOGISTIC", kind, None, (1 / 256, -128))
    case(f"split {kind}", split, kind)
    case(f"fully connected {kind}", fully_connected, kind)
    for order in ((0, 2, 1, 3), (0, 3, 1, 2)):
        case(f"transpose {kind} {order}", transposed, kind, order)
    for shape in ((1, 4, 16, 4), (1, 256), (8, 8, 4), (2, 4, 8, 4), (1, 4, 4, 4, 4)):
        case(f"reshape {kind} {shape}", reshaped, kind, shape)
    case(f"pad {kind}", alone, "PAD", kind, schema.PadOptionsT(), shape=(1, 10, 10, 4), constants=[PADDING])
    for block in (2, 4):
        make_depth = schema.SpaceToDepthOptionsT(block)
        case(f"space to depth {kind} {block}", alone, "SPACE_TO_DEPTH", kind, make_depth,
             shape=(1, 8 // block, 8 // block, 4 * block**2))  # fmt: skip
for source, target in (("float32", "int8"), ("int8", "float32"), ("uint8", "float32"), ("float32", "uint8")):
    case(f"cast {source} {target}", cast, source, target)
for name in ("ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "LEAKY_RELU", "MAXIMUM", "MUL", "QUANTIZE"):
    case(f"int16 {name}", int16_node, name)
for operator in ("ADD", "MUL", "SUB", "MAXIMUM", "MINIMUM"):
    narrow = ((1, 8, 8, 1), (1, 1, 1, 4), (1, 1, 1, 1), (1, 8, 1, 4))
    for position, shapes in enumerate([*((SHAPE, shape) for shape in narrow), (narrow[0], SHAPE)]):
        case(f"broadcast {operator} {position}", pair, operator, "float32", shapes=shapes)
for operator in ("SUB", "MINIMUM"):
    case(f"int16 {operator}", pair, operator, "int16")
for kind in TYPES:
    bounds = [np.int32([0, 0, 0, 0]), np.int32([1, 4, 4, 4])]
    case(f"SLICE {kind}", alone, "SLICE", kind, schema.SliceOptionsT(), shape=(1, 4, 4, 4), constants=bounds)
    for operator in ("REDUCE_MAX", "SUM"):
        reducer = schema.ReducerOptionsT(True)
        case(f"{operator} {kind}", alone, operator, kind, reducer, shape=(1, 1, 1, 4), constants=[np.int32([1, 2])])
    case(f"TILE {kind}", alone, "TILE", kind, schema.TileOptionsT(), shape=(1, 16, 8, 4),
         constants=[np.int32([1, 2, 1, 1])])  # fmt: skip
case("CUMSUM float32", alone, "CUMSUM", "float32", schema.CumsumOptionsT(), constants=[np.int32(3)])
CASES |= audit_cases.CASES
