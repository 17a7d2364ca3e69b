"""Compilers that fail in every way; shell scripts stand in for them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import psutil
import pytest

from ecbsr_mobile.tflite import Graph, write
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.limited import Limits
from export.npu import compiler, toolchain
from export.npu.results import CompileReport
from export.npu.toolchain import Toolchain
from tests.helpers.npu_models import several_reasons
from tests.helpers.tflite_models import GraphBuilder, plain_network
from tests.helpers.waiting import wait_until


def shell_toolchain(folder: Path, script: str) -> Toolchain:
    """A toolchain whose compiler is a shell script."""
    driver = folder / "driver"
    driver.write_text(f"#!/bin/sh\n{script}\n")
    driver.chmod(0o755)
    (folder / "libraries").mkdir()
    return Toolchain(folder / "libraries", driver, folder / "license.pdf", "Qualcomm")


def compiled_by(
    tmp_path: Path, script: str, graph: Graph | None = None, seconds: float = 120.0
) -> tuple[CompileReport, bytes | None]:
    """The report on a graph, by default a small network, and the compiled file."""
    tools = shell_toolchain(tmp_path, script)
    (tmp_path / "work").mkdir()
    model = write(graph or plain_network("int8"))
    return compiler.compile_for(tools, "SM8650", model, tmp_path / "work", seconds)


@pytest.mark.parametrize(
    ("script", "status", "note"),
    [
        ("kill -SEGV $$", "crashed", "ended by SIGSEGV"),
        ("kill -KILL $$", "crashed", "ended by SIGKILL"),
        ("exit 3", "failed", "exit code 3, without a reason"),
        ("exit 220", "failed", "exit code 220"),
        ("echo 'ERROR: [a.cc:1] no such thing' >&2; exit 1", "failed", "no such thing"),
        ("echo nonsense; echo more >&2", "unreadable", "the compiler's file is empty"),
        ("printf 'garbage' > compiled.tflite", "unreadable", "is not a .tflite file"),
        ("cp model.tflite compiled.tflite", "unreadable", "does not report how many operators"),
        ("head -c 100000 /dev/urandom >&2; cp model.tflite compiled.tflite", "unreadable", "does not report"),
        ("cat model.tflite > compiled.tflite; kill -ABRT $$", "crashed", "ended by SIGABRT"),
    ],
)
def test_every_failure_is_a_status(tmp_path: Path, script: str, status: str, note: str) -> None:
    report, result = compiled_by(tmp_path, script)
    assert result is None
    assert (report.status, report.taken, report.partitions, report.read_mb) == (status, None, None, None)
    assert note in report.note


def test_a_compiler_that_exceeds_its_time_limit(tmp_path: Path) -> None:
    report, _ = compiled_by(tmp_path, "sleep 600", seconds=0.2)
    assert (report.status, report.note) == ("timeout", "ended after 0.2 s")


def test_stopping_kills_the_compiler_and_its_children(tmp_path: Path) -> None:
    pid_file, stop = tmp_path / "pid", threading.Event()
    tools = shell_toolchain(tmp_path, f"sleep 600 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait")
    (tmp_path / "work").mkdir()

    def stop_when_started() -> None:
        wait_until(pid_file.exists, "the compiler to start")
        stop.set()

    thread = threading.Thread(target=stop_when_started)
    thread.start()
    with pytest.raises(subprocess_runner.Canceled):
        compiler.compile_for(tools, "SM8650", write(plain_network()), tmp_path / "work", stop=stop)
    thread.join()
    child = int(pid_file.read_text())
    wait_until(lambda: not is_running(child), "the compiler's child to end")


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_output_and_memory_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "LIMITS", Limits(memory_bytes=2**33, file_bytes=2**20))
    report, _ = compiled_by(tmp_path, "exec yes")
    assert report.status == "crashed" and "SIGXFSZ" in report.note
    assert (tmp_path / "work" / "out").stat().st_size <= 2**21
    monkeypatch.setattr(toolchain, "LIMITS", Limits(memory_bytes=2**28))
    (tmp_path / "second").mkdir()
    report, _ = compiled_by(tmp_path / "second", f"exec {sys.executable} -c 'bytearray(2**30)'")
    assert report.status == "failed"


def test_a_batch_of_images_is_reported_without_a_size(tmp_path: Path) -> None:
    make = GraphBuilder()
    batch = make.graph(make.conv(make.input((2, 8, 12, 4)), 4))
    report, _ = compiled_by(tmp_path, "exit 3", batch)
    assert (report.status, report.size) == ("failed", None)


def test_operators_that_are_still_in_the_file_are_not_supported(tmp_path: Path) -> None:
    """The log has counts, but the file has no compiled partition."""
    line = "Partitioned subgraph<0>, selected 3 ops, from a total of 7 ops. resulted in 3 partitions."
    script = f"echo '{line}' >&2; cp model.tflite compiled.tflite"
    report, result = compiled_by(tmp_path, script, several_reasons())
    assert result is not None
    assert (report.status, report.taken, report.total, report.partitions) == ("partial", 3, 7, 3)
    assert (report.read_mb, report.write_mb, report.spill_mb) == (None, None, None)
