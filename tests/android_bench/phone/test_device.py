"""A phone that disconnects, reboots, refuses files or is not ready: status, message, and what is left behind."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from android_bench import session
from android_bench.phone import adb, screen
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import renamed, run_adb
from tests.helpers.bench import QUICK, Bench, command
from tests.helpers.paths import ROOT
from tests.helpers.standin_tool import elf
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.slow


def test_cable_pulled_during_a_push(device: Device, bench: Bench) -> None:
    device.cut_push_after = 1
    lines: list[str] = []
    results = bench(progress=lines.append)
    assert (results.results[0].status, results.results[0].runs) == ("ok", 2)
    assert any("it is back" in line for line in lines)
    device.assert_clean()


@pytest.mark.parametrize("reboots", [False, True])
def test_cable_pulled_or_reboot_during_a_run(device: Device, bench: Bench, reboots: bool) -> None:
    device.reboots = reboots
    device.set_tool({"hang": [1]})
    device.during_run(lambda script, number: "--graph" in script and number == 1, device.pull_the_cable)
    lines: list[str] = []
    results = bench(progress=lines.append)
    assert (results.results[0].status, results.results[0].runs) == ("ok", 2)
    assert any("it is back after a reboot" in line for line in lines) == reboots
    states = results.states[device.serial]
    assert [state.thermal_status for state in states] == [0] * len(states), "no run begins before it has started"
    device.assert_clean()


@pytest.mark.parametrize("lacking", [(), ("dev.bootcomplete", "init.svc.bootanim"), ("sys.boot_completed",)])
def test_a_phone_that_is_still_starting_is_waited_for(
    new_device: Callable[..., Device], bench: Bench, lacking: tuple[str, ...]
) -> None:
    device = new_device(**dict.fromkeys(lacking, ""))
    device.start_booting()
    lines: list[str] = []
    results = bench(devices=[device.serial], rounds=1, progress=lines.append)
    assert results.results[0].status == "ok" and results.devices[device.serial].notes == ()
    assert f"{device.serial} is still starting; waiting up to 90 s" in lines
    device.assert_clean()


def test_a_phone_that_does_not_start_is_refused(device: Device, bench: Bench) -> None:
    device.start_booting(queries=10**6)
    with pytest.raises(EcbsrError, match=r"has not started within 0\.2 s; wait until it shows its home screen"):
        bench(limits=replace(QUICK, reconnect=0.2))
    assert device.pushes == []


def test_a_phone_that_stays_away_keeps_its_runs_and_resume_finishes_them(
    device: Device, bench: Bench, tmp_path: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.away = None
    device.set_tool({"hang": [3]})
    device.during_run(lambda script, number: "--graph" in script and number == 3, device.pull_the_cable)
    monkeypatch.chdir(Path(tool).parent)
    lines: list[str] = []
    limits = replace(QUICK, reconnect=0.5)
    results = bench(rounds=4, limits=limits, out=tmp_path / "out", tool=Path(tool).name, progress=lines.append)
    monkeypatch.chdir(tmp_path)
    assert any(line.startswith(f"{device.serial}: the connection ended") for line in lines), lines
    row = results.results[0]
    assert (row.status, row.runs) == ("ok", 2) and "2 of 4 rounds" in row.note
    assert not results.answered and "did not come back" in results.failures[device.serial]
    device.plug_in()
    finished = session.resume(tmp_path / "out")
    assert (finished.results[0].status, finished.results[0].runs, finished.failures) == ("ok", 4, {})
    runs = [json.loads(line).get("run") for line in (tmp_path / "out/runs.jsonl").read_text().splitlines()]
    times = [run[when]["seconds"] for run in runs if run for when in ("before", "after") if run[when]]
    assert times == sorted(times), "a resumed session continues in time"
    device.shells.clear()
    assert session.resume(tmp_path / "out").results == finished.results
    assert device.shells == [], "a phone with nothing left to do need not be connected"
    device.assert_clean()


def test_resume_finds_a_phone_at_its_new_address(device: Device, bench: Bench, tmp_path: Path) -> None:
    device.away = None
    device.set_tool({"hang": [2]})
    device.during_run(lambda script, number: "--graph" in script and number == 2, device.pull_the_cable)
    cable = "R58N123ABC"
    run_adb("connect", device.serial)
    with renamed({cable: device.serial}):
        begun = bench(devices=[cable], rounds=3, limits=replace(QUICK, reconnect=0.5), out=tmp_path / "out")
    assert begun.results[0].runs == 1
    device.plug_in()
    for action in ("disconnect", "connect"):  # the server still has it as offline
        run_adb(action, device.serial)
    lines: list[str] = []
    finished = session.resume(tmp_path / "out", lines.append)
    assert f"{cable} is now at {device.serial}" in lines
    assert [(row.device, row.status, row.runs) for row in finished.results] == [(cable, "ok", 3)]
    assert list(finished.devices) == [cable] and finished.failures == {}
    device.assert_clean()


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("the hash of the serial number is", "ro.serialno]: [", "ro.serialno]: [other"),
        ("the system is standin/s/s:15", "standin/s/s:14", "standin/s/s:15"),
        ("the model is Other", "manufacturer]: [Standin", "manufacturer]: [Other"),
        ("the tool is", "", ""),
    ],
)
def test_resume_does_not_mix_runs_of_two_phones_systems_or_tools(
    device: Device, bench: Bench, tmp_path: Path, what: str, old: str, new: str
) -> None:
    tool, out = tmp_path / "tool", tmp_path / "out"
    tool.write_bytes(elf())
    device.away = None
    device.set_tool({"hang": [3], "ms": 5})
    device.during_run(lambda script, number: "--graph" in script and number == 3, device.pull_the_cable)
    begun = bench(rounds=4, limits=replace(QUICK, reconnect=0.5), out=out, tool=str(tool))
    properties = device.root / "properties"
    properties.write_text(properties.read_text().replace(old, new))
    tool.write_bytes(elf(extra=b"" if old else b"another release"))
    device.set_tool({"ms": 50})
    device.plug_in()
    refused = session.resume(out)
    message = refused.failures[device.serial]
    assert what in message and "and was" in message and message.endswith("start a new benchmark")
    assert (refused.results, refused.devices) == (begun.results, begun.devices)
    assert not any(text in (out / "results.json").read_text() for text in (device.properties["ro.serialno"], "50.0"))
    device.assert_clean()


def test_resume_reads_a_journal_without_the_hash_of_the_serial_number(
    device: Device, bench: Bench, tmp_path: Path
) -> None:
    bench(rounds=2, out=tmp_path / "out")
    journal = tmp_path / "out/runs.jsonl"
    first, *lines = [json.loads(line) for line in journal.read_text().splitlines()]
    first["session"]["settings"]["rounds"] = 3
    for line in lines:
        line.get("device", {}).pop("serial_hash", None)
    journal.write_text("".join(json.dumps(line) + "\n" for line in [first, *lines]))
    finished = session.resume(tmp_path / "out")
    assert (finished.results[0].runs, finished.failures) == (3, {})


def test_a_run_that_disconnects_the_phone_every_time_is_lost(device: Device, bench: Bench) -> None:
    device.reboots = True
    device.set_tool({"hang_with": "use_gpu"})
    device.during_run(lambda script, _number: "--use_gpu=true" in script, device.pull_the_cable)
    results = bench(delegates=["cpu,gpu"])
    assert [(row.status, row.runs) for row in results.results] == [("ok", 2), ("lost", 0)]
    assert "disconnected, or did not answer, 2 times" in results.results[1].note and not results.answered
    device.assert_clean()


def test_a_phone_whose_services_stop_answering_is_not_called_unplugged(device: Device, bench: Bench) -> None:
    device.during_run(
        lambda script, _number: "--graph" in script, lambda: device.replace_program("dumpsys", "exec /bin/sleep 30")
    )
    (row,) = bench(rounds=1, limits=replace(QUICK, command=4)).results
    assert row.status == "lost" and "did not end within 4 s" in row.note, row.note


def test_a_phone_that_asks_for_trust_after_a_restart_is_named(device: Device, bench: Bench) -> None:
    device.reboots = True
    device.set_tool({"hang": [2]})

    def forget() -> None:
        device.authorized = False
        device.pull_the_cable()

    device.during_run(lambda script, number: "--graph" in script and number == 2, forget)
    lines: list[str] = []
    words = f"{device.serial} is unauthorized: unlock it and allow USB debugging on its screen"
    results = bench(limits=replace(QUICK, reconnect=4), progress=lines.append)
    assert lines.count(words) == 1
    assert "did not come back within 4 s: it is unauthorized: unlock it" in results.failures[device.serial]


def test_another_phone_at_the_same_address_is_refused(device: Device, bench: Bench) -> None:
    def swap(script: str) -> None:
        if "--graph" in script:
            properties = device.root / "properties"
            properties.write_text(properties.read_text().replace("ro.serialno]: [", "ro.serialno]: [other"))
            device.pull_the_cable()

    device.watcher, device.reboots = swap, True
    with pytest.raises(EcbsrError, match="another phone answers"):
        bench()


def test_an_adb_server_that_restarts(device: Device, bench: Bench) -> None:
    device.set_tool({"hang": [1]})
    device.during_run(lambda script, number: "--graph" in script and number == 1, lambda: run_adb("kill-server"))
    results = bench()
    assert (results.results[0].status, results.results[0].runs) == ("ok", 2)
    device.assert_clean()


@pytest.mark.parametrize(("trouble", "words"), [("space", "No space left"), ("read-only", "Read-only file system")])
def test_storage_that_accepts_no_file(device: Device, bench: Bench, trouble: str, words: str) -> None:
    if trouble == "space":
        device.space = 100
    else:
        device.set_read_only()
    with pytest.raises(adb.AdbError, match=f"^{device.serial}: .*{words}"):
        bench()
    device.assert_clean()


def test_a_tool_for_another_architecture_is_refused_before_any_push(
    device: Device, bench: Bench, tmp_path: Path
) -> None:
    wrong = tmp_path / "tool"
    for content, words in ((elf(machine=0xB7), "arm64-v8a"), (b"#!/bin/sh\n", "not a program"), (b"", "not a program")):
        wrong.write_bytes(content)
        with pytest.raises(EcbsrError, match=words):
            bench(tool=str(wrong))
    with pytest.raises(EcbsrError, match="no tflite tool is published for x86_64"):
        bench(tool="tflite")
    with pytest.raises(EcbsrError, match="there is no tool at"):
        bench(tool=str(tmp_path / "nowhere"))
    assert device.pushes == []


def test_a_phone_that_is_not_ready(device: Device, bench: Bench, tmp_path: Path) -> None:
    device.authorized = False
    with pytest.raises(EcbsrError, match="allow USB debugging"):
        bench(out=tmp_path / "out")
    assert not (tmp_path / "out/runs.jsonl").exists(), "the folder can be used again"
    with pytest.raises(EcbsrError, match="sees no phone NOSUCHSERIAL; ecbsr-bench --list"):
        bench(devices=["NOSUCHSERIAL"])
    with pytest.raises(EcbsrError, match=r"sees no phone 192\.0\.2\.7; with its port, it is 192\.0\.2\.7:5555"):
        bench(devices=["192.0.2.7"])
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(EcbsrError, match="sees no phone"):  # the exit code of adb connect is 0
        bench(devices=[dead])


def test_a_phone_that_is_offline(device: Device, bench: Bench) -> None:
    """Slow: adb itself waits 10 seconds for the phone to answer."""
    device.silent = True
    with pytest.raises(EcbsrError, match=r"is offline; plug it in again"):
        bench()


def test_one_bad_phone_does_not_stop_the_others(device: Device, bench: Bench) -> None:
    results = bench(devices=["NOSUCHSERIAL", device.serial], rounds=1)
    assert [row.status for row in results.results] == ["lost", "ok"]
    assert "sees no phone" in results.results[0].note and not results.answered


def test_a_killed_benchmark_is_cleaned_up_by_the_next(device: Device, bench: Bench, model: Path, tool: str) -> None:
    arguments = [str(model), "--device", device.serial, "--size=24x16", "--tool", tool, "--quiet"]
    device.set_tool({"hang": [1]})
    with subprocess.Popen(command(*arguments), cwd=ROOT) as process:
        wait_until(lambda: len(device.runs()) == 1, "the tool to start")
        process.kill()
    files = [device.path(f"/data/local/tmp/{name}") for name in device.left_behind()]
    (pushed,) = (path for path in files if path.name.endswith("model.tflite"))
    pushed.write_bytes(pushed.read_bytes()[:-1])
    device.pushes.clear()
    assert bench().results[0].status == "ok"
    assert [Path(remote).name for remote in device.pushes] == [pushed.name], "only the damaged file is pushed again"
    device.assert_clean()


def test_a_screen_that_turns_off_between_two_runs_is_turned_on_again(device: Device, bench: Bench) -> None:
    def sleep_after_a_run(script: str) -> None:
        if "--graph" in script:
            (device.root / "dumpsys/power").write_text("  mWakefulness=Dozing\n")

    device.watcher = sleep_after_a_run
    results = bench()
    (row,) = results.results
    assert (row.status, row.note) == ("ok", screen.WENT_OFF)
    states = [state.wakefulness for state in results.states[device.serial]]
    assert states == ["Awake", "Dozing"] * 2, "each state is that before the screen is turned on again"
    assert device.actions().count("input keyevent KEYCODE_WAKEUP") >= 3  # at the start, and after each run
    device.assert_clean()
