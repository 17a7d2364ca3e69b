"""The audit, held against the runtime where there is one to ask, and against the delegates' documented limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.errors import EcbsrError
from export.audit.delegate_audit import DelegateAudit, audit_delegate
from export.audit.delegates import DELEGATES, XNNPACK
from export.audit.delegates.base import SOURCES
from export.audit.invariants import COMMON_INVARIANTS, INVARIANTS, broken_invariants
from export.audit.model_audit import audit
from export.audit.partitioning import partitions
from export.tflite import Graph, Quantization, at_size, read, with_metadata, write, xnnpack_probe, xnnpack_probe_worker
from export.tflite.xnnpack_probe import XnnpackReport, report
from tests.helpers.audit_cases import (
    CASES,
    SHAPE,
    UNIT,
    alone,
    concatenation,
    convolution,
    half_precision,
    leaky,
    pair,
    prelu,
    shuffle,
)
from tests.helpers.paths import ROOT
from tests.helpers.tflite_models import GraphBuilder, plain_network

BY_NAME = {delegate.name: delegate for delegate in DELEGATES}


def runtime_report(graph: Graph) -> XnnpackReport:
    """What the runtime delegates, without a process of its own."""
    return report(xnnpack_probe_worker.load(write(graph)))


def look(graph: Graph, delegate: str) -> DelegateAudit:
    return audit_delegate(graph, BY_NAME[delegate])


def taken(graph: Graph, delegate: str) -> list[str]:
    found = look(graph, delegate)
    refused = {refusal.node for refusal in found.refused}
    return [node.operator for number, node in enumerate(graph.nodes) if number not in refused]


def reasons(graph: Graph, delegate: str) -> dict[str, tuple[str, str]]:
    return {refusal.operator: (refusal.verdict, refusal.reason) for refusal in look(graph, delegate).refused}


# XNNPACK: the table against the runtime of this machine.


@pytest.mark.parametrize("name", CASES)
def test_the_table_says_what_the_runtime_does(name: str) -> None:
    graph = CASES[name]()
    found, truth = audit_delegate(graph, XNNPACK), runtime_report(graph)
    assert found.loads == truth.loads, truth
    assert found.unknown == 0
    if found.loads:
        refused = {refusal.node for refusal in found.refused}
        assert [number for number in range(found.total) if number not in refused] == list(truth.nodes)
        assert (found.taken, found.total, found.partitions) == (
            len(truth.nodes),
            truth.total,
            truth.partitions,
        )


def test_the_cases_cover_each_verdict() -> None:
    verdicts = {refusal.verdict for make in CASES.values() for refusal in audit_delegate(make(), XNNPACK).refused}
    assert verdicts == {"refused", "fatal"}


def random_graph(seed: int) -> tuple[Graph, list[bool]]:
    """Nodes that XNNPACK takes (NEG, ADD) and does not take (SIGN), joined at random."""
    random = np.random.default_rng(seed)
    make = GraphBuilder()
    values = [make.input(SHAPE)]
    for _ in range(int(random.integers(3, 14))):
        source = int(random.choice(values[-4:]))
        operator = random.choice(["NEG", "SIGN", "ADD"])
        if operator == "ADD":
            values.append(make.add(source, int(random.choice(values))))
        else:
            values.append(make.unary(str(operator), source))
    used = {index for node in make.nodes for index in node.inputs}
    graph = make.graph(*[value for value in values[1:] if value not in used])
    return graph, [node.operator != "SIGN" for node in graph.nodes]


@pytest.mark.parametrize("seed", range(60))
def test_partitions_are_those_of_the_runtime(seed: int) -> None:
    graph, fits = random_graph(seed)
    groups, truth = partitions(graph, fits), runtime_report(graph)
    assert sorted(number for group in groups for number in group) == list(truth.nodes)
    assert len(groups) == truth.partitions


def test_nodes_that_wait_for_each_other_end_the_grouping() -> None:
    make = GraphBuilder()
    first = make.unary("RELU", make.input(SHAPE))
    second = make.unary("RELU", first)
    nodes = (replace(make.nodes[0], inputs=(second,)), make.nodes[1])
    assert partitions(replace(make.graph(second), nodes=nodes), [True, True]) == []


# The runtime's word, from a process of its own.


def test_the_runtime_is_asked_in_a_process_of_its_own() -> None:
    measured = xnnpack_probe.probe(write(plain_network("int8")))
    assert (measured.loads, measured.nodes, measured.total, measured.partitions) == (True, (0, 2, 4, 5, 6, 7), 8, 3)
    assert measured.runtime.startswith("ai-edge-litert ")


def test_a_model_that_crashes_the_runtime_does_not_crash_us() -> None:
    make = GraphBuilder()
    options = schema.QuantizeOptionsT()
    output = make.node("QUANTIZE", [make.input(SHAPE)], SHAPE, options=options, dtype="uint8", scale=(1 / 128, -128))
    model = write(make.graph(output))
    found = audit(model)
    assert found.measured is not None
    assert not found.measured.loads
    assert "\n" not in found.measured.error
    assert found.measured.error
    assert not found.delegates[0].loads
    assert [finding.reason for finding in found.invariants] == ["tensor t1 of UINT8 has zero point -128"]


def test_what_the_runtime_refuses_is_said_in_its_words() -> None:
    measured = xnnpack_probe.probe(write(shuffle("int8", 2, (1 / 100, 0))))
    assert (measured.loads, measured.nodes) == (False, ())
    assert "DEPTH_TO_SPACE" in measured.error


# The other delegates: no runtime here to ask, so their documented limits.


def test_a_network_with_prelu() -> None:
    """DELEGATES: PRELU in int8 is the NPUs' and the GPU's, not XNNPACK's; DEPTH_TO_SPACE is not MediaTek's."""
    graph = plain_network("int8", blocks=2)
    whole = ("gpu", "gpu_ml_drift", "nnapi_29", "nnapi_30", "qnn")
    assert {name: look(graph, name).taken for name in whole} == dict.fromkeys(whole, len(graph.nodes))
    assert "PRELU" not in taken(graph, "xnnpack")
    assert reasons(graph, "mediatek").keys() == {"DEPTH_TO_SPACE"}
    assert reasons(graph, "nnapi_28").keys() == {"CONV_2D", "PRELU"}
    assert reasons(graph, "hexagon").keys() == {"PRELU"}
    samsung = look(graph, "samsung")
    assert (samsung.loads, samsung.taken, samsung.accepted) == (False, 0, len(graph.nodes) - 4)
    tensor = look(graph, "google_tensor")
    assert (tensor.taken, tensor.unknown, tensor.loads) == (0, len(graph.nodes), True)


def test_a_float_network_is_taken_whole_from_api_29_on() -> None:
    graph = plain_network("float32")
    assert look(graph, "nnapi_29").taken == look(graph, "xnnpack").taken == len(graph.nodes)
    assert reasons(graph, "nnapi_27").keys() == {"PRELU"}
    assert look(graph, "hexagon").taken == 0


def test_a_network_with_fused_relu_is_taken_whole_everywhere_but_where_the_shuffle_is_missing() -> None:
    graph = plain_network("int8", activation="relu")
    for name in ("xnnpack", "gpu", "gpu_ml_drift", "nnapi_29", "nnapi_30", "qnn", "hexagon"):
        assert look(graph, name).taken == len(graph.nodes), name
    assert taken(graph, "mediatek") == [node.operator for node in graph.nodes[:-1]]


def chain(operators: Sequence[str]) -> Graph:
    """NEG is taken by the GPU, RELU and TANH by NNAPI and not; nodes one after the other."""
    make = GraphBuilder()
    value = make.input(SHAPE)
    for operator in operators:
        value = make.unary(operator, value)
    return make.graph(value)


def test_the_gpu_is_given_its_largest_partition_alone() -> None:
    found = look(chain(["RELU", "SIGN", "RELU", "RELU", "RELU", "SIGN", "RELU"]), "gpu")
    assert (found.accepted, found.accepted_partitions, found.taken, found.partitions) == (5, 3, 3, 1)


def test_nnapi_is_given_three_partitions() -> None:
    found = look(chain(["RELU", "SIGN"] * 5 + ["RELU", "RELU"]), "nnapi_30")
    assert (found.accepted, found.accepted_partitions, found.taken, found.partitions) == (7, 6, 4, 3)


def test_an_open_size_costs_the_gpu_and_nnapi_the_whole_model() -> None:
    graph = plain_network()
    tensors = list(graph.tensors)
    tensors[0] = replace(tensors[0], signature=(1, -1, -1, 1))
    graph = replace(graph, tensors=tuple(tensors))
    for name in ("gpu", "nnapi_30"):
        found = look(graph, name)
        assert (found.taken, found.accepted) == (0, len(graph.nodes))
        assert any("stamp a size" in note for note in found.notes)
    assert look(graph, "xnnpack").taken == len(graph.nodes)
    assert look(at_size(graph, 20, 12), "gpu").taken == len(graph.nodes)


@pytest.mark.parametrize(
    ("slope", "taken_by_gpu"), [((4,), True), ((1, 1, 4), True), ((1, 8, 8, 4), True), ((1, 1, 1), False)]
)
def test_the_gpu_builds_slopes_of_some_shapes_only(slope: tuple[int, ...], taken_by_gpu: bool) -> None:
    graph = prelu("float32", slope)
    assert look(graph, "gpu").loads == taken_by_gpu
    assert ("PRELU" in taken(graph, "gpu_ml_drift")) == taken_by_gpu
    assert look(graph, "gpu_ml_drift").loads


def test_a_broadcasting_add_depends_on_the_order_on_the_gpu() -> None:
    wide, narrow = SHAPE, (1, 8, 8, 1)
    assert reasons(pair("ADD", "float32", shapes=(wide, narrow)), "gpu")["ADD"][0] == "unknown"
    assert reasons(pair("ADD", "float32", shapes=(narrow, wide)), "gpu")["ADD"][0] == "fatal"
    assert not reasons(pair("ADD", "float32"), "gpu")
    vector = alone("ADD", "float32", schema.AddOptionsT(0), constants=[np.ones(4, np.float32)])
    assert not reasons(vector, "gpu")


def test_a_clip_in_nodes_of_its_own() -> None:
    """RELU_0_TO_1 costs XNNPACK, NNAPI and ML Drift; RELU6 costs MediaTek."""
    graph = alone("RELU_0_TO_1", "float32")
    assert all(reasons(graph, name) for name in ("xnnpack", "nnapi_30", "gpu_ml_drift", "mediatek", "hexagon"))
    assert not reasons(graph, "gpu")
    assert reasons(alone("RELU6", "float32"), "mediatek")["RELU6"][0] == "refused"


def test_nnapi_below_29_knows_no_per_channel_weights_and_no_dilation() -> None:
    assert not reasons(convolution("uint8", weight_scale=1e-3, scale=UNIT), "nnapi_28")
    assert "not below 1" in reasons(convolution("uint8", weight_scale=2.0, scale=UNIT), "nnapi_28")["CONV_2D"][1]
    assert "dilation" in reasons(convolution("float32", dilation=2), "nnapi_28")["CONV_2D"][1]
    assert not reasons(convolution("float32", dilation=2), "nnapi_29")
    assert "INT8" in reasons(convolution("int8"), "nnapi_28")["CONV_2D"][1]


def test_types_at_the_edges_of_a_model_by_api_level() -> None:
    """int8 models with float input and output keep their edges on the CPU at API level 29."""
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


def test_a_negative_leaky_slope_is_unusable_where_it_becomes_a_scale() -> None:
    for name in ("nnapi_30", "qnn"):
        assert reasons(leaky("int8", -0.2), name)["LEAKY_RELU"][0] == "refused"
        assert not reasons(leaky("int8", 0.2), name)
        assert not reasons(leaky("float32", -0.2), name)


def test_hexagon_takes_no_pointwise_depthwise_convolution() -> None:
    assert "rows" in reasons(convolution("int8", depthwise=True, kernel=1), "hexagon")["DEPTHWISE_CONV_2D"][1]
    assert not reasons(convolution("int8", depthwise=True), "hexagon")


def test_half_precision_constants_vanish_on_the_gpu_only_with_the_whole_model() -> None:
    whole, split = half_precision(), half_precision("between")
    assert look(whole, "gpu").taken == len(whole.nodes)
    split = replace(
        split, nodes=tuple(replace(n, operator=n.operator.replace("RELU_0_TO_1", "SIGN")) for n in split.nodes)
    )
    assert set(reasons(split, "gpu")) == {"SIGN", "DEQUANTIZE"}


def test_high_versions_and_ranks_leave_the_gpu_and_nnapi() -> None:
    graph = concatenation("float32", 2)
    newer = replace(graph, nodes=(replace(graph.nodes[0], version=4),))
    assert "version 2" in reasons(newer, "gpu")["CONCATENATION"][1]
    assert "version 2" in reasons(newer, "nnapi_30")["CONCATENATION"][1]
    make = GraphBuilder()
    source = make.input((1, 2, 2, 2, 2))
    graph = make.graph(make.unary("RELU", source))
    for name in ("gpu", "gpu_ml_drift", "nnapi_30"):
        assert "rank 4" in reasons(graph, name)["RELU"][1]


def test_custom_operators_are_nobodys() -> None:
    make = GraphBuilder()
    output = make.node("RELU", [make.input(SHAPE)], SHAPE, custom=True, custom_options=b"x")
    graph = read(write(make.graph(output)))
    assert all(look(graph, delegate.name).taken == 0 for delegate in DELEGATES)


def test_every_rule_names_a_known_source() -> None:
    tables = [rules for delegate in DELEGATES for rules in (*delegate.operators.values(), delegate.common_rules)]
    for rule in [rule for rules in (*tables, *INVARIANTS.values(), COMMON_INVARIANTS) for rule in rules]:
        assert rule.source.split()[0].rstrip(";:") in SOURCES, rule.source


# Invariants.


def test_sound_models_break_no_invariant() -> None:
    for kind in ("float32", "int8"):
        for slope in ("prelu", "relu", "leaky"):
            assert broken_invariants(plain_network(kind, activation=slope)) == []


@pytest.mark.parametrize(
    ("graph", "word"),
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
def test_a_broken_invariant_is_found(graph: Graph, word: str) -> None:
    found = broken_invariants(graph)
    assert len(found) == 1
    assert word in found[0].reason


def test_a_bias_of_another_scale_is_found_where_the_runtime_refuses_it() -> None:
    for factor, sound in ((1.0, True), (1.5, True), (500.0, False)):
        graph = convolution("uint8", weight_scale=0.01, scale=UNIT)
        tensors = list(graph.tensors)
        index = graph.nodes[0].inputs[2]
        scale = np.array([0.01 / 128 * factor], np.float32)
        tensors[index] = replace(tensors[index], quantization=Quantization(scale, np.zeros(1, np.int64)))
        changed = replace(graph, tensors=tuple(tensors))
        assert (broken_invariants(changed) == []) == sound
        kernels = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # XNNPACK does not look
        runner = litert.Interpreter(model_content=write(changed), experimental_op_resolver_type=kernels)
        with nullcontext() if sound else pytest.raises(RuntimeError, match="failed to prepare"):
            runner.allocate_tensors()
        if not sound:
            assert "bias scale" in broken_invariants(changed)[0].reason


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e-42])
def test_a_scale_that_is_no_normal_number_is_found(scale: float) -> None:
    graph = alone("RELU", "int8", scale=(scale, 0))
    assert any("not a normal positive number" in finding.reason for finding in broken_invariants(graph))
    for delegate in DELEGATES:
        audit_delegate(graph, delegate)


def test_damaged_models_are_audited_or_refused() -> None:
    model = write(plain_network("int8", blocks=0))
    random = np.random.default_rng(3)
    audited = 0
    for _ in range(300):
        damaged = np.frombuffer(model, np.uint8).copy()
        places = random.integers(8, len(model), 3)
        damaged[places] = random.integers(0, 256, 3)
        try:
            json.dumps(audit(damaged.tobytes(), run_xnnpack=False).to_json())
            audited += 1
        except EcbsrError as error:
            assert "\n" not in str(error)
    assert audited > 30


# The command.


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = "from export.cli.audit import script; script()"
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    recipe = with_metadata(plain_network("int8"), "ecbsr_mobile.recipe", b'{"model": "ecbsr-m1c8-x2", "loss": 0.1}')
    models = {
        "ours": write(recipe),
        "foreign": write(plain_network("float32")),
        "fails": write(shuffle("int8", 2, (1 / 100, 0))),
        "damaged": write(plain_network())[:1000],
        "onnx": b"\x08\x08\x12\x07pytorch",
    }
    paths = {name: tmp_path / f"{name}.{'onnx' if name == 'onnx' else 'tflite'}" for name in models}
    for name, content in models.items():
        paths[name].write_bytes(content)
    return paths


def test_the_json_document(files: dict[str, Path]) -> None:
    done = command(files["ours"], files["foreign"], "--json")
    assert (done.returncode, done.stderr) == (0, "")
    ours, foreign = json.loads(done.stdout)["files"]
    assert ours["path"] == str(files["ours"])
    assert ours["operators"] == {"CONV_2D": 4, "PRELU": 2, "ADD": 1, "DEPTH_TO_SPACE": 1}
    assert ours["invariants"] == []
    assert ours["recipe"] == {"model": "ecbsr-m1c8-x2", "loss": 0.1}
    assert foreign["recipe"] is None
    xnnpack: dict[str, Any] = ours["audit"]["xnnpack"]
    assert (xnnpack["taken"], xnnpack["total"], xnnpack["partitions"]) == (6, 8, 3)
    assert [(item["node"], item["operator"]) for item in xnnpack["refused"]] == [(1, "PRELU"), (3, "PRELU")]
    assert all(item["reason"] for item in xnnpack["refused"])
    measured = xnnpack["measured"]
    assert (measured["taken"], measured["total"], measured["partitions"], measured["loads"]) == (6, 8, 3, True)
    assert list(ours["audit"]) == [delegate.name for delegate in DELEGATES]


def test_the_text(files: dict[str, Path]) -> None:
    done = command(files["ours"], files["foreign"], files["fails"])
    assert (done.returncode, done.stderr) == (0, "")
    assert '"model": "ecbsr-m1c8-x2"' in done.stdout
    assert "Recipe: none" in done.stdout
    assert "PRELU (nodes 1, 3) supports FLOAT32, not INT8" in done.stdout
    assert "does not load the model: failed to delegate DEPTH_TO_SPACE" in done.stdout
    assert "Integer invariants: 1 broken" in done.stdout


def test_files_that_cannot_be_read_get_a_sentence_and_the_others_an_audit(
    files: dict[str, Path], tmp_path: Path
) -> None:
    missing, empty = tmp_path / "missing.tflite", tmp_path / "empty"
    empty.mkdir()
    done = command(files["foreign"], files["damaged"], files["onnx"], missing, empty, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [item["path"] for item in document["files"]] == [str(files["foreign"])]
    assert len(document["errors"]) == len(done.stderr.splitlines()) == 4
    assert "an ONNX model" in done.stderr
    assert "is a folder" in done.stderr
    assert "does not exist" in done.stderr


def test_a_recipe_that_is_none_is_not_shown(tmp_path: Path) -> None:
    for content in (b"not json", b"[1, 2]", b"\xff\xfe", b"", b'{"loss": NaN}', b"[" * 100_000):
        model = write(with_metadata(plain_network(), "ecbsr_mobile.recipe", content))
        assert audit(model, run_xnnpack=False).recipe is None


def test_names_in_a_file_do_not_steer_the_terminal(tmp_path: Path) -> None:
    make = GraphBuilder()
    output = make.node("\x1b[31mred\nline", [make.input(SHAPE)], SHAPE, custom=True)
    path = tmp_path / "odd.tflite"
    path.write_bytes(write(make.graph(output)))
    done = command(path)
    assert done.returncode == 0
    assert "1 ?[31mred?line" in done.stdout
    assert "\x1b" not in done.stdout


def test_no_file_is_a_misuse() -> None:
    done = command()
    assert done.returncode == 2
    assert "FILE" in done.stderr
