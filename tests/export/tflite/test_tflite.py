"""Reading, stamping and writing `.tflite` files, held against the TFLite interpreter and the schema's own classes."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.errors import EcbsrError, UsageError
from export.tflite import (
    Graph,
    Quantization,
    at_size,
    fused_activation,
    input_size,
    operators,
    read,
    scale_of,
    with_metadata,
    write,
)
from tests.helpers.tflite_models import SAME, VALID, GraphBuilder, plain_network

BUILT_IN_KERNELS = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def interpreter(model: bytes, size: tuple[int, int] | None = None) -> litert.Interpreter:
    """The model on the built-in kernels, which recompute every shape; resized first where a size is given."""
    runner = litert.Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=BUILT_IN_KERNELS)
    if size is not None:
        details = runner.get_input_details()[0]
        runner.resize_tensor_input(details["index"], [1, size[1], size[0], int(details["shape"][3])])
    runner.allocate_tensors()
    return runner


def run(model: bytes, seed: int = 0) -> np.ndarray:
    runner = interpreter(model)
    details = runner.get_input_details()[0]
    random = np.random.default_rng(seed)
    if details["dtype"] == np.float32:
        image = random.uniform(0, 1, details["shape"]).astype(np.float32)
    else:
        image = random.integers(-128, 128, details["shape"]).astype(details["dtype"])
    runner.set_tensor(details["index"], image)
    runner.invoke()
    return np.array(runner.get_tensor(runner.get_output_details()[0]["index"]))


def shapes_of(runner: litert.Interpreter) -> list[tuple[int, ...]]:
    return [tuple(int(size) for size in details["shape"]) for details in runner.get_tensor_details()]


@pytest.mark.parametrize("activation_name", ["prelu", "relu", "leaky"])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_what_is_read_and_written_again_computes_the_same(dtype: str, activation_name: str) -> None:
    model = write(plain_network(dtype, activation=activation_name, scale=3, colors=3))
    again = write(read(model))
    assert again == model
    np.testing.assert_array_equal(run(again), run(model))


def test_the_interpreter_sees_names_types_and_quantisation() -> None:
    runner = interpreter(write(plain_network("int8", scale=4)))
    assert runner.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["upscaled"]}}
    for details in (*runner.get_input_details(), *runner.get_output_details()):
        assert details["dtype"] == np.int8
        assert details["quantization"] == (np.float32(1 / 255), -128)
    assert tuple(runner.get_output_details()[0]["shape"]) == (1, 48, 80, 1)


def test_helpers_describe_the_graph() -> None:
    graph = plain_network(activation="relu", size=(20, 12), scale=4, blocks=2)
    assert operators(graph) == {"CONV_2D": 5, "ADD": 1, "DEPTH_TO_SPACE": 1}
    assert input_size(graph) == (20, 12)
    assert scale_of(graph) == 4
    assert [fused_activation(node) for node in graph.nodes] == ["RELU"] * 3 + ["NONE"] * 4


def test_constants_are_aligned_and_unused_content_is_dropped() -> None:
    graph = plain_network()
    extra = GraphBuilder()
    extra.constant(np.arange(100_000, dtype=np.float32))
    padded = replace(graph, tensors=(*graph.tensors, *extra.tensors))
    model = write(padded)
    assert model == write(graph)
    root = schema.Model.GetRootAs(model, 0)
    for i in range(1, root.BuffersLength()):
        table = root.Buffers(i)._tab
        assert table.Vector(table.Offset(4)) % 16 == 0


def test_equal_constants_are_stored_once() -> None:
    make = GraphBuilder()
    image = make.input((1, 40, 40, 3))
    values = np.arange(4800, dtype=np.float32).reshape(1, 40, 40, 3)
    for _ in range(2):
        make.add(image, make.constant(values))
    assert len(write(make.graph(2, 4))) < 1.5 * values.nbytes


def test_a_constant_without_dimensions_keeps_its_shape() -> None:
    make = GraphBuilder()
    image = make.input((1, 4, 4, 3))
    graph = make.graph(make.node("MUL", [image, make.constant(np.array(2.0, np.float32))], (1, 4, 4, 3)))
    model = write(graph)
    assert read(model).tensors[1].shape == ()
    assert write(read(model)) == model
    assert interpreter(model).get_tensor(1).shape == ()


def test_metadata_and_description_survive() -> None:
    graph = with_metadata(replace(plain_network(), description="made by hand"), "ecbsr_mobile.recipe", b'{"a": 1}')
    again = read(write(with_metadata(graph, "empty", b"")))
    assert again.metadata == {"ecbsr_mobile.recipe": b'{"a": 1}', "empty": b""}
    assert again.description == "made by hand"


def test_half_precision_constants_pass_through() -> None:
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


# Somebody else's file: built with the schema's own classes, not with ours.


def foreign_model() -> Any:
    """A custom operator with options, a StableHLO operator, 4-bit weights, strings, two names, an odd version."""

    def tensor(name: str, kind: int, shape: list[int], buffer: int = 0, **fields: Any) -> Any:
        return schema.TensorT(name=name, type=kind, shape=shape, buffer=buffer, **fields)

    kinds = schema.TensorType
    sparsity = schema.SparsityParametersT(
        traversalOrder=[0, 1],
        dimMetadata=[
            schema.DimensionMetadataT(0, 2, 0, None, 0, None),
            schema.DimensionMetadataT(0, 2, 0, None, 0, None),
        ],
    )
    tensors = [
        tensor("x", kinds.FLOAT32, [1, 4, 4, 2], shapeSignature=[1, -1, -1, 2], hasRank=True),
        tensor("y", kinds.FLOAT32, [1, 4, 4, 2]),
        tensor("w4", kinds.INT4, [2, 3], 1, quantization=schema.QuantizationParametersT(scale=[0.5], zeroPoint=[0])),
        tensor("words", kinds.STRING, [1], 2),
        tensor("sparse", kinds.FLOAT32, [2, 2], 3, sparsity=sparsity),
        tensor("state", kinds.FLOAT32, [4], isVariable=True),
        tensor("z", kinds.FLOAT32, [1, 4, 4, 2]),
    ]
    nodes = [
        schema.OperatorT(
            opcodeIndex=1, inputs=[0, -1, 2, 3, 4, 5], outputs=[1], customOptions=[1, 2, 250], intermediates=[5]
        ),
        schema.OperatorT(
            opcodeIndex=0,
            inputs=[1],
            outputs=[6],
            builtinOptions2Type=schema.BuiltinOptions2.StablehloPadOptions,
            builtinOptions2=schema.StablehloPadOptionsT(
                edgePaddingLow=[0, 1], edgePaddingHigh=[2, 3], interiorPadding=[0, 0]
            ),
        ),
    ]
    names = schema.SignatureDefT([schema.TensorMapT("a", 0)], [schema.TensorMapT("b", 6)], "main", 0)
    return schema.ModelT(
        version=3,
        description="foreign",
        operatorCodes=[
            schema.OperatorCodeT(127, None, 7, schema.BuiltinOperator.STABLEHLO_PAD),
            schema.OperatorCodeT(32, "TheirOperator", 4, 32),
        ],
        subgraphs=[schema.SubGraphT(tensors, [0], [6], nodes, "theirs")],
        buffers=[
            schema.BufferT(),
            schema.BufferT([0x21, 0x43, 0x65]),
            schema.BufferT(list(b"\x01\0\0\0\x0c\0\0\0\x0e\0\0\0hi")),
            schema.BufferT(list(np.arange(4, dtype=np.float32).tobytes())),
            schema.BufferT([9, 9]),
        ],
        metadata=[schema.MetadataT("theirs", 4)],
        signatureDefs=[names],
    )


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_a_foreign_file_survives_reading_and_writing() -> None:
    before, after = foreign_model(), schema.ModelT.InitFromPackedBuf(write(read(packed(foreign_model()))))
    old, new = before.subgraphs[0], after.subgraphs[0]
    for theirs, ours in zip(old.tensors, new.tensors, strict=True):
        assert ours.name == theirs.name.encode()
        assert (ours.type, list(ours.shape), ours.isVariable) == (theirs.type, theirs.shape, theirs.isVariable)
        content = after.buffers[ours.buffer].data
        assert (None if content is None else list(content)) == before.buffers[theirs.buffer].data
    assert list(new.tensors[0].shapeSignature) == [1, -1, -1, 2]
    assert list(new.tensors[4].sparsity.traversalOrder) == [0, 1]
    assert list(new.tensors[2].quantization.scale) == [0.5]
    custom, stablehlo = new.operators
    code = after.operatorCodes[custom.opcodeIndex]
    assert (code.customCode, code.version, code.builtinCode) == (b"TheirOperator", 4, 32)
    assert list(custom.inputs) == [0, -1, 2, 3, 4, 5]
    assert (list(custom.customOptions), list(custom.intermediates)) == ([1, 2, 250], [5])
    code = after.operatorCodes[stablehlo.opcodeIndex]
    assert (code.deprecatedBuiltinCode, code.builtinCode, code.version) == (
        127,
        schema.BuiltinOperator.STABLEHLO_PAD,
        7,
    )
    assert list(stablehlo.builtinOptions2.edgePaddingHigh) == [2, 3]
    assert (after.description, after.signatureDefs[0].signatureKey) == (b"foreign", b"main")
    assert bytes(after.buffers[after.metadata[0].buffer].data) == b"\x09\x09"


def test_content_behind_the_flatbuffer_is_found() -> None:
    """Files above 2 GB keep constants behind the flatbuffer; the layout is the same at any size."""
    model = foreign_model()
    model.buffers[3] = schema.BufferT(None, 1, 16)
    start = len(packed(model)) + 100
    model.buffers[3].offset = start
    values = np.array([5, 6, 7, 8], np.float32).tobytes()
    data = packed(model)
    graph = read(data + bytes(start - len(data)) + values)
    assert graph.tensors[4].data is not None
    assert graph.tensors[4].data.tobytes() == values


def test_what_cannot_be_written_again_is_refused() -> None:
    two = foreign_model()
    two.subgraphs = two.subgraphs * 2
    graph = read(packed(two))
    assert graph.subgraphs == 2
    with pytest.raises(EcbsrError, match="2 subgraphs"):
        write(graph)
    unknown = foreign_model()
    unknown.operatorCodes[0].builtinCode = 9999
    graph = read(packed(unknown))
    assert "BUILTIN_9999" in operators(graph)
    with pytest.raises(EcbsrError, match="BUILTIN_9999"):
        write(graph)
    blocks = foreign_model()
    blocks.subgraphs[0].tensors[2].quantization = schema.QuantizationParametersT(
        detailsType=schema.QuantizationDetails.BlockwiseQuantization,
        details=schema.BlockwiseQuantizationT(scales=4, blockSize=2),
    )
    with pytest.raises(EcbsrError, match="w4 is quantized by BlockwiseQuantization"):
        write(read(packed(blocks)))


# Files that are none.


def test_files_that_are_no_models_get_a_sentence(tmp_path: Path) -> None:
    files = {
        "empty.tflite": b"",
        "short.tflite": b"\x1c\0",
        "text.tflite": b"this is no model",
        "net.onnx": b"\x08\x08\x12\x07pytorch" * 9,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EcbsrError, match=name):
            read(tmp_path / name)
    with pytest.raises(EcbsrError, match="an ONNX model"):
        read(tmp_path / "net.onnx")
    with pytest.raises(EcbsrError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(EcbsrError, match="does not exist"):
        read(tmp_path / "missing.tflite")
    with pytest.raises(EcbsrError, match="not a regular file"):
        read("/dev/zero")


def test_a_file_of_another_schema_version_gets_a_sentence() -> None:
    model = foreign_model()
    model.version = 2
    with pytest.raises(EcbsrError, match="schema version 2"):
        read(packed(model))


def outcome(data: bytes) -> Graph | None:
    """The graph, or None after one sentence; anything else is a failure of the test."""
    try:
        return read(data)
    except EcbsrError as error:
        assert "\n" not in str(error)
        return None


def test_a_file_cut_at_any_byte_gets_a_sentence() -> None:
    model = write(plain_network("int8", blocks=0))
    # Constants lie before the tables that point at them, so a cut can hide in unused bytes at the very end only.
    assert [cut for cut in range(len(model) - 4) if outcome(model[:cut]) is not None] == []


def damaged(model: bytes, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    content = np.frombuffer(model, np.uint8).copy()
    places = random.integers(8, len(model), random.integers(1, 6))
    content[places] = random.choice(np.array([0, 1, 16, 127, 255], np.uint8), len(places))
    return content.tobytes()


@pytest.mark.parametrize("source", ["ours", "foreign"])
def test_damaged_files_are_read_or_refused_but_never_crash(source: str) -> None:
    model = write(plain_network("int8", blocks=0)) if source == "ours" else packed(foreign_model())
    graphs = [outcome(damaged(model, seed)) for seed in range(1500)]
    for graph in filter(None, graphs):
        with suppress(EcbsrError):
            write(at_size(graph, 16, 8))
    assert graphs.count(None) > 100


def test_damaged_files_take_no_memory() -> None:
    model = packed(foreign_model())
    tracemalloc.start()
    for seed in range(200):
        outcome(damaged(model, seed))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_random_bytes_behind_the_identifier_get_a_sentence() -> None:
    random = np.random.default_rng(1)
    for _ in range(500):
        assert outcome(random.bytes(4) + b"TFL3" + random.bytes(int(random.integers(0, 400)))) is None


def test_a_small_file_that_claims_endless_content_is_refused() -> None:
    """Many entries that all point at one table with a long name: honest offsets, dishonest amount."""
    builder = flatbuffers.Builder(1024)
    tensor = schema.TensorT(name="n" * 200_000, shape=[1]).Pack(builder)
    schema.SubGraphStartTensorsVector(builder, 100_000)
    for _ in range(100_000):
        builder.PrependUOffsetTRelative(tensor)
    tensors = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    subgraph = schema.SubGraphEnd(builder)
    buffer = schema.BufferT().Pack(builder)
    vectors = []
    for item in (subgraph, buffer):
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(item)
        vectors.append(builder.EndVector())
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, vectors[0])
    schema.ModelAddBuffers(builder, vectors[1])
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    with pytest.raises(EcbsrError, match="more content than it has bytes"):
        read(bytes(builder.Output()))


# Sizes.


def _pool(kind: str, padding: int) -> Graph:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    size = (6, 10) if padding == SAME else (5, 9)
    options = schema.Pool2DOptionsT(padding, 2, 2, 3, 3, 0)
    return make.graph(make.node(kind, [image], (1, *size, 4), options=options))


def _one(operator: str, shape: tuple[int, ...], options: Any = None, constants: tuple[Any, ...] = ()) -> Graph:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    return make.graph(make.node(operator, [image, *map(make.constant, constants)], shape, options=options))


def _conv(**settings: Any) -> Graph:
    make = GraphBuilder()
    return make.graph(make.conv(make.input((1, 12, 20, 4)), 6, **settings))


def _two(operator: str, first: tuple[int, ...], second: Any, options: Any = None) -> Graph:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    a = make.conv(image, first[-1])
    b = make.conv(image, second[-1]) if isinstance(second, tuple) else make.constant(second)
    if operator == "CONCATENATION":
        shape: tuple[int, ...] = (*first[:3], first[3] + second[3])
    else:
        shape = np.broadcast_shapes(first, second if isinstance(second, tuple) else second.shape)
    return make.graph(make.node(operator, [a, b], shape, options=options))


def _split() -> Graph:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    first, second = make.tensor((1, 12, 20, 2)), make.tensor((1, 12, 20, 2))
    axis = make.constant(np.int32(3))
    make.node("SPLIT", [axis, image], (), options=schema.SplitOptionsT(2))
    make.nodes[-1] = replace(make.nodes[-1], outputs=(first, second))
    return make.graph(make.add(first, second))


def _fake(dtype: str) -> Graph:
    make = GraphBuilder(dtype)
    image = make.input((1, 12, 20, 4), dtype="float32")
    stored = make.node("QUANTIZE", [image], (1, 12, 20, 4), options=schema.QuantizeOptionsT())
    options = schema.DequantizeOptionsT()
    return make.graph(make.node("DEQUANTIZE", [stored], (1, 12, 20, 4), options=options, dtype="float32"))


SLOPE = np.full((1, 1, 4), 0.2, np.float32)
I32 = np.int32
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
    "prelu": _one("PRELU", (1, 12, 20, 4), None, (SLOPE,)),
    "relu": _one("RELU", (1, 12, 20, 4)),
    "relu6": _one("RELU6", (1, 12, 20, 4)),
    "relu_0_to_1": _one("RELU_0_TO_1", (1, 12, 20, 4)),
    "leaky": _one("LEAKY_RELU", (1, 12, 20, 4), schema.LeakyReluOptionsT(0.1)),
    "logistic": _one("LOGISTIC", (1, 12, 20, 4)),
    "tanh": _one("TANH", (1, 12, 20, 4)),
    "hard swish": _one("HARD_SWISH", (1, 12, 20, 4), schema.HardSwishOptionsT()),
    "quantize": _fake("int8"),
    "add": _two("ADD", (1, 12, 20, 3), (1, 12, 20, 3), schema.AddOptionsT(0, False)),
    "add broadcast": _two("ADD", (1, 12, 20, 4), (1, 12, 20, 1), schema.AddOptionsT(0, False)),
    "add broadcast first": _two("ADD", (1, 12, 20, 1), (1, 12, 20, 4), schema.AddOptionsT(0, False)),
    "sub": _two("SUB", (1, 12, 20, 4), np.ones(4, np.float32), schema.SubOptionsT()),
    "mul": _two("MUL", (1, 12, 20, 4), np.ones((1, 1, 1, 4), np.float32), schema.MulOptionsT()),
    "min": _two("MINIMUM", (1, 12, 20, 4), np.float32(1), schema.MaximumMinimumOptionsT()),
    "max": _two("MAXIMUM", (1, 12, 20, 4), np.float32(0), schema.MaximumMinimumOptionsT()),
    "concat": _two("CONCATENATION", (1, 12, 20, 4), (1, 12, 20, 2), schema.ConcatenationOptionsT(-1, 0)),
    "pad": _one("PAD", (1, 15, 24, 4), schema.PadOptionsT(), (np.array([[0, 0], [1, 2], [4, 0], [0, 0]], I32),)),
    "mirror pad": _one(
        "MIRROR_PAD", (1, 14, 22, 4), schema.MirrorPadOptionsT(0), (np.array([[0, 0], [1, 1], [1, 1], [0, 0]], I32),)
    ),
    "depth to space": _one("DEPTH_TO_SPACE", (1, 24, 40, 1), schema.DepthToSpaceOptionsT(2)),
    "space to depth": _one("SPACE_TO_DEPTH", (1, 6, 10, 16), schema.SpaceToDepthOptionsT(2)),
    "transpose": _one("TRANSPOSE", (1, 20, 12, 4), schema.TransposeOptionsT(), (np.array([0, 2, 1, 3], I32),)),
    "mean": _one("MEAN", (1, 1, 1, 4), schema.ReducerOptionsT(True), (np.array([1, 2], I32),)),
    "mean flat": _one("MEAN", (1, 4), schema.ReducerOptionsT(False), (np.array([1, 2], I32),)),
    "split": _split(),
}


@pytest.mark.parametrize("name", RESIZABLE)
def test_a_stamped_size_gives_the_shapes_that_the_interpreter_computes(name: str) -> None:
    graph = RESIZABLE[name]
    stamped = write(at_size(graph, 34, 18))
    assert shapes_of(interpreter(stamped)) == shapes_of(interpreter(write(graph), (34, 18)))
    ours = [tensor.shape for tensor in read(stamped).tensors]
    assert ours == shapes_of(interpreter(stamped))[: len(ours)]  # kernels add scratch tensors of their own


CONSTANT_SIZE: dict[str, tuple[Graph, tuple[int, ...]]] = {
    "resize bilinear": (
        _one("RESIZE_BILINEAR", (1, 36, 60, 4), schema.ResizeBilinearOptionsT(False, True), (np.array([36, 60], I32),)),
        (1, 54, 102, 4),
    ),
    "resize nearest down": (
        _one(
            "RESIZE_NEAREST_NEIGHBOR",
            (1, 6, 10, 4),
            schema.ResizeNearestNeighborOptionsT(False, True),
            (np.array([6, 10], I32),),
        ),
        (1, 9, 17, 4),
    ),
    "slice channels": (
        _one(
            "SLICE",
            (1, 12, 20, 2),
            schema.SliceOptionsT(),
            (np.array([0, 0, 0, 1], I32), np.array([1, 12, 20, 2], I32)),
        ),
        (1, 18, 34, 2),
    ),
    "crop one pixel": (
        _one(
            "SLICE",
            (1, 11, 19, 4),
            schema.SliceOptionsT(),
            (np.array([0, 1, 1, 0], I32), np.array([1, 11, 19, 4], I32)),
        ),
        (1, 17, 33, 4),
    ),
    "strided slice": (
        _one(
            "STRIDED_SLICE",
            (1, 6, 10, 2),
            schema.StridedSliceOptionsT(beginMask=0, endMask=4),
            (np.array([0, 0, 1, 2], I32), np.array([1, 12, 0, 4], I32), np.array([1, 2, 2, 1], I32)),
        ),
        (1, 9, 17, 2),
    ),
}


@pytest.mark.parametrize("name", CONSTANT_SIZE)
def test_constants_that_hold_a_size_are_rewritten(name: str) -> None:
    graph, expected = CONSTANT_SIZE[name]
    runner = interpreter(write(at_size(graph, 34, 18)))
    assert tuple(runner.get_output_details()[0]["shape"]) == expected
    # Stamping the size that the model already has changes nothing.
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


def test_a_dynamic_model_is_stamped() -> None:
    graph = plain_network("int8", scale=3)

    def open_ended(i: int) -> Any:
        tensor = graph.tensors[i]
        if tensor.data is not None:
            return tensor
        return replace(tensor, shape=(1, 1, 1, tensor.shape[3]), signature=(1, -1, -1, tensor.shape[3]))

    dynamic = read(write(replace(graph, tensors=tuple(map(open_ended, range(len(graph.tensors)))))))
    assert input_size(dynamic) == (-1, -1)
    assert scale_of(dynamic) == 3
    stamped = at_size(dynamic, 20, 12)
    assert input_size(stamped) == (20, 12)
    assert write(stamped) == write(at_size(graph, 20, 12))
    np.testing.assert_array_equal(run(write(stamped)), run(write(graph)))


def test_stamping_keeps_the_names_of_inputs_and_outputs() -> None:
    runner = interpreter(write(at_size(plain_network(), 7, 5)))
    result = runner.get_signature_runner("serving_default")(image=np.zeros((1, 5, 7, 1), np.float32))
    assert result["upscaled"].shape == (1, 10, 14, 1)


def test_sizes_that_do_not_fit_get_a_sentence() -> None:
    with pytest.raises(UsageError, match="0x5"):
        at_size(plain_network(), 0, 5)
    with pytest.raises(EcbsrError, match=r"7x6: at node 0, SPACE_TO_DEPTH, 7x6 cannot be divided into blocks of 2"):
        at_size(RESIZABLE["space to depth"], 7, 6)
    with pytest.raises(EcbsrError, match="CONV_2D, a window of 3 does not fit into 2 pixels"):
        at_size(RESIZABLE["conv valid"], 2, 9)
    with pytest.raises(EcbsrError, match="resizes 12 to 6, and 7 in that ratio is not an integer"):
        at_size(CONSTANT_SIZE["resize nearest down"][0], 6, 7)


def test_an_operator_without_a_rule_is_named() -> None:
    make = GraphBuilder()
    image = make.input((1, 12, 20, 4))
    target = make.constant(np.array([1, 240, 4], np.int32))
    graph = make.graph(make.node("RESHAPE", [image, target], (1, 240, 4), options=schema.ReshapeOptionsT([1, 240, 4])))
    with pytest.raises(EcbsrError, match="node 0, RESHAPE"):
        at_size(graph, 10, 10)
    assert run(write(at_size(graph, 20, 12))).shape == (1, 240, 4)
    with pytest.raises(EcbsrError, match="custom operator TheirOperator"):
        at_size(read(packed(foreign_model())), 8, 8)


def test_models_that_take_no_single_image_get_a_sentence() -> None:
    make = GraphBuilder()
    first, second = make.input((1, 4, 4, 1)), make.input((1, 4, 4, 1))
    with pytest.raises(EcbsrError, match="2 inputs"):
        at_size(make.graph(make.add(first, second)), 8, 8)
    make = GraphBuilder()
    with pytest.raises(EcbsrError, match=r"shape \[1, 10\]"):
        at_size(make.graph(make.unary("RELU", make.input((1, 10)))), 8, 8)


def test_per_axis_quantisation_survives() -> None:
    graph = read(write(plain_network("int8")))
    weights = next(t for t in graph.tensors if t.data is not None and len(t.shape) == 4)
    assert isinstance(weights.quantization, Quantization)
    assert weights.quantization.scale.shape == weights.quantization.zero_point.shape == (8,)
    assert weights.quantization.axis == 0
