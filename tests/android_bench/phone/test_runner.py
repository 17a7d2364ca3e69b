"""Whole journeys of the bench on a phone: the real adb client and server against a stand-in (`adb_device`)."""

from __future__ import annotations

import html
import json
import os
import shlex
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import android_bench
from android_bench import cli
from android_bench.config import Limits
from android_bench.phone import adb, adb_server, device_info
from android_bench.results.types import Core
from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import OLD_FEATURES, Device, elf, renamed

QUICK = Limits(poll=0.05, reconnect=90, lock=60, cooldown=60, run=120)


def test_a_whole_journey(device: Device, model: Path, int8: Path, tool: str, tmp_path: Path) -> None:
    device.set_tool({"delegates": {"gpu": [5, 8], "nnapi": [0, 8]}})
    library = tmp_path / "a vendor's lib.so"
    library.write_bytes(elf())
    out = tmp_path / 'a folder\'s "name"'
    lines: list[str] = []
    found = android_bench.bench(
        [model, int8],
        devices=[device.serial],
        sizes=["24x16"],
        delegates=[f"cpu,gpu,nnapi:some npu,external:{library}:backend=htp,mode=2 fast"],
        threads=[4],
        rounds=2,
        runs=7,
        cores="big",
        tool=tool,
        profile=True,
        limits=QUICK,
        out=out,
        progress=lines.append,
    )
    rows = {(row.model, row.delegate): row for row in found.results}
    assert len(rows) == len(found.results) == 2 * 4
    expected = {"cpu": ("ok", 8, 8, 2), "gpu": ("partial", 5, 8, 2), "nnapi:some npu": ("fallback", 0, 8, 0)}
    for (_, delegate), row in rows.items():
        wanted = expected.get(delegate, ("ok", 8, 8, 2))
        assert (row.status, row.nodes_delegated, row.nodes_total, row.runs) == wanted
        assert (row.median_ms is None) == (row.status == "fallback"), "a fallback never has a figure"
    assert [(one.operator, one.ms) for one in rows["int8", "cpu"].profile] == [
        ("CONV_2D", 3.6),
        ("DEPTH_TO_SPACE", 1.2),
    ]
    told = found.devices[device.serial]
    assert (told.model, told.soc, told.system) == ('Standin Phone "S" 1', "Paper P1000", "Android 14 (API 34)")
    assert [core.max_mhz for core in told.cores] == [1800, 1800, 2400, 3000]
    assert told.tool and told.tool.bytes == Path(tool).stat().st_size and len(told.tool.sha256) == 64
    assert {line for line in device.actions() if "taskset" in line} == {"taskset c"}
    states = found.states[device.serial]
    assert len(states) == 2 * 2 * (2 + 2 + 2 + 1), "the phone's state is read before and after each run"
    for state in states:
        assert (state.skin_celsius, state.battery_celsius, state.battery_percent) == (33.25, 30, 87)
        assert (state.thermal_status, state.governors, state.max_mhz) == (0, ("schedutil",), (1800, 1800, 2400, 3000))
    _assert_runs_were_as_asked(device)
    # Two models, the library and the tool, each once: later rounds find them by their hash.
    assert len(device.pushes) == len(set(device.pushes)) == 4
    assert json.loads((out / "results.json").read_text()) == json.loads(json.dumps(found.as_json()))
    assert len(lines) >= 2 * 5
    identity = (
        'Standin Phone "S" 1; Paper P1000; Android 14 (API 34)',
        "1 x 3000 MHz",
        "standin/s/s:14",
        "tool tflite",
    )
    assert all(part in next(line for line in lines if "Android 14" in line) for part in identity)
    device.assert_clean()


def _assert_runs_were_as_asked(device: Device) -> None:
    runs = [json.loads(line) for line in (device.root / "runs").read_text().splitlines()]
    timed = [run for run in runs if "enable_op_profiling" not in run]
    assert len(timed) == 2 * (2 + 2 + 2 + 1), "a fallback is not run again"
    for run in timed:
        assert (run["num_runs"], run["min_secs"], run["num_threads"]) == ("7", "0", "4")
        if "use_nnapi" in run:
            assert (run["disable_nnapi_cpu"], run["nnapi_accelerator_name"]) == ("true", "some npu")
        if "external_delegate_path" in run:
            assert run["external_delegate_options"] == "backend:htp;mode:2 fast"


