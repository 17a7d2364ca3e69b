"""What the runtime of this machine delegates to XNNPACK, from a process of its own."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import write, xnnpack_probe, xnnpack_probe_worker
from tests.helpers.audit_cases import SHAPE, shuffle
from tests.helpers.tflite_models import GraphBuilder, plain_network


def test_lists_the_delegated_nodes() -> None:
    model = write(plain_network("int8"))
    report = xnnpack_probe.probe(model)
    assert (report.loads, report.nodes, report.total, report.partitions) == (True, (0, 2, 4, 5, 6, 7), 8, 3)
    assert report.runtime.startswith("ai-edge-litert ")
    assert report == xnnpack_probe.report(xnnpack_probe_worker.load(model))


def test_reports_the_error_of_the_runtime() -> None:
    report = xnnpack_probe.probe(write(shuffle("int8", 2, (1 / 100, 0))))
    assert (report.loads, report.nodes) == (False, ())
    assert "DEPTH_TO_SPACE" in report.error


def test_a_model_that_crashes_the_runtime_is_a_report() -> None:
    make = GraphBuilder()
    options = schema.QuantizeOptionsT()
    output = make.node("QUANTIZE", [make.input(SHAPE)], SHAPE, options=options, dtype="uint8", scale=(1 / 128, -128))
    report = xnnpack_probe.probe(write(make.graph(output)))
    assert not report.loads
    assert report.error and report.error.isprintable()
