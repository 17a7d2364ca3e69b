"""The NPU check where no compiler is: its words, programs that misbehave, and what is said when it is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils import subprocess_runner
from export import tflite
from export.audit import batch
from export.npu import compiler, compiler_log, qualcomm_sdk, runner, socs
from export.npu.qualcomm_sdk import Toolchain
from export.tflite import Graph, write
from tests.helpers.npu_models import several_reasons
from tests.helpers.paths import ROOT
from tests.helpers.tflite_models import GraphBuilder, plain_network

LOGS = ROOT / "tests" / "data" / "npu_logs"


def stored(name: str) -> tuple[bytes, bytes]:
    """What the compiler printed on standard error and on standard output."""
    return (LOGS / f"{name}.err").read_bytes(), (LOGS / f"{name}.out").read_bytes()


# The compiler's words. `several` is its output for `npu_models.several_reasons`, `failed` for an empty picture.


def test_what_the_compiler_said_is_understood() -> None:
    said = compiler_log.parse(*stored("several"))
    assert (said.taken, said.total, said.partitions) == (3, 7, 3)
    assert said.reasons == {**dict.fromkeys((1, 2, 3), "has incorrect Rank 6."), 5: compiler_log.UNMAPPED}
    assert said.traffic == (
        compiler_log.Traffic(0, 6144, 10240),
        compiler_log.Traffic(0, 24576, 8192),
        compiler_log.Traffic(0, 24576, 16384),
    )
    assert said.version == "2.51.0.260929181845"
    assert said.error == ""


def test_why_the_compiler_failed_is_understood() -> None:
    said = compiler_log.parse(*stored("failed"))
    assert said.error.startswith("Failed to add node into graph, error: 6005")
    assert said.traffic == ()


def test_lines_may_end_as_on_windows() -> None:
    errors, output = (text.replace(b"\n", b"\r\n") for text in stored("several"))
    assert compiler_log.parse(errors, output) == compiler_log.parse(*stored("several"))


def assert_part_of(said: compiler_log.CompilerLog, whole: compiler_log.CompilerLog) -> None:
    for name in ("version", "taken", "total", "partitions"):
        assert getattr(said, name) in (None, getattr(whole, name)), name
    for node, reason in said.reasons.items():
        assert reason in (whole.reasons[node], compiler_log.NO_REASON)
    assert said.traffic == whole.traffic[: len(said.traffic)]
    assert said.error in ("", whole.error)


@pytest.mark.parametrize("name", ["several", "failed"])
def test_errors_cut_at_any_byte_say_nothing_false(name: str) -> None:
    errors, output = stored(name)
    complaints = output[: output.rfind(b"Failed to validate") + 200]
    whole = compiler_log.parse(errors, complaints)
    start = errors.find(b"Starting Applying plugin")  # before that it says how it was called
    for end in range(start, len(errors)):
        assert_part_of(compiler_log.parse(errors[:end], complaints), whole)


def test_output_cut_at_any_byte_says_nothing_false() -> None:
    """At every byte of the lines that mean something, and at the end of every other."""
    errors, output = stored("several")
    whole, ends, place = compiler_log.parse(errors, output), set(), 0
    for line in output.splitlines(keepends=True):
        meant = b"<E>" in line or b"bytes=" in line or b"DDR" in line
        ends |= set(range(place, place + len(line))) if meant else {place}
        place += len(line)
    assert len(ends) > 1000
    graph = several_reasons()
    for number, end in enumerate(sorted(ends)):
        assert_part_of(compiler_log.parse(errors, output[:end]), whole)
        if number % 50 == 0:
            for code in (0, 1, -11):
                verdict, _ = compiler.report_of(graph, code, output[:end], errors, b"", 1.0)
                assert verdict.status == {0: "unreadable", 1: "failed", -11: "crashed"}[code]


# Programs that misbehave, in the compiler's place.


def stand_in(folder: Path, script: str) -> Toolchain:
    """A toolchain whose compiler is a shell script."""
    driver = folder / "driver"
    driver.write_text(f"#!/bin/sh\n{script}\n")
    driver.chmod(0o755)
    (folder / "libraries").mkdir()
    return Toolchain(folder / "libraries", driver, folder / "licence.pdf")


def compiled_by(
    tmp_path: Path, script: str, seconds: float = 20.0, graph: Graph | None = None
) -> compiler.CompileReport:
    tools = stand_in(tmp_path, script)
    (tmp_path / "work").mkdir()
    verdict, result = compiler.compile_for(
        tools, "SM8650", write(graph or plain_network("int8")), tmp_path / "work", seconds
    )
    assert result is None
    return verdict


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
def test_whatever_the_compiler_does_is_a_status(tmp_path: Path, script: str, status: str, note: str) -> None:
    verdict = compiled_by(tmp_path, script)
    assert (verdict.status, verdict.taken, verdict.partitions, verdict.read_mb) == (status, None, None, None)
    assert note in verdict.note


def test_a_compiler_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    verdict = compiled_by(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; wait", seconds=1.5)
    assert (verdict.status, verdict.note) == ("timeout", "ended after 1.5 s")
    child, end = int((tmp_path / "child").read_text()), time.monotonic() + 20
    while psutil.pid_exists(child) and psutil.Process(child).status() != "zombie" and time.monotonic() < end:
        time.sleep(0.05)  # the kill is asynchronous
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


def test_a_compiler_without_end_of_words_or_memory_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualcomm_sdk, "FILE_BYTES", 2**20)
    verdict = compiled_by(tmp_path, "exec yes")
    assert verdict.status == "crashed" and "SIGXFSZ" in verdict.note
    assert (tmp_path / "work" / "out").stat().st_size <= 2**21
    monkeypatch.setattr(qualcomm_sdk, "MEMORY_BYTES", 2**28)
    (tmp_path / "second").mkdir()
    assert compiled_by(tmp_path / "second", f"exec {sys.executable} -c 'bytearray(2**30)'").status == "failed"


def test_taken_and_left_are_told_of_a_file_that_the_compiler_left_as_it_was(tmp_path: Path) -> None:
    """Counts without a single compiled piece: the operators that are still there were not taken."""
    said = "Partitioned subgraph<0>, selected 3 ops, from a total of 7 ops. resulted in 3 partitions."
    tools = stand_in(tmp_path, f"echo '{said}' >&2; cp model.tflite compiled.tflite")
    (tmp_path / "work").mkdir()
    verdict, result = compiler.compile_for(tools, "SM8650", write(several_reasons()), tmp_path / "work")
    assert result is not None
    assert (verdict.status, verdict.taken, verdict.total, verdict.partitions) == ("partial", 3, 7, 3)
    assert (verdict.read_mb, verdict.write_mb, verdict.spill_mb) == (None, None, None)


def test_a_stop_ends_the_compiler(tmp_path: Path) -> None:
    tools, stop = stand_in(tmp_path, "sleep 600"), threading.Event()
    (tmp_path / "work").mkdir()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(subprocess_runner.Cancelled):
        compiler.compile_for(tools, "SM8650", write(plain_network()), tmp_path / "work", stop=stop)


# What is asked for.


def test_vendors_and_chips() -> None:
    assert socs.parse_socs("qualcomm") == tuple(socs.SOCS)
    assert socs.parse_socs("qualcomm:sm8650, SM8350,SM8650") == ("SM8650", "SM8350")
    with pytest.raises(UsageError, match="'SM1' is not known to qualcomm's compiler; use some of SA8255"):
        socs.parse_socs("qualcomm:SM1")
    with pytest.raises(UsageError, match="'apple' is not known; use qualcomm or"):
        socs.parse_socs("apple")
    for vendor in socs.NOT_CHECKED:
        with pytest.raises(UsageError, match=f"'{vendor}' cannot be checked: its compiler is not public"):
            socs.parse_socs(vendor)


# Where the compiler is not.


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualcomm_sdk, "find_spec", lambda name: None)
    with (
        pytest.raises(EcbsrError, match=r"is not installed; run: pip install 'ecbsr-mobile\[qualcomm\]'"),
        qualcomm_sdk.toolchain(),
    ):
        pass


def test_on_another_platform_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualcomm_sdk.platform, "machine", lambda: "aarch64")
    with (
        pytest.raises(EcbsrError, match="runs on Linux on x86_64, not on Linux on aarch64"),
        qualcomm_sdk.toolchain(),
    ):
        pass


def test_a_library_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in (
        qualcomm_sdk.DRIVER,
        qualcomm_sdk.PLUGIN,
        qualcomm_sdk.BACKEND,
        qualcomm_sdk.EMULATOR,
        "libQnnSaver.so",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"\x7fELF, but no more")
    monkeypatch.setattr(qualcomm_sdk, "_package", lambda name: tmp_path)
    monkeypatch.setattr(qualcomm_sdk, "find_spec", lambda name: object())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(EcbsrError, match=r"does not load \(.*libQnnHtp.so.*\); it needs glibc 2.35"),
        qualcomm_sdk.toolchain(),
    ):
        pass
    assert not list(tmp_path.glob("ecbsr-*"))
    (tmp_path / qualcomm_sdk.PLUGIN).unlink()
    missing = r"incomplete, libLiteRtCompilerPlugin_Qualcomm\.so is missing"
    with pytest.raises(EcbsrError, match=missing), qualcomm_sdk.toolchain():
        pass


# The command, as far as it needs no compiler.


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'ecbsr-audit'; from export.cli.audit import script; script()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--npu", "mediatek"], "cannot be checked"),
        (["--npu", "qualcomm:"], "SoC '' is not known"),
        (["--emulate"], "add --npu qualcomm"),
        (["--keep", "somewhere"], "add --npu qualcomm"),
        (["--npu", "qualcomm", "--size", "0x4"], "size '0x4' is not known"),
    ],
)
def test_misuse(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "model.tflite").write_bytes(write(plain_network()))
    result = command(tmp_path / "model.tflite", *arguments)
    assert result.returncode == 2, result.stderr
    assert said in result.stderr and result.stdout == "" and "Traceback" not in result.stderr


def test_a_folder_is_audited_file_by_file(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.tflite").write_bytes(write(plain_network()))
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    (tmp_path / "notes.txt").write_text("")
    result = command(tmp_path, tmp_path / "b.tflite", "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert [Path(file["path"]).name for file in told["files"]] == ["a.tflite", "b.tflite"]
    assert [Path(error["path"]).name for error in told["errors"]] == ["broken.tflite"]
    assert "npu" not in told["files"][0]
    (tmp_path / "empty").mkdir()
    assert "is a folder" in batch.audit_all([tmp_path / "empty"]).errors[str(tmp_path / "empty")]


def test_two_models_of_one_name_are_not_kept_over_each_other(tmp_path: Path) -> None:
    model = write(plain_network())
    with pytest.raises(UsageError, match="two of the models have one name"):
        runner.compile_models({"a/x.tflite": model, "b/x.tflite": model}, keep=tmp_path)


def test_an_open_size_is_given_one() -> None:
    make = GraphBuilder()
    image = make.input((1, 8, 8, 1))
    graph = make.graph(make.conv(image, 4))
    loose = [replace(t, signature=(1, -1, -1, t.shape[3])) if t.data is None else t for t in graph.tensors]
    model = write(replace(graph, tensors=tuple(loose)))
    assert tflite.input_size(tflite.read(runner.sized(model))) == (960, 540)
    assert tflite.input_size(tflite.read(runner.sized(model, (40, 24)))) == (40, 24)
    assert runner.sized(write(graph)) == write(graph)
