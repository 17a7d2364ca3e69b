"""Which phones `--device all` names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from android_bench.phone.adb import adb_path
from android_bench.phone.ready import ready_phones
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import renamed


def _adb(*arguments: str) -> None:
    subprocess.run([adb_path(), *arguments], capture_output=True, check=False, timeout=60)


def _connect(*serials: str) -> None:
    for serial in serials:
        _adb("connect", serial)


@pytest.fixture(autouse=True)
def forget_phones(new_device: Callable[..., Device]) -> Iterator[None]:
    """The server still lists phones of other tests, as offline. (`new_device` chooses the server.)"""
    _adb("disconnect")
    yield
    _adb("disconnect")


def test_a_phone_with_a_cable_and_on_the_network_is_one(
    new_device: Callable[..., Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    device, other = new_device(), new_device()
    cable = "R58N123ABC"
    wireless = device.serial.replace("127.0.0.1", "localhost")
    _connect(wireless, device.serial, other.serial)
    lines: list[str] = []
    real = int(os.environ["ANDROID_ADB_SERVER_PORT"])
    with renamed(real, {cable: device.serial}) as port, monkeypatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        assert sorted(ready_phones(lines.append)) == sorted([cable, other.serial])
    assert lines == [f"{wireless} is left out: it is the same phone as {cable}"]


def test_phones_that_are_not_ready_are_named(new_device: Callable[..., Device]) -> None:
    device, locked = new_device(), new_device()
    locked.authorized = False
    _connect(locked.serial)
    lines: list[str] = []
    with pytest.raises(EcbsrError, match="no phone is ready; connect one, allow USB debugging on it"):
        ready_phones(lines.append)
    _connect(device.serial)
    assert ready_phones(lines.append) == [device.serial]
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"{locked.serial} is left out: it is ") and "allow USB debugging on its screen" in line
