"""Sessions: the content of their folder after an interrupt, a full disk or a resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

import android_bench
from android_bench import session
from ecbsr_mobile.errors import EcbsrError, UsageError
from tests.helpers.bench import command, needs_linux
from tests.helpers.commands import DEFECT
from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_until

pytestmark = [needs_linux, pytest.mark.slow]
resource = pytest.importorskip("resource")  # not on Windows


def test_a_call_from_python_prints_nothing(files: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    android_bench.bench([files["float"]], rounds=1, runs=1)
    assert capfd.readouterr() == ("", "")


def test_a_second_benchmark_does_not_overwrite_the_first(files: dict[str, Path], tmp_path: Path) -> None:
    android_bench.bench([files["float"]], rounds=1, runs=1, out=tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(UsageError, match="earlier benchmark"):
        android_bench.bench([files["float"]], rounds=1, runs=1, out=tmp_path)
    assert (tmp_path / "results.json").read_bytes() == before


def test_a_second_resume_of_a_folder_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    refused: list[str] = []

    def second(_line: str) -> None:
        if not refused:
            for call in (lambda: session.resume(tmp_path), lambda: android_bench.bench([files["float"]], out=tmp_path)):
                with pytest.raises(EcbsrError, match=r"in use by the benchmark of .+ \(process") as error:
                    call()
                refused.append(str(error.value))

    android_bench.bench([files["float"]], rounds=1, runs=1, out=tmp_path, progress=second)
    assert len(refused) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*session.REPORTS, "runs.jsonl"])


def test_an_interrupt_keeps_what_was_measured_and_resume_finishes_it(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [str(files["float"]), "--size", "24x16,25x16", "--rounds", "30", "--runs", "1", "--out", str(out)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # the folder of the workers' models
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    assert process.stderr is not None
    for _ in range(1 + 3):  # the description of the machine, and three runs
        process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert (
        process.returncode == 130
        and "interrupted" in errors
        and "Traceback" not in errors
        and "unexpected error" not in errors
    )
    wait_until(lambda: not _processes_with(f"{tmp_path}/ecbsr-bench-"), "the worker to end")
    kept = json.loads((out / "results.json").read_text())["results"]
    assert sum(row["runs"] for row in kept) >= 3

    content = (out / "runs.jsonl").read_text()
    header, *runs = content.splitlines()
    shorter = json.loads(header)
    shorter["session"]["settings"]["rounds"] = 3  # 27 more rounds would prove nothing new
    (out / "runs.jsonl").write_text("\n".join([json.dumps(shorter), *runs]) + "\n" + runs[-1][:25])
    results = session.resume(out)
    assert [row.status for row in results.results] == ["ok", "ok"]
    lines = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    measured = [(line["run"]["case"]["size"][0], line["run"]["round"]) for line in lines if "run" in line]
    assert len(measured) == len(set(measured)), "a run was repeated"
    assert {(size, number) for size in (24, 25) for number in (1, 2, 3)} <= set(measured)


@pytest.mark.parametrize("max_bytes", [300, 9000])
def test_a_full_disk_ends_in_a_sentence(files: dict[str, Path], tmp_path: Path, max_bytes: int) -> None:
    """A limit on the size of files simulates the full disk, while the journal or while the report is written."""
    out = tmp_path / "out"
    ended = subprocess.run(
        command(str(files["float"]), "--rounds=1", "--runs=1", "--quiet", "--out", str(out)),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes)),
    )
    assert ended.returncode == 1 and not DEFECT.search(ended.stderr)
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


def _processes_with(text: str) -> list[str]:
    """The command lines of all processes that contain a text."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            commands.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in commands if text in line]


def test_a_model_whose_name_is_not_utf8(files: dict[str, Path], tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \x1b[2J.tflite"))
    path.write_bytes(files["float"].read_bytes())
    out = tmp_path / "out"
    ended = subprocess.run(
        command(os.fsencode(path), "--rounds=1", "--runs=1", "--size=24x16", "--out", str(out)),  # type: ignore[arg-type]
        capture_output=True,
        cwd=ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"\x1b" not in ended.stdout + ended.stderr and rb"caf\xe9 ?[2J" in ended.stdout
    (row,) = json.loads((out / "results.json").read_text())["results"]
    assert (row["model"], row["status"]) == ("caf\\xe9 \x1b[2J", "ok")
    assert "caf\\xe9" in (out / "results.csv").read_text() and "caf\\xe9" in (out / "report.html").read_text()
    assert session.resume(out).results[0].model == row["model"]
