"""The energy of an image by the fuel gauge or power rails of a stand-in phone, with the real adb, and their quirks."""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import android_bench
from android_bench import cli
from android_bench.phone import energy, power_rails
from android_bench.phone.energy import Sample
from android_bench.results import serialize
from android_bench.results.types import Energy
from tests.helpers import adb_device, standin_perfetto
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import renamed, run_adb
from tests.helpers.bench import QUICK, Bench

MS = 20.0  # of an inference
WATTS = (900 - 300) / 1000 * 3.9  # of the stand-in's load above its idle
MJ = WATTS * MS


@pytest.fixture
def measured(device: Device, bench: Bench) -> Callable[..., Energy]:
    """The energy on the stand-in with such a fuel gauge."""

    def call(**gauge: object) -> Energy:
        device.set_tool({"ms": MS})
        device.set_gauge(**gauge)  # type: ignore[arg-type]
        (row,) = bench(rounds=1, runs=2, energy=True).results
        device.assert_clean()
        assert row.status == "ok" and row.median_ms, "the latency does not depend on the gauge"
        assert row.energy is not None
        return row.energy

    return call


@pytest.mark.slow
@pytest.mark.parametrize("gauge", [{}, {"sign": 1, "unit": 1000, "volts": "3900", "step": 100}])
def test_the_unit_and_the_sign_are_found(measured: Callable[..., Energy], gauge: dict[str, object]) -> None:
    found = measured(**gauge)
    assert found.mj == pytest.approx(MJ, rel=0.02) and found.ci95_mj is not None, found
    # The stand-in's current varies with a period, so the blocks can differ less among them than from the truth.
    assert found.ci95_mj[0] < MJ * 1.01 and found.ci95_mj[1] > MJ * 0.99
    assert found.ci95_mj[1] - found.ci95_mj[0] < 0.2 * MJ
    assert found.idle_mw == pytest.approx(300 * 3.9, rel=0.02) and found.loaded_mw == pytest.approx(900 * 3.9, rel=0.02)
    assert (found.note, found.source) == ("", "fuel gauge")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gauge", "note"),
    [
        ({"constant": "-2147483648"}, "its fuel gauge reads a constant current of -2147483648"),
        ({"readable": False}, "the phone does not let adb read its fuel gauge"),
        ({"powered": "Wireless"}, "the phone is powered by Wireless; unplug it, also from a wireless charger"),
    ],
)
def test_no_figure_and_why(measured: Callable[..., Energy], gauge: dict[str, object], note: str) -> None:
    found = measured(**gauge)
    assert (found.mj, found.ci95_mj, found.note) == (None, None, f"no figure: {note}")


PARTS = [
    {"name": "S2M_VDD_CPUCL2", "idle": 200, "loaded": 2000},
    {"name": "S2S_VDD_G3D", "idle": 100, "loaded": 400},
    {"name": "VSYS_PWR_DISPLAY", "idle": 700, "loaded": 700},
]
RAILS_MJ = (1800 + 300) / 1000 * MS


