"""Properties and condition of a phone."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from android_bench.phone import device_info
from android_bench.results.types import Core, State
from ecbsr_mobile.errors import EcbsrError
from tests.helpers import adb_device
from tests.helpers.fuzz_text import damaged_output


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


def test_cores_of_two_kinds_with_one_clock_are_told_apart_by_their_capacity() -> None:
    t606 = [Core(index, 1612, capacity) for index, capacity in enumerate((453,) * 6 + (1024,) * 2)]
    assert [device_info.cpu_mask(t606, option) for option in ("little", "big")] == ["3f", "c0"]
    without_word = [Core(index, mhz, 1024) for index, mhz in enumerate((1800, 1800, 2400))]
    assert [device_info.cpu_mask(without_word, option) for option in ("little", "big")] == ["3", "4"]


def test_cores_that_sleep_are_not_taken_for_missing_ones() -> None:
    text = "\n".join(
        f"/sys/devices/system/cpu/cpu{index} max={'1400000' if index < 4 else ''} capacity=" for index in range(8)
    )
    cores = device_info.parse_properties(f"@@cores\n{text}\n").cores
    assert cores == (*(Core(index, 1400) for index in range(4)), *(Core(index) for index in range(4, 8)))
    with pytest.raises(EcbsrError, match="its cores 4, 5, 6, 7 are, which may be asleep"):
        device_info.cpu_mask(cores, "big")
    assert device_info.cpu_mask([replace(core, capacity=400 + core.index // 4) for core in cores], "big") == "f0"


def test_a_phone_without_output_has_no_properties() -> None:
    empty = device_info.parse_properties("")
    assert (empty.model, empty.soc, empty.api, empty.abis, empty.cores) == ("", "", None, (), ())
    assert device_info.parse_condition("") == State(0)


def test_clocks_belong_to_their_cores() -> None:
    few, all_cores = (
        device_info.parse_condition(
            "@@cores\n" + "".join(f"/sys/devices/system/cpu/cpu{core}/cpufreq {mhz}000 x\n" for core, mhz in clocks)
        )
        for clocks in ([(0, 1550), (4, 2002)], [(4, 2002), (0, 1550), (1, 1550), (5, 1000)])
    )
    assert few.clocks == {0: 1550, 4: 2002} and all_cores.clocks == {0: 1550, 1: 1550, 4: 2002, 5: 1000}
    assert device_info.limited(all_cores.clocks, few.clocks) == device_info.limited(few.clocks, all_cores.clocks) == ""
    assert device_info.limited(all_cores.clocks, {5: 2002}) == "a core is limited to 1000 of 2002 MHz"


@pytest.mark.parametrize("value", ["1.2.3", "9" * 5000, "nan", "1e5", "0x20", "٣", "", "99999999"])
def test_a_reading_that_is_no_number_is_unknown(value: str) -> None:
    reading = device_info.parse_condition(
        f"  level: {value}\n  temperature: {value}\n@@thermal\nThermal Status: {value}\n"
        f"\tTemperature{{mValue={value}, mType=3, mName=skin, mStatus=0}}\n"
    )
    assert reading == State(0)


READINGS = [
    *adb_device.BATTERY.format(300).splitlines(), "  level: 87", *adb_device.THERMAL.format(0).splitlines(),
    "@@thermal", "@@cores", "@@boot", "@@power", "1", "12345678-1234-1234-1234-123456789abc",
    "/sys/devices/system/cpu/cpu0/cpufreq 1800000 schedutil",
    "/sys/devices/system/cpu/cpu12 max=1000000 capacity=1024", "/sys/devices/system/cpu/cpu3 max= capacity=",
    *(f"[{name}]: [{value}]" for name, value in adb_device.PROPERTIES.items()),
]  # fmt: skip


@given(damaged_output(READINGS) | st.text())
def test_any_output_is_read_to_plausible_values(text: str) -> None:
    reading = device_info.parse_condition(text)
    json.dumps(asdict(reading), allow_nan=False)
    for celsius in (reading.battery_celsius, reading.skin_celsius):
        assert celsius is None or -50 < celsius < 150
    assert reading.battery_percent is None or 0 <= reading.battery_percent <= 100
    properties = device_info.parse_properties(text)
    json.dumps(asdict(properties))
    for option in ("big", "little"):
        with suppress(EcbsrError):  # a core whose speed is not known
            assert int(device_info.cpu_mask(properties.cores, option) or "", 16) > 0
