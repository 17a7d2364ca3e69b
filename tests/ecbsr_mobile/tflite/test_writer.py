"""What is written is what was read, for LiteRT and for the schema's generated classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Graph, operators, read, with_metadata, write
from tests.helpers.foreign_tflite import foreign_model, packed
from tests.helpers.litert import interpreter, run
from tests.helpers.random_tflite import graphs, plain
from tests.helpers.tflite_models import GraphBuilder, plain_network


@pytest.mark.parametrize("activation_name", ["prelu", "relu", "leaky"])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_round_trip_computes_the_same(dtype: str, activation_name: str) -> None:
    model = write(plain_network(dtype, activation=activation_name, scale=3, colors=3))
    again = write(read(model))
    assert again == model
    np.testing.assert_array_equal(run(again), run(model))


def test_the_interpreter_sees_names_types_and_quantization() -> None:
    runner = interpreter(write(plain_network("int8", scale=4)))
    assert runner.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["upscaled"]}}
    for details in (*runner.get_input_details(), *runner.get_output_details()):
        assert details["dtype"] == np.int8
        assert details["quantization"] == (np.float32(1 / 255), -128)
    assert tuple(runner.get_output_details()[0]["shape"]) == (1, 48, 80, 1)


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


def test_a_round_trip_keeps_metadata_and_description() -> None:
    graph = with_metadata(replace(plain_network(), description="made by hand"), "ecbsr_mobile.recipe", b'{"a": 1}')
    again = read(write(with_metadata(graph, "empty", b"")))
    assert again.metadata == {"ecbsr_mobile.recipe": b'{"a": 1}', "empty": b""}
    assert again.description == "made by hand"


def test_a_round_trip_keeps_a_foreign_file() -> None:
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


def test_rejects_what_it_cannot_write() -> None:
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


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_any_graph_survives_a_round_trip(graph: Graph) -> None:
    data = write(graph)
    again = read(data)
    assert plain(again) == plain(graph)
    assert write(again) == data
