"""Ctrl-C at each step of a session: exit code, message, and what is left on the phone and in the folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from android_bench import cli
from ecbsr_mobile.cli import common
from tests.helpers.adb_device import Device
from tests.helpers.bench import Bench

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
    "clean up": ("rm -rf /data/local/tmp/ecbsr-bench\n", ()),
}
"""A step → a part of the command that it sends to the phone, and additional arguments of the benchmark."""

SECOND = ("run the tool", "wait for a cooler phone", "wait for a disconnected phone")
"""Steps that are interrupted at their second command."""

FINISHED_RUNS = {"profile": 2, "compare the output": 2, "clean up": 2, "run the tool": 1}
FINISHED_RUNS["wait for a disconnected phone"] = 1
"""A step → the number of runs that ended before it was interrupted."""


@pytest.mark.parametrize("step", STEPS)
def test_ctrl_c_at_each_step(
    device: Device,
    bench: Bench,
    model: Path,
    tool: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    step: str,
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
                os.kill(os.getpid(), signal.SIGINT)

    device.watcher = interrupt
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            common.run(cli.main, [*arguments, "--out", str(tmp_path / "out")])
    finally:
        signal.signal(signal.SIGTERM, handler)
    errors = capsys.readouterr().err
    assert ended.value.code == 130, errors
    assert "interrupted by SIGINT" in errors and "Traceback" not in errors
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
