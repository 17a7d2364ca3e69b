"""What a verdict says against the runtime of this machine and the tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ai_edge_litert.interpreter import Interpreter

from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.errors import UsageError
from export.audit import targets, verdicts
from export.audit.delegates import DELEGATES
from export.audit.model_audit import Audit, audit
from export.npu.results import CompileReport
from tests.helpers.audit_cases import shuffle
from tests.helpers.tflite_models import GraphBuilder, plain_network


def by_title(result: Audit) -> dict[str, verdicts.Verdict]:
    return {verdict.title: verdict for verdict in result.verdicts}


@pytest.fixture(scope="module")
def native() -> Audit:
    """An int8 network with two PRELUs, which XNNPACK does not support."""
    return audit(tflite.write(plain_network("int8")))


def test_the_cpu_is_as_the_runtime_of_this_machine_does(native: Audit) -> None:
    runtime = Interpreter(model_content=tflite.write(plain_network("int8")), num_threads=1)
    runtime.allocate_tensors()
    pieces = sum(node["op_name"] == "DELEGATE" for node in runtime._get_ops_details())
    cpu = by_title(native)["CPU"]
    assert cpu.sentence == (
        f"CPU: slow: 6 of 8 operators in {pieces} pieces, because of PRELU x2 (measured here): "
        "export its weights with --target cpu --prelu auto"
    )
    assert cpu.light == "partial"
    whole = by_title(audit(zoo.tflite("ecbsr-m4c8-x2", "int8")))["CPU"]
    assert (whole.light, whole.word) == ("good", "good") and "in one piece (measured here)" in whole.text


def test_every_light_and_the_advice_that_helps(native: Audit) -> None:
    lights = {verdict.title: verdict.light for verdict in native.verdicts}
    assert lights["GPU (ML Drift)"] == lights["GPU (classic)"] == "good"
    assert lights["Samsung NPU"] == "bad" and lights["Google Tensor"] == "unknown"
    assert "DEPTH_TO_SPACE x1" in by_title(native)["Samsung NPU"].text
    graph = plain_network("float32")
    tensors = [replace(tensor, signature=(1, -1, -1, tensor.shape[-1])) for tensor in graph.tensors[:1]]
    dynamic = by_title(audit(tflite.write(replace(graph, tensors=(*tensors, *graph.tensors[1:])))))
    assert dynamic["GPU (classic)"].sentence == (
        "GPU (classic): no: the image size in the file is dynamic: export it at a fixed size"
    )
    for run_xnnpack in (True, False):
        fails = by_title(audit(tflite.write(shuffle("int8", 2, (1 / 100, 0))), run_xnnpack=run_xnnpack))["CPU"]
        assert (fails.light, fails.word) == ("bad", "fails") and "does not load" in fails.text
    assert replace(native, delegates=()).verdicts == ()


def test_what_is_not_verified_is_neither_refused_nor_a_reason() -> None:
    make = GraphBuilder()
    image = make.input((1, 8, 8, 4))
    foreign = make.node("Foreign", [make.conv(image, 4)], (1, 8, 8, 4), custom=True)
    larger = make.depth_to_space(make.node("WHILE", [foreign], (1, 8, 8, 4)), 2)
    found = by_title(audit(tflite.write(make.graph(larger)), run_xnnpack=False))
    tensor = found["Google Tensor"]
    assert (tensor.light, tensor.text) == (
        "unknown",
        "3 of 4 operators are not verified, and it does not take Foreign x1",
    )
    mediatek = found["MediaTek NPU"]
    assert (mediatek.light, mediatek.text) == (
        "partial",
        "1 of 4 operators in one piece, because of Foreign x1, DEPTH_TO_SPACE x1",
    )


def test_a_compiled_file_counts_more_than_the_table(native: Audit) -> None:
    report = CompileReport("ok", (96, 64), "integer", 1.0)
    for statuses, light in (
        (("ok", "ok"), "good"), (("ok", "crashed"), "partial"), (("partial", "crashed"), "partial"),
        (("crashed", "timeout"), "bad"),
    ):  # fmt: skip
        reports = {f"SM{number}": replace(report, status=status) for number, status in enumerate(statuses)}
        verdict = by_title(replace(native, npu=reports))["Qualcomm NPU"]
        assert verdict.light == light
        assert all(name in verdict.text for name in reports)


def test_every_target_can_be_required_and_stands_for_a_delegate(native: Audit) -> None:
    assert {verdict.target for verdict in native.verdicts} == set(targets.NAMES)
    assert {target.delegate for target in targets.TARGETS} <= {delegate.name for delegate in DELEGATES}
    assert [verdict.title for verdict in verdicts.missed(native.verdicts, ("cpu", "gpu"))] == ["CPU"]
    assert targets.parse("gpu, cpu,gpu") == ("gpu", "cpu")
    for text in ("", "npu", "cpu,,tpu"):
        with pytest.raises(UsageError, match="is not known; choose from cpu, gpu, nnapi"):
            targets.parse(text)
