"""Everything that goes wrong with a phone: the status, the sentence, what is kept, and what is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import android_bench
from android_bench import session
from android_bench.benchmark_tool import binary as tool_module
from android_bench.config import Limits
from android_bench.phone import adb, adb_server
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import Device, elf
from tests.helpers.bench_logs import LITERT

QUICK = Limits(poll=0.05, reconnect=90, lock=60, cooldown=60, run=120)


def measure(device: Device, model: Path, tool: str, **choices: Any) -> android_bench.Results:
    settings = {"sizes": ["24x16"], "rounds": 2, "limits": QUICK, "tool": tool, **choices}
    return android_bench.bench([model], devices=[device.serial], **settings)


def test_cable_pulled_while_pushing(device: Device, model: Path, tool: str) -> None:
    device.cut_push_after = 1
    said: list[str] = []
    found = measure(device, model, tool, progress=said.append)
    assert (found.results[0].status, found.results[0].runs) == ("ok", 2)
    assert any("it is back" in line for line in said)
    device.assert_clean()


@pytest.mark.parametrize("reboots", [False, True])
def test_cable_pulled_or_restart_during_a_run(device: Device, model: Path, tool: str, reboots: bool) -> None:
    device.cut_at, device.reboots = "benchmark_model --graph", reboots
    device.set_tool({"sleep": 1})
    said: list[str] = []
    found = measure(device, model, tool, progress=said.append)
    assert (found.results[0].status, found.results[0].runs) == ("ok", 2)
    assert any("it is back after a reboot" in line for line in said) == reboots
    device.assert_clean()


def test_a_phone_that_stays_away_keeps_what_was_measured_and_resume_finishes_it(
    device: Device, model: Path, tool: str, tmp_path: Path
) -> None:
    starts: list[str] = []

    def pull_at_the_third_run(script: str) -> None:
        if "benchmark_model --graph" in script:
            starts.append(script)
            if len(starts) == 3:
                device.away = None
                threading.Timer(0.3, device.pull_the_cable).start()

    device.watcher = pull_at_the_third_run
    device.set_tool({"sleep": 1})
    found = measure(device, model, tool, rounds=4, limits=Limits(reconnect=1.5, poll=0.05), out=tmp_path / "out")
    row = found.results[0]
    assert (row.status, row.runs) == ("ok", 2) and "2 of 4 rounds" in row.note
    assert not found.answered and "did not come back" in found.failures[device.serial]
    device.gone_until, device.watcher = 0, lambda _script: None
    device.set_tool({})
    finished = session.resume(tmp_path / "out")
    assert (finished.results[0].status, finished.results[0].runs, finished.failures) == ("ok", 4, {})
    runs = [json.loads(line).get("run") for line in (tmp_path / "out/runs.jsonl").read_text().splitlines()]
    times = [run[when]["seconds"] for run in runs if run for when in ("before", "after") if run[when]]
    assert times == sorted(times), "a session that goes on goes on in time"
    device.shells.clear()
    assert session.resume(tmp_path / "out").results == finished.results
    assert device.shells == [], "a phone with nothing left to do need not be there"
    device.assert_clean()


def test_a_run_that_takes_the_phone_away_every_time_is_lost(device: Device, model: Path, tool: str) -> None:
    def pull(script: str) -> None:
        if "--use_gpu=true" in script:
            threading.Timer(0.2, device.pull_the_cable).start()

    device.watcher, device.reboots = pull, True
    device.set_tool({"sleep": 1})
    found = measure(device, model, tool, delegates=["cpu,gpu"])
    assert [(row.status, row.runs) for row in found.results] == [("ok", 2), ("lost", 0)]
    assert "disconnected 2 times" in found.results[1].note and not found.answered
    device.assert_clean()


def test_another_phone_at_the_same_address_is_refused(device: Device, model: Path, tool: str) -> None:
    def swap(script: str) -> None:
        if "--graph" in script:
            properties = device.root / "properties"
            properties.write_text(properties.read_text().replace("ro.serialno]: [", "ro.serialno]: [other"))
            device.pull_the_cable()

    device.watcher, device.reboots = swap, True
    with pytest.raises(EcbsrError, match="another phone answers"):
        found = measure(device, model, tool)
        raise EcbsrError(found.failures[device.serial])


def test_an_adb_server_that_restarts(device: Device, model: Path, tool: str) -> None:
    starts: list[str] = []

    def kill_at_the_first_run(script: str) -> None:
        if "benchmark_model --graph" in script:
            starts.append(script)
            if len(starts) == 1:
                subprocess.run([adb.adb_path(), "kill-server"], capture_output=True, check=False, timeout=30)

    device.watcher = kill_at_the_first_run
    device.set_tool({"sleep": 0.5})
    found = measure(device, model, tool)
    assert (found.results[0].status, found.results[0].runs) == ("ok", 2)
    device.assert_clean()


@pytest.mark.parametrize(("trouble", "words"), [("space", "No space left"), ("read-only", "Read-only file system")])
def test_storage_that_takes_nothing(device: Device, model: Path, tool: str, trouble: str, words: str) -> None:
    if trouble == "space":
        device.space = 100
    else:
        device.set_read_only()
    with pytest.raises(adb.AdbError, match=words) as error:
        measure(device, model, tool)
    assert error.value.serial == device.serial
    device.assert_clean()


@pytest.mark.parametrize(
    ("behaviour", "status", "words"),
    [
        ({"signal": int(signal.SIGSEGV)}, "crashed", "SIGSEGV"),
        ({"signal": int(signal.SIGKILL)}, "crashed", "SIGKILL"),
        ({"replay": ["", "ERROR: Failed to mmap model\nBenchmarking failed.\n", 1]}, "failed", "Failed to mmap"),
        ({"replay": ["STARTING!\n", "", 0]}, "failed", "no complete timed statistics"),
        ({"unknown": ["num_runs"]}, "unsupported", "--num_runs"),
    ],
)
def test_a_tool_that_fails(
    device: Device, model: Path, tool: str, behaviour: dict[str, Any], status: str, words: str
) -> None:
    device.set_tool(behaviour)
    row = measure(device, model, tool, rounds=4).results[0]
    assert (row.status, row.median_ms) == (status, None)
    assert words in row.note
    assert len((device.root / "runs").read_text().splitlines()) <= 2, "what failed twice is not tried again"
    device.assert_clean()


def test_a_tool_without_the_delegate(device: Device, model: Path, tool: str) -> None:
    device.set_tool({"unknown": ["use_gpu"]})
    rows = measure(device, model, tool, delegates=["cpu,gpu"]).results
    assert [(row.status, row.median_ms is None) for row in rows] == [("ok", False), ("unsupported", True)]
    assert "--use_gpu=true" in rows[1].note


def test_a_tool_that_never_ends_is_ended(device: Device, model: Path, tool: str) -> None:
    device.set_tool({"hang": True})
    row = measure(device, model, tool, rounds=1, limits=Limits(run=1.5)).results[0]
    assert (row.status, row.median_ms) == ("timeout", None) and "1.5 s" in row.note
    device.assert_clean()


def test_a_tool_that_is_gone_from_the_phone_fails(device: Device, model: Path, tool: str) -> None:
    def remove(script: str) -> None:
        if "--graph" in script:
            for path in device.path("/data/local/tmp/ecbsr-bench").glob("*benchmark_model"):
                path.unlink()

    device.watcher = remove
    row = measure(device, model, tool, rounds=1).results[0]
    assert row.status == "failed" and "127" in row.note


def test_wrong_architecture_is_refused_before_anything_is_pushed(device: Device, model: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "tool"
    for content, words in ((elf(machine=0xB7), "arm64-v8a"), (b"#!/bin/sh\n", "not a program"), (b"", "not a program")):
        wrong.write_bytes(content)
        with pytest.raises(EcbsrError, match=words):
            measure(device, model, str(wrong))
    with pytest.raises(EcbsrError, match="no tflite tool is published for x86_64"):
        measure(device, model, "tflite")
    with pytest.raises(EcbsrError, match="there is no tool at"):
        measure(device, model, str(tmp_path / "nowhere"))
    assert device.pushes == []


def test_a_phone_that_is_not_ready(device: Device, model: Path, tool: str, tmp_path: Path) -> None:
    device.authorized = False
    with pytest.raises(EcbsrError, match="allow USB debugging"):
        measure(device, model, tool, out=tmp_path / "out")
    assert not (tmp_path / "out/runs.jsonl").exists(), "the folder is free for another try"
    with pytest.raises(EcbsrError, match="sees no phone"):
        android_bench.bench([model], devices=["NOSUCHSERIAL"], tool=tool)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(EcbsrError, match="sees no phone"):  # adb connect itself ends with 0
        android_bench.bench([model], devices=[dead], tool=tool)


@pytest.mark.usefixtures("adb_server")
def test_a_phone_that_is_offline(tmp_path: Path, model: Path, tool: str) -> None:
    (tmp_path / "phone").mkdir()
    silent = Device(tmp_path / "phone")
    silent.silent = True
    try:
        with pytest.raises(EcbsrError, match=r"is offline; plug it in again"):
            android_bench.bench([model], devices=[silent.serial], tool=tool)
    finally:
        silent.close()


def test_one_bad_phone_does_not_stop_the_others(device: Device, model: Path, tool: str) -> None:
    found = android_bench.bench(
        [model], devices=["NOSUCHSERIAL", device.serial], sizes=["24x16"], rounds=1, tool=tool, limits=QUICK
    )
    assert [row.status for row in found.results] == ["lost", "ok"]
    assert "sees no phone" in found.results[0].note and not found.answered


def test_no_adb_at_all(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EcbsrError, match="no adb on this machine"):
        android_bench.bench([model], devices=["SERIAL"])


def test_an_adb_server_of_another_version_is_left_alone(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(64))
                    connection.sendall(b"OKAY0004001f")

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.getsockname()[1]))
        with pytest.raises(EcbsrError, match=r"has version 31, .* has 41"):
            android_bench.bench([model], devices=["SERIAL"])
        server.shutdown(socket.SHUT_RDWR)
    assert heard == [b"000chost:version"], "nothing but the question reached the server"


def test_the_server_is_found_by_the_usual_variables(monkeypatch: pytest.MonkeyPatch, device: Device) -> None:
    subprocess.run([adb.adb_path(), "connect", device.serial], check=True, capture_output=True)
    port = os.environ["ANDROID_ADB_SERVER_PORT"]
    monkeypatch.delenv("ANDROID_ADB_SERVER_PORT")
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{port}")
    assert device.serial in [phone.serial for phone in adb_server.phones()]
    monkeypatch.delenv("ADB_SERVER_SOCKET")
    monkeypatch.setenv("ANDROID_ADB_SERVER_ADDRESS", "192.0.2.1.invalid")
    with pytest.raises(EcbsrError, match=r"no adb server answers at 192\.0\.2\.1\.invalid"):
        adb_server.phones()
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "many")
    with pytest.raises(EcbsrError, match="must be a port number"):
        adb_server.phones()


# What a session does: its mark in the commands that reach the phone, and further arguments of the command.
STEPS = {
    "take the phone": ("mkdir /data/local/tmp/ecbsr-bench.lock", ()),
    "wait for another bench": ("cat /data/local/tmp/ecbsr-bench.lock/owner", ()),
    "push the tool": ("push", ()),
    "wake the screen": ("svc power stayon true", ()),
    "read the state": ("dumpsys battery", ()),
    "wait for a cooler phone": ("dumpsys thermalservice", ()),
    "run the tool": ("benchmark_model --graph", ()),
    "wait for a phone that is gone": ("benchmark_model --graph", ()),
    "compare the output": ("rm -f /data/local/tmp/ecbsr-bench/output.bin", ("--check",)),
    "take a profile": ("--enable_op_profiling=true", ("--profile",)),
    "clean up": ("rm -rf /data/local/tmp/ecbsr-bench\n", ()),
}
SECOND = ("run the tool", "wait for a cooler phone", "wait for a phone that is gone")
"""Steps that are interrupted when they come for the second time."""


@pytest.mark.parametrize("step", STEPS)
def test_ctrl_c_at_each_step(device: Device, model: Path, tool: str, tmp_path: Path, step: str) -> None:
    mark, extra = STEPS[step]
    command = [sys.executable, "-m", "android_bench.cli", str(model), "--device", device.serial, *extra]
    command += ["--size=24x16", "--rounds=2", "--tool", tool, "--out", str(tmp_path / "out")]
    device.set_tool({"sleep": 0.3})
    lock = device.path("/data/local/tmp/ecbsr-bench.lock")
    if step == "wait for another bench":
        boot = device.path("/proc/sys/kernel/random/boot_id").read_text().strip()
        lock.mkdir()
        (lock / "owner").write_text(json.dumps({"who": "a@b", "machine": "m", "pid": 1, "boot": boot, "token": "t"}))
    if step == "wait for a cooler phone":
        device.set_heat(3)
    seen: list[str] = []
    process: list[subprocess.Popen[str]] = []
    started = threading.Event()

    def interrupt(event: str) -> None:
        if mark in event:
            seen.append(event)
            if len(seen) == 1 + (step in SECOND):
                if step == "wait for a phone that is gone":
                    device.away = None
                    device.pull_the_cable()
                started.wait(300)
                process[0].send_signal(signal.SIGINT)

    device.watcher = interrupt
    root = Path(android_bench.__file__).parents[1]
    process.append(
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", cwd=root)
    )
    started.set()
    _, errors = process[0].communicate(timeout=300)
    assert process[0].returncode == 130, errors
    assert "interrupted by SIGINT" in errors and "Traceback" not in errors
    if step == "wait for another bench":
        assert (lock / "owner").exists(), "the other bench still has the phone"
        shutil.rmtree(lock)
    elif step == "wait for a phone that is gone":
        assert "the next benchmark does it" in errors
        device.gone_until, device.watcher = 0, lambda _event: None
        assert measure(device, model, tool).results[0].status == "ok"
    device.assert_clean()
    kept = {"take a profile": 2, "compare the output": 2, "clean up": 2, "run the tool": 1}
    kept["wait for a phone that is gone"] = 1
    if step in kept:
        (row,) = json.loads((tmp_path / "out/results.json").read_text())["results"]
        assert (row["status"], row["runs"]) == ("ok", kept[step])


def test_a_bench_that_was_killed_is_cleaned_up_by_the_next(device: Device, model: Path, tool: str) -> None:
    command = [sys.executable, "-m", "android_bench.cli", str(model), "--device", device.serial]
    command += ["--size=24x16", "--tool", tool, "--quiet"]
    device.set_tool({"hang": True})
    running = threading.Event()
    device.watcher = lambda script: running.set() if "--graph" in script else None
    process = subprocess.Popen(command, cwd=Path(android_bench.__file__).parents[1])
    assert running.wait(300)
    process.kill()
    process.wait(300)
    files = [device.path(f"/data/local/tmp/{name}") for name in device.left_behind()]
    (pushed,) = (path for path in files if path.name.endswith("model.tflite"))
    pushed.write_bytes(pushed.read_bytes()[:-1])
    device.pushes.clear()
    device.set_tool({})
    found = measure(device, model, tool)
    assert found.results[0].status == "ok"
    assert [Path(remote).name for remote in device.pushes] == [pushed.name], "only what differs is pushed again"
    device.assert_clean()


# Fetching the tool: from a server on this machine that plays the public one.


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
    answer: dict[str, Any] = {"content": elf(0xB7, bytes(tool_module.MIN_BYTES)), "headers": {}, "requests": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer["requests"] += 1
            self.send_response(answer.get("code", 200))
            content = answer["content"]
            for name, value in {"Content-Length": len(content), "Last-Modified": "a day", **answer["headers"]}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/benchmark_model"
    monkeypatch.setattr(tool_module, "ADDRESSES", {("tflite", "arm64-v8a"): address})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield answer
    server.shutdown()
    server.server_close()


def find() -> tool_module.Binary:
    return tool_module.find("tflite", ["arm64-v8a", "armeabi-v7a"], lambda _line: None)


def test_the_tool_is_fetched_once_and_again_when_the_cache_is_damaged(download: dict[str, Any]) -> None:
    first = find()
    assert (first.abi, first.info.kind, first.info.version) == ("arm64-v8a", "tflite", "tflite a day")
    assert first.path.read_bytes() == download["content"]
    assert find() == first and download["requests"] == 1
    first.path.write_bytes(b"damaged")
    assert find() == first and download["requests"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": 404}, "404"),
        ({"content": b"<html>sign in</html>"}, "not a program"),
        ({"content": elf(0xB7)}, "not a program"),
        ({"content": elf(0x3E, bytes(tool_module.MIN_BYTES))}, "is for x86_64"),
        ({"headers": {"x-goog-hash": "crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg=="}}, "damaged"),
    ],
)
def test_a_download_that_is_wrong(download: dict[str, Any], change: dict[str, Any], words: str) -> None:
    download.update(change)
    with pytest.raises(EcbsrError, match=words):
        find()


def test_a_download_that_breaks_off(download: dict[str, Any]) -> None:
    download["headers"] = {"Content-Length": len(download["content"]) + 5}
    with pytest.raises(EcbsrError):
        find()
    assert not list(tool_module.cache_folder().rglob("benchmark_model")), "nothing half-written carries the tool's name"


def test_no_network_says_how_to_get_the_tool_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/tool"
    monkeypatch.setattr(tool_module, "ADDRESSES", {("tflite", "arm64-v8a"): address})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(EcbsrError, match=r"download .*/tool elsewhere and give its path with --tool"):
        find()


def test_litert_has_no_nnapi_and_takes_no_input(device: Device, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(elf(extra=b"litert/tools/benchmark_litert_model.h\0"))
    out, err = (text.replace("0.056784", "{megabytes}").replace("49 out of 49", "8 out of 8") for text in LITERT)
    device.set_tool({"replay": [out, err, 0]})
    delegates = ["cpu", "nnapi", "external:/vendor/lib.so"]
    rows = measure(device, model, str(path), delegates=delegates, rounds=1, check=True).results
    assert [row.status for row in rows] == ["ok", "unsupported", "unsupported"]
    assert (rows[0].median_ms, rows[0].p95_ms, rows[0].init_ms, rows[0].nodes_delegated) == (0.942, 0.991, 5.76, 8)
    assert "LiteRT's tool takes no input" in rows[0].note
    assert json.loads((device.root / "runs").read_text().splitlines()[0])["use_cpu"] == "true"
    device.assert_clean()
