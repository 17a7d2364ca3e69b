"""Inferred shapes are those that LiteRT computes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Graph, at_size, read, write
from ecbsr_mobile.tflite.shape_call import Call, CannotInfer, Operand
from ecbsr_mobile.tflite.shape_inference import _RULES, infer
from tests.helpers.litert import interpreter, run, shapes_of
from tests.helpers.tflite_models import SAME, VALID, GraphBuilder, plain_network


def _pool(kind: str, padding: int) -> Graph:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    size = (6, 10) if padding == SAME else (5, 9)
    options = schema.Pool2DOptionsT(padding, 2, 2, 3, 3, 0)
    return make.graph(make.node(kind, [image], (1, *size, 4), options=options))


def _unary(operator: str, shape: tuple[int, ...], options: Any = None, *constants: Any) -> Graph:
    """An operator on an image; its constants are arrays, or what becomes one of int32."""
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    values = [each if isinstance(each, np.ndarray) else np.array(each, np.int32) for each in constants]
    return make.graph(make.node(operator, [image, *map(make.constant, values)], shape, options=options))


def _conv(**settings: Any) -> Graph:
    make = GraphBuilder()
    return make.graph(make.conv(make.input((1, 12, 20, 4)), 6, **settings))


def _binary(operator: str, first: tuple[int, ...], second: Any, options: Any = None) -> Graph:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    a = make.conv(image, first[-1])
    b = make.conv(image, second[-1]) if isinstance(second, tuple) else make.constant(second)
    if operator == "CONCATENATION":
        shape: tuple[int, ...] = (*first[:3], first[3] + second[3])
    else:
        shape = np.broadcast_shapes(first, second if isinstance(second, tuple) else second.shape)
    return make.graph(make.node(operator, [a, b], shape, options=options))


def _fully_connected(keep: bool) -> Graph:
    """Each pixel's channels in another color space, as TensorFlow writes a product with a matrix."""
    make = GraphBuilder()
    weights = make.constant(np.arange(24, dtype=np.float32).reshape(6, 4))
    shape = (1, 12, 20, 6) if keep else (240, 6)
    options = schema.FullyConnectedOptionsT(keepNumDims=keep)
    result = make.node("FULLY_CONNECTED", [make.input((1, 12, 20, 4)), weights], shape, options=options, version=2)
    return make.graph(result)


def _split() -> Graph:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    first, second = make.tensor((1, 12, 20, 2)), make.tensor((1, 12, 20, 2))
    axis = make.constant(np.int32(3))
    make.node("SPLIT", [axis, image], (), options=schema.SplitOptionsT(2))
    make.nodes[-1] = replace(make.nodes[-1], outputs=(first, second))
    return make.graph(make.add(first, second))


def _quantized_and_back(dtype: str) -> Graph:
    make = GraphBuilder(dtype)
    image = make.input((1, 12, 20, 4), dtype="float32")
    stored = make.node("QUANTIZE", [image], (1, 12, 20, 4), options=schema.QuantizeOptionsT())
    options = schema.DequantizeOptionsT()
    return make.graph(make.node("DEQUANTIZE", [stored], (1, 12, 20, 4), options=options, dtype="float32"))