@pytest.mark.usefixtures("adb_server")
def test_host_and_two_phones_with_odd_serials_in_one_report(
    tmp_path: Path, model: Path, tool: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serials = ("it's a $erial", 'the "second" one; ls')
    devices, meeting = [], threading.Barrier(2)
    for name in "ab":
        (tmp_path / name).mkdir()
        devices.append(Device(tmp_path / name, {"ms": 5}))
        devices[-1].watcher = _waiting_for_the_other(meeting)
        subprocess.run([adb.adb_path(), "connect", devices[-1].serial], check=True, capture_output=True, timeout=60)
    out = tmp_path / 'it\'s "out"'
    arguments = [str(model), "--size=24x16", "--rounds=2", "--runs=2", "--tool", tool, "--json", "--out", str(out)]
    arguments += ["--device=host", *(f"--device={serial}" for serial in serials)]
    names = {serial: one.serial for serial, one in zip(serials, devices, strict=True)}
    try:
        with renamed(int(os.environ["ANDROID_ADB_SERVER_PORT"]), names) as port:
            monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
            assert set(serials) <= {phone.serial for phone in adb_server.phones()}
            assert cli.main(arguments) == 0
        rows = json.loads(capsys.readouterr().out)["results"]
        assert [(row["device"], row["status"], row["runs"]) for row in rows] == [
            (name, "ok", 2) for name in ("host", *serials)
        ]
        assert not meeting.broken, "two phones are measured at the same time"
        page = html.unescape((out / "report.html").read_text())
        # Both phones are of one model, so their addresses tell them apart.
        assert all(f"{name} · cpu" in page for name in ("host", *serials))
        for one in devices:
            one.assert_clean()
    finally:
        for one in devices:
            one.close()


def _waiting_for_the_other(meeting: threading.Barrier) -> Callable[[str], None]:
    """Holds a phone's first run until the other phone's begins as well; gives up after a while."""
    met = threading.Event()

    def watch(script: str) -> None:
        if "benchmark_model --graph" in script and not met.is_set():
            met.set()
            with suppress(threading.BrokenBarrierError):
                meeting.wait(60)

    return watch


def test_a_screen_that_goes_dark_between_two_runs_is_lit_again(device: Device, model: Path, tool: str) -> None:
    def sleep_after_a_run(script: str) -> None:
        if "--graph" in script:
            (device.root / "dumpsys/power").write_text("  mWakefulness=Dozing\n")

    device.watcher = sleep_after_a_run
    found = android_bench.bench([model], devices=[device.serial], sizes=["24x16"], rounds=2, tool=tool, limits=QUICK)
    assert found.results[0].status == "ok"
    assert device.actions().count("input keyevent KEYCODE_WAKEUP") >= 3  # at the start, and after each run
    device.assert_clean()


@pytest.mark.usefixtures("adb_server")
def test_an_old_phone_without_exit_codes_and_a_tool_without_percentiles(tmp_path: Path, model: Path, tool: str) -> None:
    from tests.helpers.bench_logs import CPU_OLD

    root = tmp_path / "phone"
    root.mkdir()
    out, err = (text.replace("0.056784", "{megabytes}") for text in CPU_OLD)
    old = Device(root, {"replay": [out, err, 0]}, OLD_FEATURES, **{"ro.build.version.sdk": "26"})
    try:
        found = android_bench.bench(
            [model],
            devices=[old.serial],
            sizes=["24x16"],
            delegates=["cpu", "nnapi"],
            rounds=2,
            tool=tool,
            limits=QUICK,
        )
        cpu, nnapi = found.results
        assert (cpu.status, cpu.median_ms, cpu.p95_ms, cpu.nodes_delegated) == ("ok", 12216, None, 0)
        assert "mean" in cpu.note and "XNNPACK runs no node" in cpu.note
        assert (nnapi.status, nnapi.median_ms) == ("unsupported", None) and "API level 27" in nnapi.note
        old.set_tool({"replay": ["", "", 3]})
        found = android_bench.bench([model], devices=[old.serial], sizes=["24x16"], rounds=1, tool=tool, limits=QUICK)
        assert (found.results[0].status, found.results[0].note[:11]) == ("failed", "exit code 3")
        old.assert_clean()
    finally:
        old.close()


def test_check_compares_the_output_for_a_real_picture(device: Device, model: Path, int8: Path, tool: str) -> None:
    if not zoo.pictures():
        pytest.skip("no picture is bundled")

    def row(path: Path, **behaviour: object) -> android_bench.Row:
        device.set_tool(behaviour)
        return android_bench.bench(
            [path], devices=[device.serial], sizes=["24x16"], rounds=1, tool=tool, check=True, limits=QUICK
        ).results[0]

    for path in (model, int8):
        right = row(path)
        assert right.status == "ok" and right.check and (right.check.largest, right.check.psnr_db) == (0, None)
    wrong = row(int8, wrong=True)
    assert (wrong.status, wrong.median_ms) == ("mismatch", None)
    assert wrong.check and wrong.check.psnr_db and "wrong output" in wrong.note
    silent = row(model, unknown=["output_filepath"])
    assert silent.status == "ok" and "cannot write its output" in silent.note
    device.assert_clean()


def test_a_second_bench_waits_for_the_first_or_says_who_has_the_phone(
    device: Device, model: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.set_tool({"sleep": 1.5})
    begun, said = threading.Event(), list[str]()
    device.watcher = lambda script: begun.set() if "--graph" in script else None
    first: list[android_bench.Results] = []

    def measure(lock: float) -> android_bench.Results:
        limits = Limits(lock=lock, poll=0.05)
        return android_bench.bench(
            [model], devices=[device.serial], sizes=["24x16"], rounds=2, tool=tool, limits=limits, progress=said.append
        )

    thread = threading.Thread(target=lambda: first.append(measure(1)))
    thread.start()
    assert begun.wait(300)
    with pytest.raises(EcbsrError, match=r"in use by \w+@.+ \(process \d+\)"):
        measure(0)
    assert device.left_behind(), "the one that was refused has not cleaned up the other's files"
    second = measure(60)
    thread.join(300)
    assert [found.results[0].status for found in (*first, second)] == ["ok", "ok"]
    assert any("waiting up to 60 s" in line for line in said)
    device.assert_clean()


def test_a_stale_lock_is_taken_over(device: Device, model: Path, tool: str) -> None:
    lock = device.path("/data/local/tmp/ecbsr-bench.lock")
    for owner in (
        {"who": "a@b", "machine": "other", "pid": 1, "boot": "an earlier start", "token": "x"},
        {"who": "a@b", "machine": android_bench.phone.lock.machine_id(), "pid": 2**22 - 1, "boot": "", "token": "x"},
    ):
        lock.mkdir()
        if not owner["boot"]:
            owner["boot"] = device.path("/proc/sys/kernel/random/boot_id").read_text().strip()
        (lock / "owner").write_text(json.dumps(owner))
        found = android_bench.bench(
            [model], devices=[device.serial], sizes=["24x16"], rounds=1, tool=tool, limits=QUICK
        )
        assert found.results[0].status == "ok"
        device.assert_clean()


def test_a_hot_phone_is_waited_for_and_a_throttled_figure_is_marked(
    device: Device, model: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def measure(cooldown: float) -> android_bench.Row:
        limits = Limits(cooldown=cooldown, poll=0.05)
        return android_bench.bench(
            [model], devices=[device.serial], sizes=["24x16"], rounds=2, tool=tool, limits=limits, progress=said.append
        ).results[0]

    readings: list[str] = []

    def hot_before_the_first_run(script: str) -> None:
        if "dumpsys battery" in script:
            readings.append(script)
            if len(readings) == 2:  # the first one is of the preparation
                device.set_heat(2, then=0)  # hot once, then cool

    device.watcher = hot_before_the_first_run
    row = measure(60)
    assert row.status == "ok"
    (waiting,) = (line for line in said if "waiting to cool down, at most" in line)
    assert "thermal status 2" in waiting
    device.watcher = lambda script: device.set_heat(3) if "--graph" in script else None
    said.clear()
    row = measure(0)
    assert row.status == "throttled" and row.median_ms and "thermal status 3" in row.note
    device.watcher = lambda _script: None
    device.set_heat(0, tenths=480)
    said.clear()
    row = measure(4)
    assert row.status == "ok" and any("48.0 °C" in line for line in said)
    device.assert_clean()


def test_a_held_back_core_marks_the_figure(device: Device, model: Path, tool: str) -> None:
    clock = device.path("/sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq")

    def hold_back(script: str) -> None:
        if "--graph" in script:
            clock.write_text("1500000\n")

    device.watcher = hold_back
    found = android_bench.bench(
        [model], devices=[device.serial], sizes=["24x16"], rounds=1, tool=tool, limits=Limits(cooldown=0)
    )
    assert found.results[0].status == "throttled"
    assert "limited to 1500 of 3000 MHz" in found.results[0].note


def test_commands_of_a_dry_run_can_be_pasted_into_a_shell(
    device: Device, model: Path, tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serial = 'it\'s "a" $erial'
    arguments = [
        str(model),
        "--device",
        serial,
        "--size",
        "24x16",
        "--delegate",
        "cpu,gpu",
        "--tool",
        tool,
        "--cores=f0",
    ]
    assert cli.main([*arguments, "--dry-run"]) == 0
    commands = [shlex.split(line) for line in "\n".join(_joined(capsys.readouterr().out)).split("\n\0\n")]
    assert all(command[:3] == ["adb", "-s", serial] for command in commands)
    assert device.shells == []
    pushed = [command for command in commands if command[3] == "push"]
    assert [Path(command[4]).exists() for command in pushed] == [True, True]
    assert sum("--use_gpu=true" in command[-1] for command in commands) == 1
    # The same commands, with the stand-in's serial, do what they say.
    subprocess.run([adb.adb_path(), "connect", device.serial], check=True, capture_output=True)
    for command in commands:
        subprocess.run(
            [adb.adb_path(), "-s", device.serial, *command[3:]], check=True, capture_output=True, timeout=300
        )
    assert len((device.root / "runs").read_text().splitlines()) == 2
    device.assert_clean()


def test_a_dry_run_whose_tool_was_never_fetched(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = [str(model), "--device", "R58M", "--size", "24x16", "--dry-run"]
    assert cli.main([*arguments, "--json"]) == 0
    fetch, *commands = json.loads(capsys.readouterr().out)["commands"]
    (push,) = (one for one in commands if one[3] == "push" and one[5].endswith("benchmark_model"))
    assert fetch[0] == "curl" and fetch[-1].startswith("https://") and fetch[-2] == push[4]
    assert not (tmp_path / "cache").exists()
    with pytest.raises(EcbsrError, match="there is no tool at"):
        cli.main([*arguments, "--tool", str(tmp_path / "nowhere")])


def _joined(text: str) -> list[str]:
    """Shell commands may hold line ends inside quotes: gather each whole command, then a mark."""
    gathered, parts = [], list[str]()
    for line in text.splitlines():
        parts.append(line)
        try:
            shlex.split("\n".join(parts))
        except ValueError:
            continue
        gathered += [*parts, "\0"]
        parts = []
    return gathered[:-1]


def test_list_shows_phones_and_what_to_do(device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    other = Device(tmp_path / "other")
    other.authorized = False
    try:
        for one in (device, other):
            subprocess.run([adb.adb_path(), "connect", one.serial], capture_output=True, check=False, timeout=60)
        assert cli.main(["--list"]) == 0
        table = capsys.readouterr().out
        assert device.serial in table and "allow USB debugging" in table
        assert cli.main(["--list", "--json"]) == 0
        phones = {one["serial"]: one for one in json.loads(capsys.readouterr().out)["phones"]}
        assert phones[device.serial]["state"] == "device" and phones[device.serial]["model"] == "Phone S 1"
        assert phones[other.serial]["state"] in ("unauthorized", "authorizing")
    finally:
        other.close()


def test_list_reads_every_form_of_line() -> None:
    text = (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\nList of devices attached\r\n"
        "R58M123ABC             device usb:1-1 product:a model:SM_G991B device:o1s transport_id:1\r\n"
        "emulator 5554          offline transport_id:2\n"
        "0123456789ABCDEF       no permissions (missing udev rules? user is in the plugdev group); see [http://x]\n"
        "192.168.1.7:5555       unauthorized transport_id:4\n\n"
    )
    assert [(one.serial, one.state, one.model) for one in adb_server.parse_devices(text)] == [
        ("R58M123ABC", "device", "SM G991B"),
        ("emulator 5554", "offline", ""),
        ("0123456789ABCDEF", "no permissions", ""),
        ("192.168.1.7:5555", "unauthorized", ""),
    ]


def test_masks_of_cores() -> None:
    three = [Core(index, mhz) for index, mhz in enumerate((1800,) * 4 + (2400,) * 3 + (3000,))]
    assert (
        device_info.cpu_mask(three, "little"),
        device_info.cpu_mask(three, "big"),
        device_info.cpu_mask(three, "all"),
    ) == (
        "f",
        "f0",
        None,
    )
    alike = [Core(index, 2000) for index in range(4)]
    assert (device_info.cpu_mask(alike, "little"), device_info.cpu_mask(alike, "big")) == ("f", "f")
    assert device_info.cpu_mask([], "3f") == "3f"
    with pytest.raises(EcbsrError, match="mask such as f0"):
        device_info.cpu_mask([Core(0)], "big")


def test_a_phone_that_says_nothing_is_described_by_nothing() -> None:
    empty = device_info.parse_properties("")
    assert (empty.model, empty.soc, empty.api, empty.abis, empty.cores) == ("", "", None, (), ())
    assert device_info.parse_reading("") == device_info.Reading(None, None, None, None, (), ())
