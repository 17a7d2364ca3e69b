"""Whole benchmarks on a stand-in phone, with the real adb client and server."""

from __future__ import annotations

import html
import json
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import android_bench
from android_bench import cli
from android_bench.phone import adb_server
from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import Device
from tests.helpers.adb_protocol import OLD_FEATURES
from tests.helpers.adb_servers import renamed, run_adb
from tests.helpers.bench import QUICK, Bench
from tests.helpers.bench_logs import CPU_OLD, LITERT_PROFILE
from tests.helpers.standin_tool import elf

pytestmark = pytest.mark.slow


def test_a_benchmark_with_every_delegate_and_a_profile(
    device: Device, model: Path, int8: Path, tool: str, tmp_path: Path
) -> None:
    device.set_tool({"delegates": {"gpu": [5, 8], "nnapi": [0, 8]}})
    library = tmp_path / "a vendor's lib.so"
    library.write_bytes(elf())
    out = tmp_path / 'a folder\'s "name"'
    lines: list[str] = []
    results = android_bench.bench(
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
    rows = {(row.model, row.delegate): row for row in results.results}
    assert len(rows) == len(results.results) == 2 * 4
    expected = {"cpu": ("ok", 8, 8, 2), "gpu": ("partial", 5, 8, 2), "nnapi:some npu": ("fallback", 0, 8, 0)}
    for (_, delegate), row in rows.items():
        outcome = expected.get(delegate, ("ok", 8, 8, 2))
        assert (row.status, row.nodes_delegated, row.nodes_total, row.runs) == outcome
        assert (row.median_ms is None) == (row.status == "fallback"), "a fallback never has a latency"
    assert [(time.operator, time.ms) for time in rows["int8-prelu", "cpu"].profile] == [
        ("CONV_2D", 3.6),
        ("DEPTH_TO_SPACE", 1.2),
    ]
    info = results.devices[device.serial]
    assert (info.model, info.soc, info.system) == ('Standin Phone "S" 1', "Paper P1000", "Android 14 (API 34)")
    assert [core.max_mhz for core in info.cores] == [1800, 1800, 2400, 3000]
    assert info.cpu_flags == ("asimddp", "asimd", "asimdhp")
    assert info.tool and info.tool.bytes == Path(tool).stat().st_size and len(info.tool.sha256) == 64
    assert {line for line in device.actions() if "taskset" in line} == {"taskset c"}
    states = results.states[device.serial]
    assert len(states) == 2 * 2 * (2 + 2 + 2 + 1), "the phone's state is read before and after each run"
    for state in states:
        assert (state.skin_celsius, state.battery_celsius, state.battery_percent) == (33.25, 30, 87)
        assert (state.thermal_status, state.governors, state.max_mhz) == (0, ("schedutil",), (1800, 1800, 2400, 3000))
    _assert_runs_are_as_requested(device)
    # Two models, the library and the tool, each once: later rounds find them by their hash.
    assert len(device.pushes) == len(set(device.pushes)) == 4
    written = json.loads((out / "results.json").read_text())
    assert written.pop("answers") and written.pop("explanations") is not None
    assert written == json.loads(json.dumps(results.as_json()))
    assert len(lines) >= 2 * 5
    identity = (
        'Standin Phone "S" 1; Paper P1000; Android 14 (API 34)',
        "1 x 3000 MHz",
        "standin/s/s:14",
        "tool tflite",
    )
    assert all(part in next(line for line in lines if "Android 14" in line) for part in identity)
    device.assert_clean()


def _assert_runs_are_as_requested(device: Device) -> None:
    timed = [run for run in device.runs() if "enable_op_profiling" not in run]
    assert len(timed) == 2 * (2 + 2 + 2 + 1), "a fallback is not run again"
    for run in timed:
        assert (run["num_runs"], run["min_secs"], run["num_threads"]) == ("7", "0", "4")
        if "use_nnapi" in run:
            assert (run["disable_nnapi_cpu"], run["nnapi_accelerator_name"]) == ("true", "some npu")
        if "external_delegate_path" in run:
            assert run["external_delegate_options"] == "backend:htp;mode:2 fast"


def test_host_and_two_phones_with_odd_serials_in_one_report(
    new_device: Callable[..., Device],
    tmp_path: Path,
    model: Path,
    tool: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    serials = ("it's a $erial", 'the "second" one; ls')
    phones, meeting = [new_device() for _ in serials], threading.Barrier(2)
    for phone in phones:
        phone.watcher = _waiting_for_the_other(meeting)
        run_adb("connect", phone.serial)
    out = tmp_path / 'it\'s "out"'
    arguments = [str(model), "--size=24x16", "--rounds=2", "--runs=2", "--tool", tool, "--json", "--out", str(out)]
    arguments += ["--device=host", *(f"--device={serial}" for serial in serials)]
    names = {serial: phone.serial for serial, phone in zip(serials, phones, strict=True)}
    with renamed(names):
        assert set(serials) <= {phone.serial for phone in adb_server.phones()}
        assert cli.main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    devices = ("host", *serials)
    assert [(row["device"], row["status"], row["runs"]) for row in rows] == [(name, "ok", 2) for name in devices]
    assert not meeting.broken, "two phones are measured at the same time"
    page = html.unescape((out / "report.html").read_text())
    # Both phones are of one model, so their serials distinguish them.
    assert all(f"{title} · CPU" in page for title in ("this machine", *serials))
    for phone in phones:
        phone.assert_clean()


def _waiting_for_the_other(meeting: threading.Barrier) -> Callable[[str], None]:
    """Delay the first run on a phone until that on the other phone begins."""
    met = threading.Event()

    def watch(script: str) -> None:
        if "benchmark_model --graph" in script and not met.is_set():
            met.set()
            with suppress(threading.BrokenBarrierError):
                meeting.wait(100)

    return watch


def test_an_old_phone_without_exit_codes_and_a_tool_without_percentiles(
    new_device: Callable[..., Device], bench: Bench
) -> None:
    out, err = (text.replace("0.056784", "{megabytes}") for text in CPU_OLD)
    old = new_device({"replay": [out, err, 0]}, OLD_FEATURES, **{"ro.build.version.sdk": "26"})
    cpu, nnapi = bench(devices=[old.serial], delegates=["cpu", "nnapi"]).results
    assert (cpu.status, cpu.median_ms, cpu.p95_ms, cpu.nodes_delegated) == ("partial", 12216, None, 0)
    assert "mean" in cpu.note and "XNNPACK runs no node" in cpu.note
    assert (nnapi.status, nnapi.median_ms) == ("unsupported", None) and "API level 27" in nnapi.note
    old.set_tool({"replay": ["", "", 3]})
    (failed,) = bench(devices=[old.serial], rounds=1).results
    assert (failed.status, failed.note[:11]) == ("failed", "exit code 3")
    old.assert_clean()


def test_check_compares_the_output_for_a_real_image(device: Device, bench: Bench, model: Path, int8: Path) -> None:
    if not zoo.pictures():
        pytest.skip("no picture is bundled")

    def row(path: Path, **behavior: object) -> android_bench.Row:
        device.set_tool(behavior)
        return bench(models=[path], rounds=1, check=True).results[0]

    for path in (model, int8):
        right = row(path)
        assert right.status == "ok" and right.check and (right.check.largest, right.check.psnr_db) == (0, None)
    wrong = row(int8, wrong=True)
    assert (wrong.status, wrong.median_ms) == ("mismatch", None)
    assert wrong.check and wrong.check.psnr_db and "wrong output" in wrong.note
    unchecked = row(model, unknown=["output_filepath"])
    assert unchecked.status == "ok" and "cannot write its output" in unchecked.note
    device.assert_clean()


def test_a_hot_phone_is_waited_for_and_a_throttled_latency_is_marked(device: Device, bench: Bench) -> None:
    lines: list[str] = []

    def cool_the_battery(line: str) -> None:
        lines.append(line)
        if "48.0 °C" in line:
            device.set_heat(0)

    def row(cooldown: float) -> android_bench.Row:
        lines.clear()
        return bench(limits=replace(QUICK, cooldown=cooldown), progress=cool_the_battery).results[0]

    readings: list[str] = []

    def hot_before_the_first_run(script: str) -> None:
        if "dumpsys battery" in script:
            readings.append(script)
            if len(readings) == 2:  # the first reading belongs to the preparation
                device.set_heat(2, then=0)

    device.watcher = hot_before_the_first_run
    assert row(60).status == "ok"
    (waiting,) = (line for line in lines if "waiting to cool down, at most" in line)
    assert "thermal status 2" in waiting
    device.watcher = lambda script: device.set_heat(3) if "--graph" in script else None
    throttled = row(0)
    assert throttled.status == "throttled" and throttled.median_ms and "thermal status 3" in throttled.note
    device.watcher = lambda _script: None
    device.set_heat(0, tenths=480)
    hot = row(0)
    assert hot.status == "ok", "a hot battery alone does not throttle the phone"
    assert hot.note == "its battery had 42 °C or more when the run began"
    assert not any("waiting" in line for line in lines)
    assert row(60).status == "ok" and any("48.0 °C" in line for line in lines)
    device.assert_clean()


def test_a_core_with_a_lower_clock_marks_the_latency(device: Device, bench: Bench) -> None:
    clock = device.path("/sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq")

    def lower_the_clock(script: str) -> None:
        if "--graph" in script:
            clock.write_text("1500000\n")

    device.watcher = lower_the_clock
    (row,) = bench(rounds=1, limits=replace(QUICK, cooldown=0)).results
    assert row.status == "throttled"
    assert "limited to 1500 of 3000 MHz" in row.note
    device.watcher = lambda _script: None
    results = bench(rounds=1)
    assert results.results[0].status == "ok", "nothing shows whether a limit since the start is usual"
    (note,) = results.devices[device.serial].notes
    assert note == "a core is limited to 1500 of 3000 MHz from the start: it is throttled or saves power"


def test_a_core_that_was_offline_marks_no_latency(device: Device, bench: Bench) -> None:
    folder = device.path("/sys/devices/system/cpu/cpu0")
    offline = folder / "cpufreq"
    online = offline.rename(folder / "later")

    def wake_the_core(script: str) -> None:
        if "--graph" in script:
            online.rename(offline)

    device.watcher = wake_the_core
    results = bench(rounds=1, limits=replace(QUICK, cooldown=0))
    assert (results.results[0].status, results.results[0].note) == ("ok", "")
    before, after = results.states[device.serial]
    assert (before.cores, after.cores) == ((1, 2, 3), (0, 1, 2, 3))


def test_the_cores_that_a_cpuset_takes_away_are_named(device: Device, bench: Bench) -> None:
    device.allow_cores(0x7)
    for cores, allowed, wanted in (("all", "7", "f"), ("big", "4", "c")):
        (note,) = bench(rounds=1, cores=cores).devices[device.serial].notes
        assert note == f"programs of adb may run on the cores {allowed} only (a mask), not on all of {wanted}"
    assert bench(rounds=1, cores="3").devices[device.serial].notes == ()
    with pytest.raises(EcbsrError, match=r"runs no program on the cores 8: taskset: failed to set .* Invalid argument"):
        bench(rounds=1, cores="8")
    device.assert_clean()


def test_big_cores_are_those_of_the_higher_capacity_asleep_or_not(device: Device, bench: Bench) -> None:
    for core, capacity in enumerate((450, 450, 1024, 1024)):
        device.set_core(core, 1612 if core < 3 else None, capacity)
    results = bench(rounds=1, cores="big")
    assert "taskset c" in device.actions()
    info = results.devices[device.serial]
    assert [core.capacity for core in info.cores] == [450, 450, 1024, 1024] and "1 of unknown clock" in info.text
    for core in range(4):
        device.set_core(core, 1612 if core < 3 else None)
    with pytest.raises(EcbsrError, match="its cores 3 are, which may be asleep"):
        bench(rounds=1, cores="big")


def test_a_phone_that_reboots_into_a_lower_clock_is_throttled(device: Device, bench: Bench) -> None:
    device.reboots = True
    device.set_tool({"hang": [2]})

    def reboot() -> None:
        device.path("/sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq").write_text("1500000\n")
        device.pull_the_cable()

    device.during_run(lambda script, number: "--graph" in script and number == 2, reboot)
    (row,) = bench(limits=replace(QUICK, cooldown=0)).results
    assert (row.status, row.runs) == ("ok", 1) and "1 of 2 runs: throttled" in row.note


@pytest.mark.parametrize(
    ("behavior", "status", "words"),
    [
        ({"signal": int(signal.SIGSEGV)}, "crashed", "SIGSEGV"),
        ({"signal": int(signal.SIGKILL)}, "crashed", "SIGKILL"),
        ({"replay": ["", "ERROR: Failed to mmap model\nBenchmarking failed.\n", 1]}, "failed", "Failed to mmap"),
        ({"replay": ["STARTING!\n", "", 0]}, "failed", "no complete timed statistics"),
        ({"unknown": ["num_runs"]}, "unsupported", "--num_runs"),
    ],
)
def test_a_tool_that_fails(device: Device, bench: Bench, behavior: dict[str, Any], status: str, words: str) -> None:
    device.set_tool(behavior)
    row = bench(rounds=4).results[0]
    assert (row.status, row.median_ms) == (status, None)
    assert words in row.note
    assert len(device.runs()) <= 2, "a case that failed twice is not tried again"
    device.assert_clean()


def test_nnapi_of_an_old_phone_may_be_its_cpu(new_device: Callable[..., Device], bench: Bench) -> None:
    old = new_device(**{"ro.build.version.sdk": "28"})
    (row,) = bench(devices=[old.serial], delegates=["nnapi"], rounds=1).results
    assert row.status == "ok" and "NNAPI can run nodes on the CPU" in row.note


def test_a_tool_without_the_delegate(device: Device, bench: Bench) -> None:
    device.set_tool({"unknown": ["use_gpu"]})
    rows = bench(delegates=["cpu,gpu"]).results
    assert [(row.status, row.median_ms is None) for row in rows] == [("ok", False), ("unsupported", True)]
    assert "--use_gpu=true" in rows[1].note


def test_a_tool_that_never_ends_is_killed(device: Device, bench: Bench) -> None:
    device.set_tool({"hang": True})
    row = bench(rounds=1, limits=replace(QUICK, run=1.5)).results[0]
    assert (row.status, row.median_ms) == ("timeout", None) and "1.5 s" in row.note
    device.assert_clean()


def test_a_tool_that_was_removed_from_the_phone_fails(device: Device, bench: Bench) -> None:
    def remove(script: str) -> None:
        if "--graph" in script:
            for path in device.path("/data/local/tmp/ecbsr-bench").glob("*benchmark_model"):
                path.unlink()

    device.watcher = remove
    row = bench(rounds=1).results[0]
    assert row.status == "failed" and "127" in row.note


@pytest.fixture
def litert(device: Device, tmp_path: Path) -> Path:
    """The folder of LiteRT's benchmark tool, which prints a recorded log."""
    folder = tmp_path / "litert's tools"
    folder.mkdir()
    (folder / "benchmark_model").write_bytes(elf(extra=b"litert/tools/benchmark_litert_model.h\0"))
    out, err = (
        text.replace("0.056784", "{megabytes}").replace("49 out of 49", "8 out of 8") for text in LITERT_PROFILE
    )
    device.set_tool({"replay": [out, err, 0]})
    return folder


def test_litert_has_no_nnapi_and_takes_no_input(device: Device, bench: Bench, litert: Path) -> None:
    delegates = ["cpu", "nnapi", "external:/vendor/lib.so"]
    tool = str(litert / "benchmark_model")
    rows = bench(tool=tool, delegates=delegates, rounds=1, check=True, profile=True).results
    assert [row.status for row in rows] == ["ok", "unsupported", "unsupported"]
    assert [time.operator for time in rows[0].profile][:1] == ["Convolution (NHWC, F32) IGEMM"]
    assert (rows[0].median_ms, rows[0].p95_ms, rows[0].init_ms, rows[0].nodes_delegated) == (0.942, 0.991, 5.76, 8)
    assert "LiteRT's tool takes no input and writes no output; put LiteRT's run_model beside it" in rows[0].note
    assert device.runs()[0]["use_cpu"] == "true"
    device.assert_clean()


def test_check_with_run_model_of_litert(
    device: Device, bench: Bench, litert: Path, model: Path, int8: Path, tmp_path: Path
) -> None:
    if not zoo.pictures():
        pytest.skip("no picture is bundled")
    (litert / "run_model").write_bytes(elf(program="standin_run_model.py"))
    replay = json.loads((device.root / "tool.json").read_text())
    unsigned = replace(tflite.read(model), signature=None)
    slashed = replace(unsigned.tensors[unsigned.inputs[0]], name="a model/image:0")
    tensors = [slashed if index == unsigned.inputs[0] else old for index, old in enumerate(unsigned.tensors)]
    unnamed = tmp_path / "unnamed.tflite"
    unnamed.write_bytes(tflite.write(replace(unsigned, tensors=tuple(tensors))))

    def row(path: Path, size: str = "24x16", **behavior: object) -> android_bench.Row:
        device.set_tool({**replay, **behavior})
        return bench(models=[path], tool=str(litert), rounds=1, check=True, sizes=[size]).results[0]

    for path in (model, int8, unnamed):
        right = row(path)
        assert right.status == "ok" and right.check and (right.check.largest, right.check.psnr_db) == (0, None), right
        assert "values compared" not in right.check.note, "all values are printed"
    partly = row(int8, "480x270")
    assert partly.status == "ok" and partly.check and partly.check.largest == 0
    assert partly.check.note.startswith("90000 of 518400 values compared") and partly.check.note in partly.note
    wrong = row(int8, wrong=True)
    assert (wrong.status, wrong.median_ms) == ("mismatch", None)
    assert wrong.check and wrong.check.psnr_db and "wrong output" in wrong.note
    older = row(model, lacks=["input_dir"])
    assert older.status == "ok" and older.check and older.check.largest is None
    assert older.check.note.startswith(
        "not compared: run_model ended with exit code 1: Unknown command line flag 'input_dir'"
    )
    (litert / "run_model").write_bytes(elf(machine=0x28))
    assert "run_model is for armeabi-v7a, but benchmark_model for x86_64" in row(model).note
    device.assert_clean()


def test_the_kernel_of_the_cpu_and_the_precision_of_the_gpu(device: Device, bench: Bench) -> None:
    rows = bench(delegates=["cpu:builtin,gpu,gpu:fp32"], rounds=1).results
    flags = {
        name: run[flag]
        for run in device.runs()
        for name, flag in (("cpu", "use_xnnpack"), (run.get("gpu_precision_loss_allowed", ""), "use_gpu"))
        if flag in run
    }
    assert flags == {"cpu": "false", "true": "true", "false": "true"}
    assert [(row.delegate, row.status) for row in rows] == [("cpu:builtin", "ok"), ("gpu", "ok"), ("gpu:fp32", "ok")]
    device.assert_clean()


def test_built_in_kernels_that_were_xnnpack_all_the_same(device: Device, bench: Bench) -> None:
    device.set_tool({"xnnpack": True})
    (row,) = bench(delegates=["cpu:builtin"], rounds=1).results
    assert (row.status, row.median_ms) == ("mismatch", None)