SLOPE = np.full((1, 1, 4), 0.2, np.float32)
RESIZABLE: dict[str, Graph] = {
    "plain float": plain_network(),
    "plain int8": plain_network("int8", scale=3, colors=3),
    "plain leaky": plain_network("int8", activation="leaky", scale=4),
    "conv": _conv(),
    "conv valid": _conv(padding=VALID),
    "conv stride": _conv(stride=2),
    "conv stride valid": _conv(stride=2, padding=VALID, kernel=4),
    "conv dilated": _conv(dilation=2),
    "conv dilated valid": _conv(dilation=2, padding=VALID),
    "depthwise": _conv(depthwise=True),
    "depthwise stride": _conv(depthwise=True, stride=3, kernel=5, padding=VALID),
    "average pool": _pool("AVERAGE_POOL_2D", SAME),
    "max pool": _pool("MAX_POOL_2D", VALID),
    "prelu": _unary("PRELU", (1, 12, 20, 4), None, SLOPE),
    "relu": _unary("RELU", (1, 12, 20, 4)),
    "relu6": _unary("RELU6", (1, 12, 20, 4)),
    "relu_0_to_1": _unary("RELU_0_TO_1", (1, 12, 20, 4)),
    "leaky": _unary("LEAKY_RELU", (1, 12, 20, 4), schema.LeakyReluOptionsT(0.1)),
    "logistic": _unary("LOGISTIC", (1, 12, 20, 4)),
    "tanh": _unary("TANH", (1, 12, 20, 4)),
    "hard swish": _unary("HARD_SWISH", (1, 12, 20, 4), schema.HardSwishOptionsT()),
    "quantize": _quantized_and_back("int8"),
    "add": _binary("ADD", (1, 12, 20, 3), (1, 12, 20, 3), schema.AddOptionsT(0, False)),
    "add broadcast": _binary("ADD", (1, 12, 20, 4), (1, 12, 20, 1), schema.AddOptionsT(0, False)),
    "add broadcast first": _binary("ADD", (1, 12, 20, 1), (1, 12, 20, 4), schema.AddOptionsT(0, False)),
    "sub": _binary("SUB", (1, 12, 20, 4), np.ones(4, np.float32), schema.SubOptionsT()),
    "mul": _binary("MUL", (1, 12, 20, 4), np.ones((1, 1, 1, 4), np.float32), schema.MulOptionsT()),
    "min": _binary("MINIMUM", (1, 12, 20, 4), np.float32(1), schema.MaximumMinimumOptionsT()),
    "max": _binary("MAXIMUM", (1, 12, 20, 4), np.float32(0), schema.MaximumMinimumOptionsT()),
    "concat": _binary("CONCATENATION", (1, 12, 20, 4), (1, 12, 20, 2), schema.ConcatenationOptionsT(-1, 0)),
    "pad": _unary("PAD", (1, 15, 24, 4), schema.PadOptionsT(), [[0, 0], [1, 2], [4, 0], [0, 0]]),
    "mirror pad": _unary("MIRROR_PAD", (1, 14, 22, 4), schema.MirrorPadOptionsT(0), [[0, 0], [1, 1], [1, 1], [0, 0]]),
    "depth to space": _unary("DEPTH_TO_SPACE", (1, 24, 40, 1), schema.DepthToSpaceOptionsT(2)),
    "space to depth": _unary("SPACE_TO_DEPTH", (1, 6, 10, 16), schema.SpaceToDepthOptionsT(2)),
    "transpose": _unary("TRANSPOSE", (1, 20, 12, 4), schema.TransposeOptionsT(), [0, 2, 1, 3]),
    "mean": _unary("MEAN", (1, 1, 1, 4), schema.ReducerOptionsT(True), [1, 2]),
    "mean flat": _unary("MEAN", (1, 4), schema.ReducerOptionsT(False), [1, 2]),
    "split": _split(),
    "expand": _unary("EXPAND_DIMS", (1, 12, 20, 1, 4), schema.ExpandDimsOptionsT(), 3),
    "squeeze": _unary("SQUEEZE", (12, 20, 4), schema.SqueezeOptionsT([0])),
    "gather": _unary("GATHER", (1, 12, 20, 2), schema.GatherOptionsT(3, 0), [3, 1]),
    "fully connected": _fully_connected(True),
    "fully connected rows": _fully_connected(False),
    "tile": _unary("TILE", (1, 24, 20, 8), schema.TileOptionsT(), [1, 2, 1, 2]),
}


@pytest.mark.parametrize("name", RESIZABLE)
def test_shapes_are_those_of_the_interpreter(name: str) -> None:
    graph = RESIZABLE[name]
    sized = write(at_size(graph, 34, 18))
    assert shapes_of(interpreter(sized)) == shapes_of(interpreter(write(graph), (34, 18)))
    ours = [tensor.shape for tensor in read(sized).tensors]
    assert ours == shapes_of(interpreter(sized))[: len(ours)]  # kernels add scratch tensors of their own


