"""Properties and condition of a phone."""

from __future__ import annotations

import pytest

from android_bench.phone import device_info
from android_bench.results.types import Core
from ecbsr_mobile.errors import EcbsrError


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


def test_a_phone_without_output_has_no_properties() -> None:
    empty = device_info.parse_properties("")
    assert (empty.model, empty.soc, empty.api, empty.abis, empty.cores) == ("", "", None, (), ())
    assert device_info.parse_reading("") == device_info.Reading(None, None, None, None, (), ())


@pytest.mark.parametrize("value", ["1.2.3", "9" * 5000, "nan", "1e5", "0x20", "٣", "", "99999999"])
def test_a_reading_that_is_no_number_is_unknown(value: str) -> None:
    reading = device_info.parse_reading(
        f"  level: {value}\n  temperature: {value}\n@@thermal\nThermal Status: {value}\n"
        f"\tTemperature{{mValue={value}, mType=3, mName=skin, mStatus=0}}\n"
    )
    assert reading == device_info.Reading(None, None, None, None, (), ())
