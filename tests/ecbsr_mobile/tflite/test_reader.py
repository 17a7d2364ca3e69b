"""Read valid, foreign and invalid files."""

from __future__ import annotations

import tracemalloc
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Graph, Quantization, at_size, read, write, xnnpack_probe
from tests.helpers.foreign_tflite import foreign_model, packed
from tests.helpers.tflite_models import plain_network


def test_reads_content_after_the_flatbuffer() -> None:
    """Files above 2 GB have constants after the flatbuffer; the layout is the same at any size."""
    model = foreign_model()
    model.buffers[3] = schema.BufferT(None, 1, 16)
    start = len(packed(model)) + 100
    model.buffers[3].offset = start
    values = np.array([5, 6, 7, 8], np.float32).tobytes()
    data = packed(model)
    graph = read(data + bytes(start - len(data)) + values)
    assert graph.tensors[4].data is not None
    assert graph.tensors[4].data.tobytes() == values


def test_reads_per_axis_quantization() -> None:
    graph = read(write(plain_network("int8")))
    weights = next(t for t in graph.tensors if t.data is not None and len(t.shape) == 4)
    assert isinstance(weights.quantization, Quantization)
    assert weights.quantization.scale.shape == weights.quantization.zero_point.shape == (8,)
    assert weights.quantization.axis == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", r"is a Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html>\n<html></html>", "is a web page, not the file; download the file itself"),
    ],
)
def test_what_was_downloaded_instead_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(content)
    with pytest.raises(EcbsrError, match=message):
        read(tmp_path / "net.tflite")


def test_an_archive_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.tflite", "w") as archive:
        archive.writestr("inside.tflite", write(plain_network()))
    with pytest.raises(EcbsrError, match=r"is an archive; unpack it and name the \.tflite file in it"):
        read(tmp_path / "net.tflite")


def test_rejects_files_that_are_not_models(tmp_path: Path) -> None:
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
    with pytest.raises(EcbsrError, match="no such file"):
        read(tmp_path / "missing.tflite")
    with pytest.raises(EcbsrError, match="not a regular file"):
        read("/dev/zero")


@pytest.mark.parametrize(
    ("operator", "place"), [("CONV_2D", 0), ("CONV_2D", 1), ("CONV_2D", 2), ("PRELU", 1), ("ADD", 1)]
)
def test_an_input_that_an_operator_needs_is_not_absent(operator: str, place: int) -> None:
    """LiteRT ends the process with a crash where it is; a bias can be absent."""
    graph = plain_network(size=(8, 8))
    number = next(i for i, node in enumerate(graph.nodes) if node.operator == operator)
    nodes = list(graph.nodes)
    inputs = tuple(-1 if position == place else index for position, index in enumerate(nodes[number].inputs))
    nodes[number] = replace(nodes[number], inputs=inputs)
    data = write(replace(graph, nodes=tuple(nodes)))
    if (operator, place) == ("CONV_2D", 2):
        assert read(data).nodes[number].inputs[2] == -1
        return
    with pytest.raises(EcbsrError, match=rf"node {number} \({operator}\) lacks its input {place}, which it needs"):
        read(data)
    assert not xnnpack_probe.probe(data).loads


def test_rejects_other_schema_versions() -> None:
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


def test_rejects_a_file_truncated_at_any_byte() -> None:
    model = write(plain_network("int8", blocks=0))
    # Constants precede the tables that refer to them: only the unused bytes at the end can be missing unnoticed.
    assert [cut for cut in range(len(model) - 4) if outcome(model[:cut]) is not None] == []


MODELS = [write(plain_network("int8", blocks=0)), packed(foreign_model())]
EDITS = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=6)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(MODELS), EDITS, st.integers(0, 2**16))
def test_a_file_with_changed_bytes_is_read_or_rejected(model: bytes, edits: list[tuple[int, int]], end: int) -> None:
    content = bytearray(model[: end % len(model) + 1] if end % 4 == 0 else model)
    for place, value in edits:
        content[place % len(content)] = value
    graph = outcome(bytes(content))
    if graph is not None:
        with suppress(EcbsrError):
            write(at_size(graph, 16, 8))


def test_most_changes_of_bytes_are_noticed_or_harmless_and_both_happen() -> None:
    """The property above would hold for a reader that rejects everything."""
    graphs = [outcome(damaged(MODELS[0], seed)) for seed in range(200)]
    assert 10 < graphs.count(None) < 190


def damaged(model: bytes, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    content = np.frombuffer(model, np.uint8).copy()
    places = random.integers(8, len(model), random.integers(1, 6))
    content[places] = random.choice(np.array([0, 1, 16, 127, 255], np.uint8), len(places))
    return content.tobytes()


def test_reading_a_damaged_file_needs_little_memory() -> None:
    tracemalloc.start()
    for seed in range(200):
        outcome(damaged(MODELS[1], seed))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=4, max_size=4), st.binary(max_size=400))
def test_random_bytes_after_the_identifier_are_rejected(start: bytes, content: bytes) -> None:
    assert outcome(start + b"TFL3" + content) is None


def test_rejects_a_small_file_that_claims_endless_content() -> None:
    """A hundred thousand entries that point to one table with a long name: every offset is valid."""
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
