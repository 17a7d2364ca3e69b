"""Which phones `--device all` names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from android_bench.phone.ready import ready_phones
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import renamed, run_adb


@pytest.fixture(autouse=True)
def forget_phones(new_device: Callable[..., Device]) -> Iterator[None]:
    """The server still lists phones of other tests, as offline. (`new_device` chooses the server.)"""
    run_adb("disconnect")
    yield
    run_adb("disconnect")


def test_a_phone_with_a_cable_and_on_the_network_is_one(
    new_device: Callable[..., Device],
) -> None:
    device, other = new_device(), new_device()
    cable = "R58N123ABC"
    wireless = device.serial.replace("127.0.0.1", "localhost")
    for serial in (wireless, device.serial, other.serial):
        run_adb("connect", serial)
    lines: list[str] = []
    with renamed({cable: device.serial}):
        assert sorted(ready_phones(lines.append)) == sorted([cable, other.serial])
    assert lines == [f"{wireless} is left out: it is the same phone as {cable}"]


def test_phones_that_are_not_ready_are_named(new_device: Callable[..., Device]) -> None:
    device, locked = new_device(), new_device()
    locked.authorized = False
    run_adb("connect", locked.serial)
    lines: list[str] = []
    with pytest.raises(EcbsrError, match="no phone is ready; connect one, allow USB debugging on it"):
        ready_phones(lines.append)
    run_adb("connect", device.serial)
    assert ready_phones(lines.append) == [device.serial]
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"{locked.serial} is left out: it is ") and "allow USB debugging on its screen" in line
