"""The audit of one file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import with_metadata, write
from export.audit.model_audit import audit
from tests.helpers import litert, upscalers
from tests.helpers.audit_cases import SHAPE
from tests.helpers.tflite_models import GraphBuilder, plain_network


def test_a_model_that_crashes_the_runtime() -> None:
    make = GraphBuilder()
    options = schema.QuantizeOptionsT()
    output = make.node("QUANTIZE", [make.input(SHAPE)], SHAPE, options=options, dtype="uint8", scale=(1 / 128, -128))
    model = write(make.graph(output))
    result = audit(model)
    assert result.measured is not None
    assert not result.measured.loads
    assert "\n" not in result.measured.error
    assert result.measured.error
    assert not result.delegates[0].loads
    assert [broken.reason for broken in result.invariants] == ["tensor t1 of UINT8 has zero point -128"]


@pytest.mark.parametrize("stale", upscalers.STALE)
def test_outdated_shapes_do_not_change_what_the_tables_say(stale: str) -> None:
    graph = upscalers.DOUBLING["6-D shuffle"]()
    expected, found = audit(write(graph)), audit(write(upscalers.with_stale_shapes(graph, stale)))
    assert [each.to_json() for each in found.delegates] == [each.to_json() for each in expected.delegates]


def test_a_verdict_names_what_the_runtime_does_not_take_and_that_shapes_are_outdated() -> None:
    graph = upscalers.with_stale_shapes(upscalers.DOUBLING["4-D shuffle"](), "empty")
    report = audit(write(graph))
    assert report.measured is not None
    left = [node.operator for index, node in enumerate(graph.nodes) if index not in report.measured.nodes]
    assert left and sorted(report.measured.others) == sorted(left)
    (cpu,) = (verdict for verdict in report.verdicts if verdict.target == "cpu")
    assert all(operator in cpu.text for operator in left)
    assert cpu.text.endswith("convert it again, since the shapes in it are outdated")


def test_damaged_models_are_audited_or_rejected() -> None:
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


def test_an_invalid_recipe_is_none() -> None:
    for content in (b"not json", b"[1, 2]", b"\xff\xfe", b"", b'{"loss": NaN}', b"[" * 100_000):
        model = write(with_metadata(plain_network(), "ecbsr_mobile.recipe", content))
        assert audit(model, run_xnnpack=False).recipe is None


def test_names_that_are_no_utf_8_load() -> None:
    data = write(plain_network())
    name = b"\x02\0\0\0t0\0"
    assert data.count(name) == 1
    foreign = data.replace(name, b"\x02\0\0\0\xffa\0")
    litert.interpreter(foreign)  # LiteRT loads it
    assert audit(foreign).measured == audit(data).measured
