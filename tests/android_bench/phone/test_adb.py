"""The adb client against the stand-in phone: exit codes, streams, limits and errors."""

from __future__ import annotations

import os
import shlex
import threading
from pathlib import Path

import pytest

from android_bench.phone.adb import Adb, AdbError, AdbTimeout, PhoneLost
from android_bench.phone.adb_server import ensure_server
from ecbsr_mobile.utils.subprocess_runner import Canceled
from tests.helpers.adb_device import Device


@pytest.fixture
def adb(device: Device) -> Adb:
    ensure_server()
    client = Adb(device.serial)
    client.connect()
    assert client.state() == "device"
    return client


@pytest.mark.parametrize(
    ("serial", "is_network"),
    [
        ("192.168.1.7:5555", True),
        ("my_phone.local:5555", True),
        ("[fe80::1%wlan0]:5555", True),
        ("[2001:db8::1]:5555", True),
        ("adb-R58N123ABC-x1Y2zZ._adb-tls-connect._tcp", True),
        ("adb-R58N123ABC-x1Y2zZ (2)._adb-tls-connect._tcp.", True),
        ("adb-R58N123ABC._adb._tcp", True),
        ("R58N123ABC", False),
        ("emulator-5554", False),
        ('it\'s a "serial"', False),
    ],
)
def test_phones_on_the_network_are_known_by_their_serial(serial: str, is_network: bool) -> None:
    assert Adb(serial).is_network == is_network


def test_exit_code_and_both_streams_of_a_script(adb: Adb) -> None:
    result = adb.shell("echo out; echo err >&2; exit 7")
    assert (result.code, result.out, result.err) == (7, "out\n", "err\n")
    assert adb.shell_output("printf 'no line end'") == "no line end"
    with pytest.raises(AdbError, match=f"^{adb.serial}: .* failed with exit code 3: the reason$"):
        adb.shell_output("echo 'the reason' >&2; exit 3")


def test_a_script_over_its_limit_keeps_its_output(adb: Adb) -> None:
    for limit in (1, 10, 100):  # a slow machine prints nothing within the first
        with pytest.raises(AdbTimeout, match=f"did not end within {limit} s") as error:
            adb.shell("echo begun; sleep 3600", limit=limit)
        if error.value.out:
            break
    assert error.value.out == "begun\n"


def test_a_stopped_client_runs_nothing(device: Device, adb: Adb) -> None:
    stop = threading.Event()
    stop.set()
    before = list(device.shells)
    with pytest.raises(Canceled):
        Adb(device.serial, stop).shell("echo")
    assert device.shells == before


def test_files_go_both_ways_and_missing_ones_are_errors(device: Device, adb: Adb, tmp_path: Path) -> None:
    content = bytes(range(256)) * 2000
    (tmp_path / "a file").write_bytes(content)
    adb.push(tmp_path / "a file", "/data/local/tmp/it's there", 60)
    adb.pull("/data/local/tmp/it's there", tmp_path / "back", 60)
    assert (tmp_path / "back").read_bytes() == content
    with pytest.raises(AdbError, match="No such file") as error:
        adb.pull("/data/local/tmp/nowhere", tmp_path / "nowhere", 60)
    assert not isinstance(error.value, PhoneLost)


def test_a_disconnected_phone_is_lost(device: Device, adb: Adb) -> None:
    device.away = None
    device.pull_the_cable()
    with pytest.raises(PhoneLost):
        adb.shell("echo")
    device.plug_in()
    adb.connect()
    assert adb.shell_output("echo again") == "again\n"


@pytest.mark.parametrize(
    ("error", "state"),
    [
        ("error: device 'R58M' not found", ""),
        ("error: no devices/emulators found", ""),
        ("error: device offline", "offline"),
        ("error: device still authorizing", "authorizing"),
        ("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "unauthorized"),
        (
            "error: insufficient permissions for device: user in plugdev group; are your udev rules wrong?\n"
            "See [http://developer.android.com/tools/device.html] for more information",
            "no permissions",
        ),
    ],
)
def test_what_adb_says_of_a_phone_is_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, state: str
) -> None:
    _print_with_adb(tmp_path, monkeypatch, error)
    assert Adb("R58M").state() == state


def test_another_error_of_adb_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _print_with_adb(tmp_path, monkeypatch, "error: more than one device\nmore")
    with pytest.raises(
        AdbError, match=r"^adb cannot use R58M: more than one device; ecbsr-bench --list shows a name for each$"
    ):
        Adb("R58M").state()


def _print_with_adb(folder: Path, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    """Put a program named adb first on the PATH that fails with this message, as adb does."""
    program = folder / "adb"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(error)} >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