@pytest.mark.slow
def test_power_rails_are_preferred_and_need_no_unplugged_phone(
    device: Device, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    device.set_tool({"ms": MS})
    device.set_gauge(powered="Wireless")
    device.set_rails(*PARTS)
    (row,) = bench(rounds=1, runs=2, energy=True).results
    device.assert_clean()
    found = row.energy
    assert (
        found and found.mj == pytest.approx(RAILS_MJ, rel=0.02) and (found.source, found.note) == ("3 power rails", "")
    )
    assert found.ci95_mj and found.ci95_mj[0] < found.mj < found.ci95_mj[1]
    assert found.idle_mw == pytest.approx(1000, rel=0.05) and found.loaded_mw == pytest.approx(3100, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("powered", ["", "Wireless"])
def test_rails_that_give_no_figure_leave_it_to_the_gauge(device: Device, bench: Bench, powered: str) -> None:
    device.set_tool({"ms": MS})
    device.set_gauge(powered=powered)
    device.set_rails({"name": "VBAT", "idle": 100, "loaded": 100}, *PARTS)
    (row,) = bench(rounds=1, runs=2, energy=True).results
    device.assert_clean()
    found, reason = row.energy, "the power rail VBAT has less than the others together"
    assert found is not None
    if powered:
        assert (found.mj, found.note) == (None, f"no figure: {reason}")
    else:
        assert found.mj == pytest.approx(MJ, rel=0.02) and (found.source, found.note) == ("fuel gauge", reason)


@pytest.mark.slow
def test_a_phone_with_perfetto_but_without_rails(measured: Callable[..., Energy], device: Device) -> None:
    device.watcher = lambda _event: device.set_rails() if not (device.root / "rails.json").exists() else None
    assert measured().source == "fuel gauge"


@pytest.mark.slow
def test_rails_without_the_package_that_reads_them(
    measured: Callable[..., Energy], device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "perfetto", None)
    found = measured(powered="AC")
    assert found.note.startswith(
        "no figure: the phone is powered by AC; unplug it, also from a wireless charger; "
        "power rails do not need that, where the phone has them: pip install '.[energy]' in the folder"
    )
    assert not any("perfetto --background" in script for script in device.shells)


def test_a_simulated_battery_is_not_believed() -> None:
    battery = adb_device.BATTERY.format(300).replace("USB powered: true", "USB powered: false")
    assert energy.obstacle(True, battery) == ""
    simulated = battery.replace("state:\n", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n")
    assert "its battery is simulated" in energy.obstacle(True, simulated)


WINDOWS = [(9.0 + 40 * block, 39.0 + 40 * block) for block in range(7)]


def by_rails(path: Path, *rails: dict[str, Any], obstacle: str = "") -> Energy:
    """The energy from a trace of 7 blocks of 40 s, idle first."""
    ticks = [(second, "loaded" if second // 40 % 2 else "idle") for second in range(1, 280)]
    path.write_bytes(standin_perfetto.trace(list(rails), ticks))
    watts, source = power_rails.watts(power_rails.read(path), WINDOWS, obstacle)
    return energy.figure(watts[::2], watts[1::2], [MS] * 3, source)


@pytest.mark.parametrize(
    ("rails", "mj", "source"),
    [
        (PARTS, RAILS_MJ, "3 power rails"),
        ([*PARTS, {"name": "PPVAR_VSYS", "idle": 1300, "loaded": 3800}], 2.5 * MS, "power rail PPVAR_VSYS"),
        ([{"name": "VBAT", "idle": 1400, "loaded": 4400}, *PARTS], 3.0 * MS, "power rail VBAT"),
        ([*PARTS, PARTS[0]], RAILS_MJ, "3 power rails"),
        ([*PARTS, {**PARTS[0], "idle": 300, "loaded": 400}], RAILS_MJ + 0.1 * MS, "4 power rails"),
        (
            [
                *PARTS,
                {"name": "VDD_CPU", "idle": 90, "loaded": 990},
                {"name": "VDD_CPU_BIG", "idle": 40, "loaded": 900},
            ],
            RAILS_MJ + 0.9 * MS,
            "4 power rails",
        ),
        ([{**PARTS[0], "resets": 60}, *PARTS[1:]], RAILS_MJ, "3 power rails"),
        ([{**rail, "stamped": False} for rail in PARTS], RAILS_MJ, "3 power rails"),
    ],
    ids=["parts", "total", "battery", "twice", "two of a name", "sub-rail", "reset", "without time stamps"],
)
def test_rails_of_each_kind(tmp_path: Path, rails: list[dict[str, Any]], mj: float, source: str) -> None:
    found = by_rails(tmp_path / "t", *rails)
    assert found.mj == pytest.approx(mj, rel=0.01) and found.source == source
    assert found.ci95_mj and found.ci95_mj[0] < mj * 1.01 and found.ci95_mj[1] > mj * 0.99


@pytest.mark.parametrize(
    ("rails", "obstacle", "note"),
    [
        (
            [{"name": "VBATT", "idle": 1400, "loaded": 4400}, *PARTS],
            "the phone is powered by AC",
            "the power rail VBATT is that of the battery, and the phone is powered by AC",
        ),
        ([*PARTS, {"name": "VSYS", "idle": 100, "loaded": 100}], "", "the power rail VSYS has less than the others"),
        ([{"name": "L", "idle": 0.1, "loaded": 0.2, "noise": 0}], "", "0.0001 to 0.0002 W is no phone's power"),
        ([{**PARTS[1], "loaded": 101, "noise": 30}], "", "the difference to the idle phone is within its variation"),
    ],
)
def test_rails_that_give_no_figure(tmp_path: Path, rails: list[dict[str, Any]], obstacle: str, note: str) -> None:
    with pytest.raises(energy.NoFigureError, match=note):
        by_rails(tmp_path / "t", *rails, obstacle=obstacle)


def test_a_trace_with_gaps_or_damage_or_without_rails(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(standin_perfetto.trace(PARTS, [(second, "idle") for second in (*range(1, 20), *range(39, 80))]))
    with pytest.raises(energy.NoFigureError, match="S2M_VDD_CPUCL2 has readings of 1 s in a block only"):
        power_rails.watts(power_rails.read(path), [(18.0, 38.0)], "")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 1])
    with pytest.raises(energy.NoFigureError, match="the trace of its power rails is damaged"):
        power_rails.read(path)
    path.write_bytes(standin_perfetto.trace([], [(1, "idle")]))
    assert power_rails.read(path) == []


@pytest.mark.slow
def test_a_usb_link_gives_no_figure(device: Device, model: Path, tool: str) -> None:
    device.set_gauge()
    run_adb("connect", device.serial)
    with renamed({"R58M": device.serial}):
        (row,) = android_bench.bench(
            [model], devices=["R58M"], sizes="24x16", rounds=1, runs=2, tool=tool, energy=True, limits=QUICK
        ).results
    assert row.energy is not None and row.energy.mj is None
    assert row.energy.note.startswith(
        "no figure: a USB link charges the phone and keeps it awake; unplug it and use adb"
    )


@pytest.mark.slow
def test_a_screen_that_goes_off(device: Device, measured: Callable[..., Energy]) -> None:
    def watch(event: str) -> None:
        if "energy.log" in event:  # the phone refuses to wake up
            device.refuse("input")
            (device.root / "dumpsys/power").write_text("  mWakefulness=Asleep\n")

    device.watcher = watch
    assert measured().note == "no figure: its screen went off in a block; set its screen timeout to 2 minutes"


@pytest.mark.slow
def test_the_command_and_its_documents(
    device: Device, model: Path, tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device.set_tool({"ms": MS})
    device.set_gauge()
    arguments = [str(model), "--device", device.serial, "--size", "24x16", "--rounds", "1", "--tool", tool, "--energy"]
    assert cli.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "mJ an image" in capsys.readouterr().out
    results = serialize.read_results(tmp_path / "out/results.json")
    found = results.results[0].energy
    assert found is not None and found.mj is not None
    (line,) = csv.DictReader(io.StringIO((tmp_path / "out/results.csv").read_text()))
    assert float(line["energy_mj"]) == found.mj and float(line["energy_ci95_low_mj"]) < found.mj
    resumed = android_bench.resume(tmp_path / "out")
    assert resumed.results[0].energy == found, "it is not measured again"
    assert cli.main([*arguments, "--dry-run", "--json"]) == 0
    commands = json.loads(capsys.readouterr().out)["commands"]
    assert any("/proc/uptime" in command[-1] and "--min_secs=33" in command[-1] for command in commands)
    assert not any("batterystats" in command[-1] for command in commands)


def blocks(
    load: float, *, unit: float = 1, count: int = 7, seconds: int = 40, counts: float = 1, noise: float = 5.0
) -> list[list[Sample]]:
    """Blocks in turn, idle first, of a phone at 300 mA and `load` mA, whose gauge has such units."""
    generator, used, now, made = random.Random(1), 0.0, 0.0, []
    for block in range(count):
        samples = []
        for _ in range(seconds):
            milliamperes = (load if block % 2 else 300) + generator.gauss(0, noise)
            now, used = now + 1, used + milliamperes / 3.6
            samples.append(Sample(now, round(milliamperes * 1000 / unit), 3900000, round((3e6 - used) * counts)))
        made.append(samples)
    return made


def from_blocks(made: list[list[Sample]]) -> Energy:
    return energy.energy(made[::2], made[1::2], [MS] * len(made[1::2]))


@pytest.mark.parametrize(
    ("made", "note"),
    [
        (blocks(900, counts=0), "its charge counter hardly moves, so that the unit of its current is not known"),
        (blocks(900, counts=-1), "its charge counter does not fall: it may be charging"),
        (blocks(900, unit=30), "its current and its charge counter disagree (a factor of 30)"),
        (
            blocks(300, noise=60),
            "the difference to the idle phone is within its variation; close other apps, try again",
        ),
        (blocks(900, seconds=20), "a block has less than 30 s of readings"),
        (blocks(900, unit=1000, counts=0.001), "0.00117 to 0.00351 W is no phone's power"),  # mA and mAh
        (blocks(90000, unit=1), "W is no phone's power"),
    ],
)
def test_readings_that_give_no_figure(made: list[list[Sample]], note: str) -> None:
    found = from_blocks(made)
    assert found.mj is None and note in found.note and found.note.startswith("no figure: ")


@pytest.mark.parametrize("load", [350, 900, 2000])
@pytest.mark.parametrize("unit", [-1000, -1, 1, 1000])
def test_the_interval_holds_the_true_energy(load: float, unit: float) -> None:
    found = from_blocks(blocks(load, unit=unit))
    truth = (load - 300) / 1000 * 3.9 * MS
    assert found.ci95_mj is not None and found.ci95_mj[0] <= truth <= found.ci95_mj[1]
    assert found.mj == pytest.approx(truth, rel=0.05)


def test_lines_without_a_reading_are_left_out() -> None:
    text = "noise\n@@sample 10.5 -3 4 5\r\n@@sample 11.5  4 5\n@@sample 12 a 4 5\n@@sample 13 7 8 9\n"
    assert energy.parse(text) == [Sample(10.5, -3, 4, 5), Sample(13, 7, 8, 9)]