CONSTANT_SIZE: dict[str, tuple[Graph, tuple[int, ...]]] = {
    "reshape to 6-D": (_unary("RESHAPE", (1, 12, 20, 1, 2, 2), None, [1, 12, 20, 1, 2, 2]), (1, 18, 34, 1, 2, 2)),
    "reshape to blocks": (_unary("RESHAPE", (6, 2, 10, 2, 4), None, [6, 2, 10, 2, 4]), (9, 2, 17, 2, 4)),
    "reshape to rows": (_unary("RESHAPE", (12, 80), None, [12, -1]), (18, 136)),
    "reshape to pixels": (_unary("RESHAPE", (1, 240, 4), None, [1, 240, 4]), (1, 612, 4)),
    "resize bilinear": (
        _unary("RESIZE_BILINEAR", (1, 36, 60, 4), schema.ResizeBilinearOptionsT(False, True), [36, 60]),
        (1, 54, 102, 4),
    ),
    "resize nearest down": (
        _unary("RESIZE_NEAREST_NEIGHBOR", (1, 6, 10, 4), schema.ResizeNearestNeighborOptionsT(False, True), [6, 10]),
        (1, 9, 17, 4),
    ),
    "slice channels": (
        _unary("SLICE", (1, 12, 20, 2), schema.SliceOptionsT(), [0, 0, 0, 1], [1, 12, 20, 2]),
        (1, 18, 34, 2),
    ),
    "crop one pixel": (
        _unary("SLICE", (1, 11, 19, 4), schema.SliceOptionsT(), [0, 1, 1, 0], [1, 11, 19, 4]),
        (1, 17, 33, 4),
    ),
    "strided slice": (
        _unary(
            "STRIDED_SLICE", (1, 6, 10, 2), schema.StridedSliceOptionsT(0, 4), [0, 0, 1, 2], [1, 12, 0, 4], [1, 2, 2, 1]
        ),
        (1, 9, 17, 2),
    ),
    "crop counted from the end": (
        _unary(
            "STRIDED_SLICE",
            (1, 9, 4, 4),
            schema.StridedSliceOptionsT(9, 9),
            [0, 1, -6, 0],
            [0, -2, -2, 0],
            [1, 1, 1, 1],
        ),
        (1, 15, 4, 4),
    ),
}


@pytest.mark.parametrize("name", CONSTANT_SIZE)
def test_constants_that_contain_a_size_are_rewritten(name: str) -> None:
    graph, expected = CONSTANT_SIZE[name]
    runner = interpreter(write(at_size(graph, 34, 18)))
    assert tuple(runner.get_output_details()[0]["shape"]) == expected
    # The size that the model already has changes nothing.
    np.testing.assert_array_equal(run(write(at_size(graph, 20, 12))), run(write(graph)))


@pytest.mark.parametrize(
    ("padding", "kernel", "size", "expected"),
    [(SAME, 4, (24, 40), (36, 68)), (VALID, 4, (26, 42), (38, 70)), (VALID, 2, (24, 40), (36, 68))],
)
def test_transposed_convolution(padding: int, kernel: int, size: tuple[int, int], expected: tuple[int, int]) -> None:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    shape = make.constant(np.array([1, *size, 3], np.int32))
    weights = make.constant(make.random.normal(0, 1, (3, kernel, kernel, 4)).astype(np.float32))
    options = schema.TransposeConvOptionsT(padding, 2, 2)
    graph = make.graph(make.node("TRANSPOSE_CONV", [shape, weights, image], (1, *size, 3), options=options))
    assert run(write(at_size(graph, 34, 18))).shape == (1, *expected, 3)


