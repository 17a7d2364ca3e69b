"""Phones from Android 5 to 16, and those that refuse something: what can be trusted is measured, with a note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecbsr_mobile.errors import EcbsrError
from tests.helpers import android_programs
from tests.helpers.adb_device import Device
from tests.helpers.bench import Bench
from tests.helpers.standin_tool import elf

pytestmark = pytest.mark.slow
NOISE = 'WARNING: linker: "libfoo.so" unused DT entry: type 0x1 {arg 0x2}'


@pytest.mark.parametrize("noise", ["", NOISE])
@pytest.mark.parametrize("api", [21, 23, 24, 26, 28, 34, 36])
def test_every_android_version(new_device: Callable[..., Device], bench: Bench, api: int, noise: str) -> None:
    device = new_device(**{"ro.build.version.sdk": str(api)})
    device.noise = noise
    results = bench(devices=[device.serial], rounds=1, cores="all" if api < 23 else "big")
    assert [(row.status, row.runs) for row in results.results] == [("ok", 1)]
    told = any("no thermal status" in note for note in results.devices[device.serial].notes)
    assert told == (api < android_programs.THERMAL_SERVICE_SINCE)
    pushes = len(device.pushes)
    assert bench(devices=[device.serial], rounds=1).results[0].status == "ok"
    assert len(device.pushes) == 2 * pushes
    absent = {"printf", "head", "tr", "expr", "sed", "awk", "wc"} - set(android_programs.programs(api))
    words = {word for script in device.shells for word in script.replace("$(", " ").split()}
    assert not words & absent, "a script needs a program that the phone does not have"
    device.assert_clean()


def test_a_damaged_file_is_noticed_by_every_hash(new_device: Callable[..., Device], bench: Bench) -> None:
    for api in (21, 23, 34):
        device = new_device(**{"ro.build.version.sdk": str(api)})

        def damage(script: str, device: Device = device) -> None:
            if "sha256sum" in script:
                for path in device.path("/data/local/tmp/ecbsr-bench").glob("*benchmark_model"):
                    path.write_bytes(path.read_bytes()[:-1] + b"x")

        device.watcher = damage
        with pytest.raises(EcbsrError, match="damaged on the way"):
            bench(devices=[device.serial], rounds=1)
        device.watcher = lambda _event: None
        device.assert_clean()


def test_without_any_hash_program_files_are_copied_back(device: Device, bench: Bench) -> None:
    device.remove("sha256sum", "sha1sum", "md5sum", "toybox")
    results = bench(rounds=1)
    assert results.results[0].status == "ok"
    assert any("copying them back" in note for note in results.devices[device.serial].notes)
    device.watcher = lambda event: _cut_tools(device) if event.startswith("s=$?") or "sha256sum" in event else None
    with pytest.raises(EcbsrError, match="damaged on the way"):
        bench(rounds=1)
    device.assert_clean()


def _cut_tools(device: Device) -> None:
    for path in device.path("/data/local/tmp/ecbsr-bench").glob("*benchmark_model"):
        path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("refused", [["input"], ["settings"], ["svc"], ["input", "settings", "svc"]])
def test_a_phone_that_refuses_input_or_settings(device: Device, bench: Bench, refused: list[str]) -> None:
    device.refuse(*refused)
    device.remove("sleep")
    results = bench(rounds=1)
    (row,), notes = results.results, results.devices[device.serial].notes
    assert (row.status, row.runs) == ("ok", 1)
    assert any("its screen is off" in note for note in notes) == ("input" in refused)
    assert device.left_behind() == [] and device.running() == []
    assert (device.root / "settings/stay_on_while_plugged_in").read_text().strip() == "0"


def test_a_screensaver_is_ended(device: Device, bench: Bench) -> None:
    (device.root / "dumpsys/power").write_text("  mWakefulness=Dreaming\n")
    results = bench(rounds=1)
    assert results.devices[device.serial].notes == () and "input keyevent KEYCODE_WAKEUP" in device.actions()
    assert device.left_behind() == [] and "input keyevent KEYCODE_SLEEP" not in device.actions()


def test_a_phone_that_tells_nothing_of_its_screen_does_not_stay_on(device: Device, bench: Bench) -> None:
    device.refuse("settings")
    (device.root / "dumpsys/power").unlink()  # "Can't find service: power"
    assert bench(rounds=1).results[0].status == "ok"
    assert (device.root / "settings/stay_on_while_plugged_in").read_text().strip() == "0", device.actions()
    assert device.left_behind() == []


def test_the_screen_stays_as_it_is_where_its_settings_cannot_be_saved(device: Device, bench: Bench) -> None:
    def fill(script: str) -> None:
        if "turning-on" in script and "stayon true" in script:
            folder = device.path("/data/local/tmp/ecbsr-bench/screen")
            folder.mkdir(exist_ok=True)  # no file can be written there, as on a full storage

    device.watcher = fill
    bench(rounds=1)
    assert not any("stayon true" in action for action in device.actions())
    assert device.left_behind() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ro.kernel.qemu", "1"),
        ("ro.boot.qemu", "1"),
        ("ro.hardware.virtual_device", "1"),
        ("ro.hardware", "cutf_cvm"),
        ("ro.hardware", "vbox86"),
    ],
)
def test_an_emulator_is_named(new_device: Callable[..., Device], bench: Bench, name: str, value: str) -> None:
    device = new_device(**{name: value})
    results = bench(devices=[device.serial], rounds=1)
    assert results.devices[device.serial].notes == ("it is an emulator: its times are not those of a phone",)


def test_a_translated_tool_is_named(new_device: Callable[..., Device], bench: Bench, tmp_path: Path) -> None:
    device = new_device(**{"ro.product.cpu.abilist": "x86_64,arm64-v8a"})
    (tmp_path / "arm").write_bytes(elf(machine=0xB7))  # which the stand-in cannot run
    (note,) = bench(devices=[device.serial], rounds=1, tool=str(tmp_path / "arm")).devices[device.serial].notes
    assert note.startswith("its processor is x86_64: the tool for arm64-v8a is translated")


def test_cores_cannot_be_chosen_without_taskset(new_device: Callable[..., Device], bench: Bench) -> None:
    old = new_device(**{"ro.build.version.sdk": "21"})
    with pytest.raises(EcbsrError, match=r"has no taskset .* use --cores all"):
        bench(devices=[old.serial], cores="big")
