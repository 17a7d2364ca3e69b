"""An interrupt at each step of a session: exit code, message, and what is left on the phone and in the folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from android_bench import cli
from android_bench.benchmark_tool import binary
from ecbsr_mobile.cli import common
from tests.helpers.adb_device import Device
from tests.helpers.bench import Bench, command
from tests.helpers.commands import DEFECT
from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_until

LOCK = "/data/local/tmp/ecbsr-bench.lock"

STEPS = {
    "acquire the lock": (f"mkdir {LOCK}", ()),
    "wait for another benchmark": (f"cat {LOCK}/owner", ()),
    "push the tool": ("push", ()),
    "turn the screen on": ("svc power stayon true", ()),
    "read the condition": ("dumpsys battery", ()),
    "wait for a cooler phone": ("dumpsys thermalservice", ()),
    "run the tool": ("benchmark_model --graph", ()),
    "wait for a disconnected phone": ("benchmark_model --graph", ()),
    "compare the output": ("rm -f /data/local/tmp/ecbsr-bench/output.bin", ("--check",)),
    "profile": ("--enable_op_profiling=true", ("--profile",)),
    "clean up": ("trap '' HUP", ()),
}
"""A step → a part of the command that it sends to the phone, and additional arguments of the benchmark."""

SECOND = ("run the tool", "wait for a cooler phone", "wait for a disconnected phone")
"""Steps that are interrupted at their second command."""

FINISHED_RUNS = {"profile": 2, "compare the output": 2, "clean up": 2, "run the tool": 1}
FINISHED_RUNS["wait for a disconnected phone"] = 1
"""A step → the number of runs that ended before it was interrupted."""


@pytest.mark.parametrize(
    ("step", "number"), [*((step, signal.SIGINT) for step in STEPS), ("run the tool", signal.SIGHUP)]
)
def test_an_interrupt_at_each_step(
    device: Device,
    bench: Bench,
    model: Path,
    tool: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    step: str,
    number: signal.Signals,
) -> None:
    mark, extra = STEPS[step]
    arguments = [str(model), "--device", device.serial, "--size=24x16", "--rounds=2", "--tool", tool, *extra]
    device.set_tool({"hang": [2]} if step == "run the tool" else {})
    lock = device.path(LOCK)
    if step == "wait for another benchmark":
        boot = device.path("/proc/sys/kernel/random/boot_id").read_text().strip()
        lock.mkdir()
        (lock / "owner").write_text(json.dumps({"who": "a@b", "machine": "m", "pid": 1, "boot": boot, "token": "t"}))
    if step == "wait for a cooler phone":
        device.set_heat(3)
    seen: list[str] = []

    def interrupt(event: str) -> None:
        if mark in event:
            seen.append(event)
            if len(seen) == 1 + (step in SECOND):
                if step == "wait for a disconnected phone":
                    device.away = None
                    device.pull_the_cable()
                os.kill(os.getpid(), number)

    device.watcher = interrupt
    with pytest.raises(SystemExit) as ended:
        common.run(cli.main, [*arguments, "--out", str(tmp_path / "out")])
    errors = capsys.readouterr().err
    assert ended.value.code == 128 + number, errors
    assert f"interrupted by {number.name}" in errors and not DEFECT.search(errors)
    kept = (tmp_path / "out/runs.jsonl").exists()
    assert (f"bench --resume {tmp_path / 'out'} measures the rest" in errors) == kept >= (step in FINISHED_RUNS)
    if step == "wait for another benchmark":
        assert (lock / "owner").exists(), "the other benchmark still holds the lock"
        shutil.rmtree(lock)
    elif step == "wait for a disconnected phone":
        assert "the next benchmark does it" in errors
        device.watcher = lambda _event: None
        device.plug_in()
        assert bench().results[0].status == "ok"
    device.assert_clean()
    if step in FINISHED_RUNS:
        (row,) = json.loads((tmp_path / "out/results.json").read_text())["results"]
        assert (row["status"], row["runs"]) == ("ok", FINISHED_RUNS[step])


@pytest.mark.parametrize("slow", ["settings", "svc"])
def test_a_screen_that_is_turned_on_slowly_is_not_on_in_the_end(
    device: Device, model: Path, tool: str, tmp_path: Path, slow: str
) -> None:
    """The script goes on where its adb was killed: as on a phone, only its shell is ended."""
    device.slow_down(slow, 1)
    began = device.path("/data/local/tmp/ecbsr-bench/screen.turning-on")

    def interrupt() -> None:
        wait_until(began.exists, "the script to begin")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    arguments = [str(model), "--device", device.serial, "--size=24x16", "--tool", tool, "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        common.run(cli.main, arguments)
    thread.join()
    assert ended.value.code == 128 + signal.SIGINT
    wait_until(lambda: not device.running(), "the script to end")
    device.assert_clean()


def test_a_second_ctrl_c_while_the_phone_is_restored(device: Device, model: Path, tool: str) -> None:
    arguments = [str(model), "--device", device.serial, "--size=24x16", "--tool", tool]
    device.set_tool({"hang": True})
    restoring = threading.Event()

    def watch(script: str) -> None:
        if "trap '' HUP" in script:
            restoring.set()

    device.watcher = watch
    with subprocess.Popen(command(*arguments), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(device.runs()) == 1, "the tool to start")
        process.send_signal(signal.SIGINT)
        assert restoring.wait(300)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGINT and not DEFECT.search(errors), errors
    wait_until(lambda: not device.left_behind() and not device.running(), "the script to end")
    device.assert_clean()


def test_ctrl_c_while_the_tool_is_fetched_from_a_slow_server(
    device: Device, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    closed: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/tool"
        monkeypatch.setattr(binary, "ADDRESSES", {("tflite", "x86_64"): address})

        def answer() -> None:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n\x7fELF")
            wait_until(lambda: len(list((tmp_path / "cache").rglob(".*"))) == 1, "the file to be written")
            os.kill(os.getpid(), signal.SIGINT)
            connection.settimeout(2)
            for _ in range(60):
                with suppress(TimeoutError):
                    closed.append(connection.recv(4096))
                    return
                connection.sendall(b"x")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            cli.main([str(model), "--device", device.serial, "--size=24x16", "--quiet"])
        assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
        thread.join(300)
        assert closed == [b""], "the connection was closed"
    assert device.left_behind() == []