@pytest.mark.parametrize(
    ("graph", "size", "message"),
    [
        (RESIZABLE["space to depth"], (7, 6), "7x6: at node 0, SPACE_TO_DEPTH, 7x6 cannot be divided into blocks of 2"),
        (RESIZABLE["conv valid"], (2, 9), "CONV_2D, a window of 3 does not fit into 2 pixels"),
        (CONSTANT_SIZE["resize nearest down"][0], (6, 7), "resizes 12 to 6, and 7 in that ratio is not an integer"),
        (
            _unary("RESHAPE", (1, 2, 6, 80), None, [1, 2, 6, 80]),
            (20, 6),
            r"RESHAPE, it arranges \[12\] as \[2, 6\]; how it would arrange \[6\] is not known",
        ),
        (
            _unary("AVERAGE_POOL_2D", (1, 1, 1, 4), schema.Pool2DOptionsT(VALID, 20, 12, 20, 12, 0)),
            (40, 24),
            "AVERAGE_POOL_2D, it pools all of 20x12",
        ),
    ],
)
def test_names_the_operator_that_does_not_support_a_size(graph: Graph, size: tuple[int, int], message: str) -> None:
    with pytest.raises(EcbsrError, match=message):
        at_size(graph, *size)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    padding=st.sampled_from([SAME, VALID]),
    depthwise=st.booleans(),
)
def test_any_convolution_has_the_shape_that_the_interpreter_computes(
    size: tuple[int, int], kernel: int, stride: int, dilation: int, padding: int, depthwise: bool
) -> None:
    dilation = 1 if stride > 1 else dilation  # the kernels support either
    graph = _conv(kernel=kernel, stride=stride, dilation=dilation, padding=padding, depthwise=depthwise)
    reach = (kernel - 1) * dilation + 1
    if padding == VALID and min(size) < reach:
        with pytest.raises(EcbsrError, match=f"a window of {kernel} does not fit"):
            at_size(graph, *size)
    else:
        sized = read(write(at_size(graph, *size)))
        assert [tensor.shape for tensor in sized.tensors] == shapes_of(interpreter(write(graph), size))[:4]


OPTION_NAMES = (
    "alignCorners", "axis", "batchDims", "beginMask", "blockSize", "dilationHFactor", "dilationWFactor", "ellipsisMask",
    "endMask", "filterHeight", "filterWidth", "halfPixelCenters", "keepDims", "keepNumDims", "newAxisMask", "offset",
    "padding", "shrinkAxisMask", "strideH", "strideW",
)  # fmt: skip
SHAPES = st.lists(st.integers(0, 2**31 - 1), max_size=5).map(tuple)
VALUES = hnp.arrays(np.int32, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=5))


@st.composite
def operands(draw: st.DrawFn) -> Operand | None:
    value = draw(st.none() | VALUES)
    before = tuple(draw(st.lists(st.integers(-1, 2**31 - 1), max_size=5)))
    shape = draw(SHAPES | st.just(tuple(max(size, 0) for size in before)))
    return draw(st.sampled_from([Operand(shape, before, value)] * 9 + [None]))


@settings(max_examples=300, deadline=None)
@given(
    operator=st.sampled_from([*_RULES, "ADD", "RELU", "UNIQUE"]),
    options=st.fixed_dictionaries({name: st.integers(-3, 3) for name in OPTION_NAMES}),
    inputs=st.lists(operands(), max_size=4),
    outputs=st.lists(SHAPES, max_size=3),
)
def test_any_node_is_inferred_or_rejected(operator: str, options: Any, inputs: Any, outputs: Any) -> None:
    call = Call(operator, SimpleNamespace(**options), inputs, outputs)
    with suppress(CannotInfer):
        inferred = infer(call)
        assert len(inferred.shapes) == len(outputs)
        assert all(0 <= size < 2**31 for shape in inferred.shapes for size in shape)


def test_rejects_a_constant_size_that_the_file_cannot_store() -> None:
    size = np.array([2**20, 2**20], np.int32)
    inputs = [Operand((1, 2**16, 2**16, 4), (1, 1, 1, 4)), Operand((2,), (2,), size)]
    with pytest.raises(CannotInfer, match="larger than 2147483647"):
        infer(Call("RESIZE_BILINEAR", SimpleNamespace(), inputs, [(1, 2**20, 2**20, 4)]))
