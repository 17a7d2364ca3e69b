"""Runs on this machine: latency, delegated nodes and failures."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert.interpreter import Interpreter

import android_bench
from android_bench import config, models
from android_bench.host import worker
from android_bench.host.runner import HostRunner
from android_bench.results import serialize
from ecbsr_mobile import tflite
from ecbsr_mobile.tflite import xnnpack_probe
from tests.helpers import upscalers
from tests.helpers.bench import needs_linux
from tests.helpers.tflite_models import GraphBuilder

pytestmark = [needs_linux, pytest.mark.slow]

ROW_KEYS = {
    *("model", "precision", "device", "delegate", "threads", "size", "status", "median_ms", "ci95_ms", "p95_ms"),
    *("fps", "runs", "nodes_delegated", "nodes_total", "note"),
}


@pytest.fixture(scope="module")
def results(files: dict[str, Path]) -> android_bench.Results:
    return android_bench.bench(
        [files["float"], files["int8-prelu"]], sizes=["48x32", (33, 17)], threads=[2], rounds=3, runs=3
    )


def test_every_model_size_and_thread_count_has_a_row_with_a_latency(results: android_bench.Results) -> None:
    cases = {(row.model, row.size, row.threads) for row in results.results}
    assert cases == {(model, size, 2) for model in ("float", "int8-prelu") for size in ((48, 32), (33, 17))}
    for row in results.results:
        status = "ok" if row.model == "float" else "partial"  # XNNPACK does not support int8 PRELU
        assert (row.status, row.device, row.delegate, row.runs) == (status, "host", "cpu", 3)
        assert ("XNNPACK runs 6 of 8 nodes, the built-in kernels the rest" in row.note) == (status == "partial")
        assert row.median_ms and row.ci95_ms and row.p95_ms and row.fps
        assert row.ci95_ms[0] <= min(row.run_ms) <= row.median_ms <= max(row.run_ms) <= row.ci95_ms[1]
        assert row.fps == pytest.approx(1000 / row.median_ms, rel=0.01)
    assert {row.model: row.precision for row in results.results} == {"float": "fp32", "int8-prelu": "int8"}


def test_nodes_are_those_that_the_runtime_delegates(results: android_bench.Results) -> None:
    by_model = {row.model: row for row in results.results}
    whole, split = by_model["float"], by_model["int8-prelu"]
    assert (whole.nodes_delegated, whole.nodes_total, whole.partitions) == (8, 8, 1)
    # XNNPACK does not support int8 PRELU: each of the two splits this chain of nodes.
    assert (split.nodes_delegated, split.nodes_total, split.partitions) == (6, 8, 3)


def test_delegated_nodes_exclude_the_operators_that_xnnpack_does_not_support(files: dict[str, Path]) -> None:
    make = GraphBuilder("int8")
    image = make.input((1, 8, 8, 4))
    left = make.prelu(make.conv(image, 4))
    right = make.conv(image, 4)
    graph = make.graph(make.add(left, make.prelu(right)))
    interpreter = Interpreter(model_content=tflite.write(graph))
    interpreter.allocate_tensors()
    details = interpreter._get_ops_details()
    nodes, kernels = xnnpack_probe.delegated_nodes([worker.plain_node(node) for node in details])
    assert (len(nodes), len(details) - kernels) == (3, 5)


def test_results_are_frozen_and_are_the_same_after_json(results: android_bench.Results) -> None:
    with pytest.raises(FrozenInstanceError):
        results.results[0].median_ms = 1.0  # type: ignore[misc]
    document = json.loads(json.dumps(results.as_json(), allow_nan=False))
    assert set(document) >= {"results", "devices"}
    assert set(document["results"][0]) >= ROW_KEYS
    again = serialize.parse_results(json.dumps(document).encode(), "memory")
    assert again.results == results.results
    assert again.devices == results.devices


def test_a_model_that_does_not_support_the_size_is_a_failed_row_and_the_others_are_measured(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    make = GraphBuilder()
    image = make.input((1, 8, 8, 1))
    odd = make.graph(make.node("MYSTERY", [image], (1, 8, 8, 1), custom=True))
    path = tmp_path / "odd.tflite"
    path.write_bytes(tflite.write(odd))
    results = android_bench.bench([path, files["float"]], sizes=["24x16"], rounds=2, runs=1)
    assert [row.status for row in results.results] == ["failed", "ok"]
    assert "MYSTERY" in results.results[0].note and results.results[0].median_ms is None
    assert not results.answered


def test_a_size_too_large_for_this_machine_is_a_failed_row_not_a_traceback(files: dict[str, Path]) -> None:
    loaded = models.read_models([files["float"]])
    case = config.Case("float", "fp32", "host", "cpu", 1, (60000, 60000))
    with HostRunner(loaded, config.Options(iterations=1), threading.Event(), time.monotonic()) as runner:
        run = runner.measure(case, 1)
    assert run.status in ("failed", "crashed")
    assert run.median_ms is None and run.note


def test_a_run_over_its_limit_is_a_timeout(files: dict[str, Path]) -> None:
    limits = config.Limits(run=0.01)
    results = android_bench.bench([files["float"]], rounds=3, runs=1, limits=limits)
    assert (results.results[0].status, results.results[0].median_ms) == ("timeout", None)


def test_a_run_that_its_limit_ends_early_says_so(files: dict[str, Path]) -> None:
    for seconds, note in ((0, "fewer than 3 inferences were timed, within 0 s"), (config.Limits.timed, "")):
        limits = config.Limits(timed=seconds)
        (row,) = android_bench.bench([files["float"]], sizes=["24x16"], rounds=2, runs=3, limits=limits).results
        assert (row.status, row.runs, row.note) == ("ok", 2, note)


def test_the_host_says_what_it_leaves_out(files: dict[str, Path]) -> None:
    def notes(**options: Any) -> str:
        results = android_bench.bench([files["float"]], rounds=1, runs=1, sizes=["24x16"], **options)
        assert [row.status for row in results.results] == ["ok"]
        return "; ".join(results.devices["host"].notes)

    assert "left out" not in notes()
    said = notes(delegates=["cpu,nnapi:npu"], cores="big", tool="litert", profile=True, check=True)
    assert "nnapi:npu, --cores, --tool, --profile, --check" in said


def test_models_of_other_layouts_run_at_their_own_size(tmp_path: Path) -> None:
    models = {
        "nchw": upscalers.DOUBLING["NCHW"](),
        "pooled": upscalers.globally_pooled(by_mean=False),
        "batch": upscalers.DOUBLING["dynamic batch"](),
    }
    for name, graph in models.items():
        (tmp_path / f"{name}.tflite").write_bytes(tflite.write(graph))
    both = upscalers.two_subgraphs(upscalers.DOUBLING["depth to space"](), upscalers.strided())
    (tmp_path / "two.tflite").write_bytes(both)
    results = android_bench.bench(sorted(tmp_path.glob("*.tflite")), rounds=1, runs=1, check=True)
    assert [(row.model, row.size, row.status) for row in results.results] == [
        ("batch", (48, 32), "partial"),  # its node waits for a shape that is computed
        *((name, (48, 32), "ok") for name in ("nchw", "pooled", "two")),
    ]
    assert all("dB on a bundled image where bicubic gives" in row.note for row in results.results)


def test_files_that_only_litert_reads_rightly_are_timed_and_compared(tmp_path: Path) -> None:
    """Outdated shapes, a name that is not UTF-8 in a file that cannot be resized; one that crashes is a status."""
    for stale in upscalers.STALE:
        graph = upscalers.with_stale_shapes(upscalers.DOUBLING["6-D shuffle"](), stale)
        (tmp_path / f"{stale}.tflite").write_bytes(tflite.write(graph))
    data = tflite.write(upscalers.globally_pooled(by_mean=False))
    assert data.count(b"\x02\0\0\0t0\0") == 1
    (tmp_path / "name.tflite").write_bytes(data.replace(b"\x02\0\0\0t0\0", b"\x02\0\0\0\xffa\0"))
    (tmp_path / "zcrash.tflite").write_bytes(tflite.write(upscalers.crashing()))
    results = android_bench.bench(sorted(tmp_path.glob("*.tflite")), rounds=1, runs=1, check=True)
    rows = {row.model: (row.size, row.status) for row in results.results}
    assert rows.pop("zcrash") == ((48, 32), "crashed")
    assert rows.pop("empty") == ((48, 32), "partial")  # XNNPACK needs shapes where the file is loaded
    assert rows == dict.fromkeys(("half", "name", "placeholder"), ((48, 32), "ok"))
    notes = [row.note for row in results.results if row.model != "zcrash"]
    assert all("dB on a bundled image where bicubic gives" in note for note in notes)
    larger = android_bench.bench([tmp_path / "half.tflite"], sizes=["96x64"], rounds=1, runs=1)
    assert [row.status for row in larger.results] == ["ok"]
