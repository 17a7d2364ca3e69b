"""Small graphs at the limits of XNNPACK, for which its table is compared with the runtime.

To test a rule, add a `case`: a name, a function that makes a graph, and its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import Graph, Quantization
from tests.helpers.tflite_models import ACTIVATIONS, VALID, GraphBuilder, plain_network

SHAPE = (1, 8, 8, 4)
UNIT = (1 / 128, 0)

CASES: dict[str, Callable[[], Graph]] = {}


def case(name: str, make: Callable[..., Graph], *arguments: Any, **settings: Any) -> None:
    """Add a case: the graph that `make` returns for these arguments."""
    CASES[name] = lambda: make(*arguments, **settings)


def alone(
    operator: str,
    dtype: str,
    options: Any = None,
    scale: tuple[float, int] | None = None,
    *,
    shape: Sequence[int] = SHAPE,
    constants: Sequence[Any] = (),
    to: str | None = None,
    **extra: Any,
) -> Graph:
    """A graph of one node, with one input of shape `SHAPE`; `to` is the data type of its output."""
    make = GraphBuilder(dtype, UNIT)
    source = make.input(SHAPE)
    inputs = [source, *map(make.constant, constants)]
    return make.graph(make.node(operator, inputs, shape, options=options, scale=scale, dtype=to, **extra))


def pair(
    operator: str, dtype: str, first: float = 1 / 128, second: float = 1 / 128, out: float = 1 / 128, **settings: Any
) -> Graph:
    """A graph of one node with two inputs; `first`, `second` and `out` are the scales of the inputs and the output."""
    make = GraphBuilder(dtype)
    shapes = settings.pop("shapes", (SHAPE, SHAPE))
    a, b = make.input(shapes[0], (first, 0)), make.input(shapes[1], (second, 0))
    activation = ACTIVATIONS[settings.pop("activation", "NONE")]
    kinds = {"ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT}
    options = kinds[operator](activation) if operator in kinds else schema.MaximumMinimumOptionsT()
    shape = np.broadcast_shapes(*shapes)
    return make.graph(make.node(operator, [a, b], shape, options=options, scale=(out, 0), **settings))


def convolution(dtype: str, **settings: Any) -> Graph:
    make = GraphBuilder(dtype, UNIT)
    return make.graph(make.conv(make.input(SHAPE), 8, **settings))


def without_bias(dtype: str, **settings: Any) -> Graph:
    graph = convolution(dtype, **settings)
    node = graph.nodes[0]
    return replace(graph, nodes=(replace(node, inputs=node.inputs[:2]),))


def computed_kernel() -> Graph:
    make = GraphBuilder()
    image, other = make.input(SHAPE), make.input((8, 3, 3, 4))
    bias = make.constant(np.zeros(8, np.float32))
    options = schema.Conv2DOptionsT(0, 1, 1, 0, 1, 1)
    return make.graph(make.node("CONV_2D", [image, make.unary("RELU", other), bias], (1, 8, 8, 8), options=options))


def dynamic_range(depthwise: bool) -> Graph:
    """Float activations, int8 weights."""
    make = GraphBuilder("int8", UNIT)
    source = make.input(SHAPE, dtype="float32")
    weights_of = GraphBuilder("int8", UNIT)
    weights_of.conv(weights_of.input(SHAPE), 4, depthwise=depthwise)
    weights = weights_of.tensors[1]
    stored = make.constant(weights.data, weights.quantization)
    bias = make.constant(np.zeros(4, np.float32))
    if depthwise:
        options: Any = schema.DepthwiseConv2DOptionsT(0, 1, 1, 1, 0, 1, 1)
        version = 6
    else:
        options = schema.Conv2DOptionsT(0, 1, 1, 0, 1, 1)
        version = 5
    operator = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    output = make.node(operator, [source, stored, bias], SHAPE, options=options, dtype="float32", version=version)
    return make.graph(output)


def prelu(dtype: str, slope: Sequence[int] | None = None) -> Graph:
    make = GraphBuilder(dtype, UNIT)
    return make.graph(make.prelu(make.conv(make.input(SHAPE), 4), slope))


def computed_slope() -> Graph:
    make = GraphBuilder()
    return make.graph(make.node("PRELU", [make.input(SHAPE), make.input((1, 1, 4))], SHAPE))


def leaky(dtype: str, alpha: float, source: float = 1 / 128, target: float = 1 / 128) -> Graph:
    make = GraphBuilder(dtype, (source, 0))
    return make.graph(make.unary("LEAKY_RELU", make.input(SHAPE), schema.LeakyReluOptionsT(alpha), (target, 0)))


def concatenation(dtype: str, count: int, scales: Sequence[float] = ()) -> Graph:
    make = GraphBuilder(dtype, UNIT)
    sources = [make.input(SHAPE, (scale, 0)) for scale in scales or [1 / 128] * count]
    options = schema.ConcatenationOptionsT(3, 0)
    return make.graph(make.node("CONCATENATION", sources, (1, 8, 8, 4 * len(sources)), options=options))


def shuffle(dtype: str, block: int = 2, scale: tuple[float, int] | None = None) -> Graph:
    make = GraphBuilder(dtype, UNIT)
    return make.graph(make.depth_to_space(make.conv(make.input(SHAPE), block**2), block, scale))


def clipped(dtype: str, operators: Sequence[str]) -> Graph:
    """A network whose output is clipped by separate nodes."""
    make = GraphBuilder(dtype, UNIT)
    y = make.conv(make.input(SHAPE), 4)
    for operator in operators:
        if operator in ("MINIMUM", "MAXIMUM"):
            bound = make.constant(np.ones(4, make.dtype), Quantization(np.float32([1 / 128]), np.int64([0])))
            y = make.node(operator, [y, bound], SHAPE, options=schema.MaximumMinimumOptionsT())
        else:
            y = make.unary(operator, y)
    return make.graph(make.depth_to_space(y, 2))


def high_rank(rank: int, scale: tuple[float, int] | None = None, dtype: str = "float32") -> Graph:
    """Pixel shuffle by RESHAPE, TRANSPOSE, RESHAPE, as some exporters write it; at rank 7 with an extra dimension."""
    make = GraphBuilder(dtype, UNIT)
    extra = (1,) * (rank - 6)
    order = [*range(len(extra)), *(len(extra) + axis for axis in (0, 1, 3, 2, 4, 5))]
    wide, turned = (*extra, 1, 8, 8, 2, 2, 1), (*extra, 1, 8, 2, 8, 2, 1)
    y = make.node("RESHAPE", [make.input(SHAPE), make.constant(np.int32(wide))], wide, options=schema.ReshapeOptionsT())
    y = make.node(
        "TRANSPOSE", [y, make.constant(np.int32(order))], turned, options=schema.TransposeOptionsT(), scale=scale
    )
    shape = (1, 16, 16, 1)
    y = make.node("RESHAPE", [y, make.constant(np.int32(shape))], shape, options=schema.ReshapeOptionsT(), scale=scale)
    return make.graph(y)


def resize(operator: str, dtype: str, scale: tuple[float, int] | None = None) -> Graph:
    kind = schema.ResizeBilinearOptionsT if operator == "RESIZE_BILINEAR" else schema.ResizeNearestNeighborOptionsT
    size = np.int32([16, 16])
    options = kind(False, True)
    return alone(operator, dtype, options, scale, shape=(1, 16, 16, 4), constants=[size], version=3)


def fp16_weights(refuse: str = "") -> Graph:
    """Weights in fp16; optionally a node that XNNPACK refuses, between two convolutions or as a user of a constant."""
    make = GraphBuilder()

    def stored(values: np.ndarray) -> int:
        constant = make.constant(values.astype(np.float16))
        return make.node("DEQUANTIZE", [constant], values.shape, options=schema.DequantizeOptionsT())

    def conv(source: int, inputs: int) -> int:
        weights = stored(make.random.normal(0, 0.3, (4, 3, 3, inputs)))
        options = schema.Conv2DOptionsT(0, 1, 1, 0, 1, 1)
        return make.node("CONV_2D", [source, weights, stored(np.zeros(4))], SHAPE, options=options)

    y = make.node("PRELU", [conv(make.input(SHAPE), 4), stored(np.full((1, 1, 4), 0.2))], SHAPE)
    if refuse == "between":
        y = make.unary("RELU_0_TO_1", y)
    if refuse == "user":
        y = make.add(y, make.unary("RELU_0_TO_1", stored(np.full(SHAPE, 0.2))))
    return make.graph(conv(y, 4))


def empty() -> Graph:
    make = GraphBuilder()
    return make.graph(make.unary("RELU", make.input((1, 0, 8, 4))))


def out_of_range() -> Graph:
    make = GraphBuilder("uint8", (1 / 128, -1))
    return make.graph(
        make.node("DEQUANTIZE", [make.input(SHAPE)], SHAPE, options=schema.DequantizeOptionsT(), dtype="float32")
    )


def branches() -> Graph:
    """A refused node on one of two branches that join: the nodes of the other branch form one partition."""
    make = GraphBuilder("int8", UNIT)
    image = make.input(SHAPE)
    left = make.unary("RELU", make.conv(image, 4))
    right = make.conv(make.conv(image, 4), 4)
    return make.graph(make.conv(make.add(left, right), 4))


for kind in ("float32", "int8"):
    for slope in ("prelu", "relu", "leaky"):
        case(f"network {kind} {slope}", plain_network, kind, activation=slope, blocks=2)
    for fused_name in ACTIVATIONS:
        case(f"conv {kind} {fused_name}", convolution, kind, activation=fused_name)
        case(f"depthwise {kind} {fused_name}", convolution, kind, activation=fused_name, depthwise=True)
        case(f"add {kind} {fused_name}", pair, "ADD", kind, activation=fused_name)
    case(f"conv {kind} 1x1", convolution, kind, kernel=1)
    case(f"conv {kind} stride", convolution, kind, stride=2, padding=VALID)
    case(f"conv {kind} dilation", convolution, kind, dilation=2)
    case(f"depthwise {kind} 1x1", convolution, kind, kernel=1, depthwise=True)
    case(f"conv {kind} without bias", without_bias, kind)
    case(f"depthwise {kind} without bias", without_bias, kind, depthwise=True)
    for operator in ("RELU", "RELU6", "RELU_N1_TO_1"):
        case(f"{operator} {kind}", alone, operator, kind)
    case(f"RELU_0_TO_1 {kind}", alone, "RELU_0_TO_1", kind)
    for block_size in (2, 3, 4):
        case(f"depth to space {kind} {block_size}", shuffle, kind, block_size)
    case(f"sub {kind}", pair, "SUB", kind)
    case(f"mul {kind}", pair, "MUL", kind)
    case(f"min {kind}", pair, "MINIMUM", kind)
    case(f"max {kind}", pair, "MAXIMUM", kind)
    case(f"clip {kind}", clipped, kind, ["MAXIMUM", "MINIMUM"])
    case(f"clip {kind} RELU6", clipped, kind, ["RELU6"])
    for position, narrow in enumerate((((1, 8, 8, 4), (1, 8, 8, 1)), ((1, 8, 8, 1), (1, 8, 8, 4)))):
        case(f"add {kind} broadcast {position}", pair, "ADD", kind, shapes=narrow)
    for inputs_count in (1, 2, 3, 4, 5, 6, 7):
        case(f"concat {kind} {inputs_count}", concatenation, kind, inputs_count)
    case(f"rank 6 {kind}", high_rank, 6, dtype=kind)
    case(f"bilinear {kind}", resize, "RESIZE_BILINEAR", kind)
    case(f"nearest {kind}", resize, "RESIZE_NEAREST_NEIGHBOR", kind)

for slope_shape in ((4,), (1, 1, 4), (1, 8, 8, 4), (1, 1, 1), (8, 8, 4)):
    case(f"prelu float {slope_shape}", prelu, "float32", slope_shape)
for kind in ("int8", "uint8"):
    case(f"prelu {kind}", prelu, kind)
case("prelu computed slope", computed_slope)
case("conv computed kernel", computed_kernel)
for depth in (False, True):
    case(f"dynamic range {'depthwise' if depth else 'conv'}", dynamic_range, depth)
    case(f"int8 per-tensor {'depthwise' if depth else 'conv'}", convolution, "int8", per_channel=False, depthwise=depth)
    case(f"uint8 {'depthwise' if depth else 'conv'}", convolution, "uint8", per_channel=False, depthwise=depth)
    case(f"int8 weights off zero per channel {depth}", convolution, "int8", weight_zero_point=3, depthwise=depth)
    case(f"int8 weights off zero per tensor {depth}", convolution, "int8", weight_zero_point=3, depthwise=depth,
         per_channel=False)  # fmt: skip
for weight_scale in (100.0, 255.0, 256.0, 300.0):
    case(f"conv requantized by {weight_scale}", convolution, "int8", weight_scale=weight_scale, scale=UNIT)
case("conv requantized by little", convolution, "int8", weight_scale=1e-9, scale=UNIT)
for alpha in (0.0, 0.003, 1 / 256, 0.1, 1.0, 1.5, 127.0, 128.0, 129.0, -0.003, -0.2, -127.0, -127.998, -128.5):
    case(f"leaky int8 {alpha}", leaky, "int8", alpha)
case("leaky float -0.2", leaky, "float32", -0.2)
case("leaky float 0", leaky, "float32", 0.0)
case("leaky uint8", leaky, "uint8", 0.2)
for source_scale, target_scale in (
    (1.0, 1.0),
    (1.0, 1 / 128),
    (1.0, 1 / 130),
    (1 / 256, 1.0),
    (1 / 260, 1.0),
    (1.0, 1 / 16),
):
    case(f"leaky int8 scales {source_scale:g} {target_scale:g}", leaky, "int8", 0.25, source_scale, target_scale)
for ratio in (2.0**-11, 2.0**-10, 2.0**-9, 1.0, 255.0, 256.0, 512.0):
    case(f"add int8 first ratio {ratio}", pair, "ADD", "int8", ratio / 16, 1 / 16, 1 / 16)
    case(f"add int8 second ratio {ratio}", pair, "ADD", "int8", 1 / 16, ratio / 16, 1 / 16)
    case(f"sub int8 ratio {ratio}", pair, "SUB", "int8", ratio / 16, 1 / 16, 1 / 16)
for ratio in (2.0**-17, 2.0**-16, 2.0**-15, 1.0, 255.0, 256.0):
    case(f"mul int8 ratio {ratio}", pair, "MUL", "int8", 1.0, ratio / 16, 1 / 16)
case("add uint8", pair, "ADD", "uint8")
case("concat int8 other scale", concatenation, "int8", 2, (1 / 128, 1 / 64))
case("concat uint8 other scale", concatenation, "uint8", 2, (1 / 128, 1 / 64))
case("depth to space int8 other scale", shuffle, "int8", 2, (1 / 100, 0))
case("depth to space int8 other zero point", shuffle, "int8", 2, (1 / 128, -3))
case("depth to space uint8", shuffle, "uint8", 2)
case("bilinear int8 other scale", resize, "RESIZE_BILINEAR", "int8", (1 / 99, 0))
case("rank 7", high_rank, 7)
case("rank 6 other scale", high_rank, 6, (1 / 99, 0), "int8")
for source_type, target_type in (
    ("float32", "int8"),
    ("float32", "uint8"),
    ("int8", "int8"),
    ("uint8", "uint8"),
    ("int8", "uint8"),
    ("uint8", "int8"),
):
    case(
        f"quantize {source_type} {target_type}",
        alone,
        "QUANTIZE",
        source_type,
        schema.QuantizeOptionsT(),
        to=target_type,
    )
for ratio in (1 / 300, 1 / 256, 1.0, 128.0, 130.0):
    case(f"quantize ratio {ratio:g}", alone, "QUANTIZE", "int8", schema.QuantizeOptionsT(), (1 / 128 / ratio, 0))
for kind in ("int8", "uint8", "int16"):
    case(f"dequantize {kind}", alone, "DEQUANTIZE", kind, schema.DequantizeOptionsT(), to="float32", version=3)
for refused in ("", "between", "user"):
    case(f"fp16 weights {refused}", fp16_weights, refused)


def pool(kind: str, dtype: str) -> Graph:
    return alone(kind, dtype, schema.Pool2DOptionsT(0, 2, 2, 2, 2, 0), shape=(1, 4, 4, 4))


def sliced(dtype: str, step: int) -> Graph:
    bounds = [np.int32([0, 0, 0, 0]), np.int32([1, 8, 8, 2]), np.int32([1, step, 1, 1])]
    return alone("STRIDED_SLICE", dtype, schema.StridedSliceOptionsT(), shape=(1, 8 // step, 8, 2), constants=bounds)


def transposed(dtype: str) -> Graph:
    make = GraphBuilder(dtype, UNIT)
    image, shape = make.input(SHAPE), make.constant(np.int32([1, 16, 16, 3]))
    scales = Quantization(np.full(3, 0.01, np.float32), np.zeros(3, np.int64)) if make.quantized else None
    weights = make.constant(np.ones((3, 4, 4, 4), make.dtype), scales)
    options = schema.TransposeConvOptionsT(0, 2, 2)
    return make.graph(make.node("TRANSPOSE_CONV", [shape, weights, image], (1, 16, 16, 3), options=options))


PADDING = np.int32([[0, 0], [1, 1], [1, 1], [0, 0]])
for kind in ("float32", "int8"):
    for operator in ("ABS", "NEG", "SQRT", "RSQRT", "EXP", "LOG", "HARD_SWISH", "GELU", "ELU", "SIGN"):
        gelu = schema.GeluOptionsT() if operator == "GELU" else None
        case(f"{operator} {kind}", alone, operator, kind, gelu)
    case(f"TANH {kind}", alone, "TANH", kind, None, (1 / 128, 0))
    case(f"LOGISTIC {kind}", alone, "LOGISTIC", kind, None, (1 / 256, -128))
    case(f"SOFTMAX {kind}", alone, "SOFTMAX", kind, schema.SoftmaxOptionsT(1.0), (1 / 256, -128))
    case(f"PAD {kind}", alone, "PAD", kind, schema.PadOptionsT(), shape=(1, 10, 10, 4), constants=[PADDING])
    mirror = schema.MirrorPadOptionsT(0)
    case(f"MIRROR_PAD {kind}", alone, "MIRROR_PAD", kind, mirror, shape=(1, 10, 10, 4), constants=[PADDING])
    fold = schema.SpaceToDepthOptionsT(2)
    case(f"SPACE_TO_DEPTH {kind}", alone, "SPACE_TO_DEPTH", kind, fold, shape=(1, 4, 4, 16))
    mean = schema.ReducerOptionsT(True)
    case(f"MEAN {kind}", alone, "MEAN", kind, mean, shape=(1, 1, 1, 4), constants=[np.int32([1, 2])])
    for operator in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        case(f"{operator} {kind}", pool, operator, kind)
    for step_size in (1, 2):
        case(f"STRIDED_SLICE {kind} {step_size}", sliced, kind, step_size)
    case(f"TRANSPOSE_CONV {kind}", transposed, kind)
for operator in ("SQUARE", "SIN", "COS", "FLOOR", "CEIL", "ROUND"):
    case(operator, alone, operator, "float32")
case("zero point out of range", out_of_range)
case("empty", empty)
case("branches", branches)
