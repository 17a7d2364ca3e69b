"""`ecbsr-bench --device host`: its figures, its evidence, its words, and what it never loads."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import android_bench
from android_bench import cli, config, models, schedule, session
from android_bench.host import worker
from android_bench.host.runner import HostRunner
from android_bench.results import serialize
from ecbsr_mobile.errors import EcbsrError, UsageError
from export import recipe, tflite
from export.tflite import xnnpack_probe
from tests.helpers.tflite_models import GraphBuilder, plain_network

ROW_KEYS = {
    *("model", "precision", "device", "delegate", "threads", "size", "status", "median_ms", "ci95_ms", "p95_ms"),
    *("fps", "runs", "nodes_delegated", "nodes_total", "note"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    graphs = {"float": plain_network(), "int8-prelu": plain_network("int8")}
    for name, graph in graphs.items():
        (folder / f"{name}.tflite").write_bytes(tflite.write(graph))
    return {name: folder / f"{name}.tflite" for name in graphs}


@pytest.fixture(scope="module")
def found(files: dict[str, Path]) -> android_bench.Results:
    return android_bench.bench(
        [files["float"], files["int8-prelu"]], sizes=["48x32", (33, 17)], threads=[2], rounds=2, runs=3
    )


def test_every_model_size_and_thread_count_has_a_row_with_a_figure(found: android_bench.Results) -> None:
    cases = {(row.model, row.size, row.threads) for row in found.results}
    assert cases == {(model, size, 2) for model in ("float", "int8-prelu") for size in ((48, 32), (33, 17))}
    for row in found.results:
        assert (row.status, row.device, row.delegate, row.runs) == ("ok", "host", "cpu", 2)
        assert row.median_ms and row.ci95_ms and row.p95_ms and row.fps
        assert row.ci95_ms[0] <= min(row.run_ms) <= row.median_ms <= max(row.run_ms) <= row.ci95_ms[1]
        assert row.fps == pytest.approx(1000 / row.median_ms, rel=0.01)
    assert {row.model: row.precision for row in found.results} == {"float": "fp32", "int8-prelu": "int8"}


def test_nodes_are_what_the_runtime_itself_took(found: android_bench.Results) -> None:
    by_model = {row.model: row for row in found.results}
    whole, split = by_model["float"], by_model["int8-prelu"]
    assert (whole.nodes_delegated, whole.nodes_total, whole.partitions) == (8, 8, 1)
    # XNNPACK refuses int8 PRELU: each of the two in this chain splits it.
    assert (split.nodes_delegated, split.nodes_total, split.partitions) == (6, 8, 3)


def test_nodes_taken_agree_with_the_nodes_that_still_run_on_their_own(files: dict[str, Path]) -> None:
    make = GraphBuilder("int8")
    image = make.input((1, 8, 8, 4))
    left = make.prelu(make.conv(image, 4))
    right = make.conv(image, 4)
    graph = make.graph(make.add(left, make.prelu(right)))
    interpreter = Interpreter(model_content=tflite.write(graph))
    interpreter.allocate_tensors()
    details = interpreter._get_ops_details()
    nodes, kernels = xnnpack_probe.delegated_nodes([worker.plain_node(node) for node in details])
    taken, total = len(nodes), len(details) - kernels
    assert (taken, total) == (total - 2, 5)


def test_results_are_frozen_and_turn_into_json_and_back(found: android_bench.Results) -> None:
    with pytest.raises(FrozenInstanceError):
        found.results[0].median_ms = 1.0  # type: ignore[misc]
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert set(document) >= {"results", "devices"}
    assert set(document["results"][0]) >= ROW_KEYS
    again = serialize.parse_results(json.dumps(document).encode(), "memory")
    assert again.results == found.results
    assert again.devices == found.devices


def test_a_call_from_python_prints_nothing(files: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    android_bench.bench([files["float"]], rounds=1, runs=1)
    assert capfd.readouterr() == ("", "")


def test_a_model_of_a_fixed_size_is_timed_at_it_and_a_dynamic_one_at_the_usual_sizes(tmp_path: Path) -> None:
    fixed = plain_network(size=(20, 12))
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.write(fixed))
    assert next(iter(models.read_models([path]).values())).default_sizes() == ((20, 12),)
    path.write_bytes(tflite.write(_dynamic(fixed)))
    assert next(iter(models.read_models([path]).values())).default_sizes() == (
        (480, 270),
        (640, 360),
        (960, 540),
        (1280, 720),
    )


def _dynamic(graph: tflite.Graph) -> tflite.Graph:
    tensors = [
        replace(t, shape=(1, 1, 1, t.shape[3]), signature=(1, -1, -1, t.shape[3]))
        if t.data is None and len(t.shape) == 4
        else t
        for t in graph.tensors
    ]
    return replace(graph, tensors=tuple(tensors))


def test_the_command_prints_json_alone(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [
        str(files["float"]),
        "--size=24x16",
        "--threads=1,2",
        "--rounds=1",
        "--runs=2",
        "--json",
        "--out",
        str(out),
    ]
    ended = _ecbsr_bench(*command)
    assert ended.returncode == 0
    document = json.loads(ended.stdout)
    assert document == json.loads((out / "results.json").read_text())
    assert [row["threads"] for row in document["results"]] == [1, 2]
    assert len((out / "runs.jsonl").read_text().splitlines()) == 1 + 1 + 2  # settings, device, two runs
    assert (out / "results.csv").read_text().splitlines()[1].startswith("float,fp32,host,cpu,1,24x16,ok,")


def test_a_second_bench_does_not_write_over_the_first(files: dict[str, Path], tmp_path: Path) -> None:
    android_bench.bench([files["float"]], rounds=1, runs=1, out=tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(UsageError, match="earlier bench"):
        android_bench.bench([files["float"]], rounds=1, runs=1, out=tmp_path)
    assert (tmp_path / "results.json").read_bytes() == before


def test_neither_the_command_nor_its_worker_loads_torch_or_tensorflow(files: dict[str, Path]) -> None:
    code = (
        "import sys, android_bench, android_bench.cli\n"
        f"android_bench.bench([{str(files['float'])!r}], rounds=1, runs=1)\n"
        "import android_bench.host.worker\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'tensorflow', 'onnx2tf', 'cv2')])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_root())
    assert ended.stdout.strip() == "[]"


def test_bad_models_end_in_one_sentence(tmp_path: Path, files: dict[str, Path]) -> None:
    whole = files["float"].read_bytes()
    bad = {
        "missing": None,
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "text": b"this is not a model, it is a line of text",
    }
    for name, content in bad.items():
        path = tmp_path / f"{name}.tflite"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(EcbsrError, match=rf"{name}\.tflite") as error:
            cli.main([str(path), "--rounds", "1", "--runs", "1"])
        assert error.value.exit_code == 1 and "\n" not in str(error.value)
    ended = _ecbsr_bench(str(tmp_path / "missing.tflite"))
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)


def test_a_model_that_cannot_have_the_size_is_a_failed_row_and_the_others_go_on(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    make = GraphBuilder()
    image = make.input((1, 8, 8, 1))
    odd = make.graph(make.node("MYSTERY", [image], (1, 8, 8, 1), custom=True))
    path = tmp_path / "odd.tflite"
    path.write_bytes(tflite.write(odd))
    found = android_bench.bench([path, files["float"]], sizes=["24x16"], rounds=2, runs=1)
    assert [row.status for row in found.results] == ["failed", "ok"]
    assert "MYSTERY" in found.results[0].note and found.results[0].median_ms is None
    assert not found.answered


def test_misuse_is_exit_code_2(files: dict[str, Path]) -> None:
    for arguments in (
        ["--size", "540"],
        ["--size", "0x4"],
        ["--threads", "0"],
        ["--threads", "1,two"],
        ["--delegate", "npu"],
        ["--delegate", "gpu:fast"],
        ["--delegate", "external:relative.so"],
        ["--rounds", "0"],
        ["--cores", "medium"],
        ["--fail-above", "1.05"],
        ["--resume", "x", "--device", "host"],
    ):
        with pytest.raises((UsageError, SystemExit)) as error:
            cli.main([str(files["float"]), *arguments])
        assert 2 in (getattr(error.value, "exit_code", None), getattr(error.value, "code", None)), arguments


def test_a_size_too_large_for_this_machine_is_a_failed_row_not_a_traceback(files: dict[str, Path]) -> None:
    loaded = models.read_models([files["float"]])
    case = config.Case("float", "fp32", "host", "cpu", 1, (60000, 60000))
    with HostRunner(loaded, config.Options(iterations=1), threading.Event(), time.monotonic()) as runner:
        run = runner.measure(case, 1)
    assert run.status in ("failed", "crashed")
    assert run.median_ms is None and run.note


def test_what_never_ends_is_a_timeout(files: dict[str, Path]) -> None:
    limits = config.Limits(run=0.01)
    found = android_bench.bench([files["float"]], rounds=3, runs=1, limits=limits)
    assert (found.results[0].status, found.results[0].median_ms) == ("timeout", None)


def test_an_interrupt_keeps_what_was_measured_and_resume_finishes_it(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [str(files["float"]), "--size", "24x16,25x16", "--rounds", "30", "--runs", "1", "--out", str(out)]
    process = subprocess.Popen(_program(*arguments), stderr=subprocess.PIPE, text=True, cwd=_root())
    assert process.stderr is not None
    for _ in range(1 + 3):  # what the machine is, and three runs
        process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
    assert not _children_running(out)
    kept = json.loads((out / "results.json").read_text())["results"]
    assert sum(row["runs"] for row in kept) >= 3

    content = (out / "runs.jsonl").read_text()
    header, *runs = content.splitlines()
    shorter = json.loads(header)
    shorter["session"]["settings"]["rounds"] = 3  # the other 27 rounds prove nothing more
    (out / "runs.jsonl").write_text("\n".join([json.dumps(shorter), *runs]) + "\n" + runs[-1][:25])
    found = session.resume(out)
    assert [row.status for row in found.results] == ["ok", "ok"]
    lines = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    measured = [(line["run"]["case"]["size"][0], line["run"]["round"]) for line in lines if "run" in line]
    assert len(measured) == len(set(measured)), "a run was repeated"
    assert {(size, number) for size in (24, 25) for number in (1, 2, 3)} <= set(measured)


@pytest.mark.parametrize("room", [300, 9000])
def test_a_full_disk_ends_in_a_sentence(files: dict[str, Path], tmp_path: Path, room: int) -> None:
    """A limit on the size of files plays the full disk: it strikes the journal, or the report."""
    out = tmp_path / "out"
    ended = subprocess.run(
        _program(str(files["float"]), "--rounds=1", "--runs=1", "--quiet", "--out", str(out)),
        capture_output=True,
        text=True,
        check=False,
        cwd=_root(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "cannot write" in ended.stderr and "File too large" in ended.stderr
    for path in out.glob("results.json"):
        json.loads(path.read_text())


def test_resume_refuses_a_model_that_changed(tmp_path: Path, files: dict[str, Path]) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(files["float"].read_bytes())
    android_bench.bench([path], rounds=1, runs=1, out=tmp_path / "out")
    path.write_bytes(files["int8-prelu"].read_bytes())
    with pytest.raises(EcbsrError, match="changed"):
        session.resume(tmp_path / "out")
    with pytest.raises(EcbsrError, match="needs the --out folder"):
        session.resume(tmp_path / "nowhere")


def test_models_of_the_same_name_stay_apart(tmp_path: Path, files: dict[str, Path]) -> None:
    paths = [tmp_path / folder / "m.tflite" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(files["float"].read_bytes())
    names = list(models.read_models([*paths, paths[0]]))
    assert names == ["a/m", "b/m", "a/m#2"]


def test_order_differs_between_rounds_and_repeats_with_the_seed() -> None:
    cases = [config.Case("m", "fp32", "host", "cpu", threads, (8, 8)) for threads in range(1, 9)]
    order = list(schedule.shuffled(cases, 4, 0))
    assert order == list(schedule.shuffled(cases, 4, 0))
    assert order != list(schedule.shuffled(cases, 4, 1))
    rounds = [[case for number, case in order if number == wanted] for wanted in (1, 2, 3, 4)]
    assert all(sorted(one, key=lambda case: case.threads) == cases for one in rounds)
    assert len({tuple(one) for one in rounds}) == 4


def test_precision_is_read_from_the_graph() -> None:
    assert models.precision_of(plain_network()) == "fp32"
    assert models.precision_of(plain_network("int8")) == "int8"
    half = plain_network()
    tensors = [
        replace(t, data=t.data.astype(np.float16), dtype=np.dtype(np.float16)) if t.data is not None else t
        for t in half.tensors
    ]
    assert models.precision_of(replace(half, tensors=tuple(tensors))) == "fp16"


def test_the_recipe_in_the_file_is_part_of_the_results(tmp_path: Path) -> None:
    content = {"model": "ecbsr-m4c16-x2", "loss": {"psnr_drop_db": 0.07}}
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.write(tflite.with_metadata(plain_network(), recipe.NAME, json.dumps(content).encode())))
    found = android_bench.bench([path], rounds=1, runs=1)
    assert found.models["m"]["recipe"] == content


def _root() -> Path:
    return Path(android_bench.__file__).parent.parent


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "android_bench.cli", *arguments]


def _ecbsr_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_program(*arguments), capture_output=True, text=True, check=False, cwd=_root())


def _children_running(out: Path) -> list[str]:
    """Workers of this test's models that are still alive, some moments after their parent ended."""
    time.sleep(0.2)
    alive = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "android_bench/host/worker.py" in text and f"/{os.getpid()}/" not in str(entry):
            parent = (entry.parent / "stat").read_text().rsplit(")", 1)[1].split()[1] if entry.exists() else ""
            alive += [text] if parent == "1" else []
    return alive
