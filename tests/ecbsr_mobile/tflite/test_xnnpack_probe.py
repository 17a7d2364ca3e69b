"""What the runtime of this machine delegates to XNNPACK, from a process of its own."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import write, xnnpack_probe, xnnpack_probe_worker
from tests.helpers import litert, upscalers
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


def test_a_placeholder_that_is_too_small_is_resized() -> None:
    make = GraphBuilder()
    image = make.input((1, 8, 12, 3))
    border = make.constant(np.array([[0, 0], [2, 2], [2, 2], [0, 0]], np.int32))
    padded = make.node("MIRROR_PAD", [image, border], (1, 12, 16, 3), options=schema.MirrorPadOptionsT(0))
    model = write(upscalers.with_dynamic(make.graph(make.conv(padded, 4)), [1, 2]))
    with pytest.raises(RuntimeError, match="paddings must be no greater"):
        litert.interpreter(model)
    report = xnnpack_probe.probe(model)
    assert (report.loads, report.nodes, report.total) == (True, (1,), 2)
