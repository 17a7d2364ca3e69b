"""The adb server and the list of phones."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import android_bench
from android_bench.phone import adb, adb_server
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import private_adb, run_adb
from tests.helpers.bench import QUICK


def test_no_adb_at_all(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EcbsrError, match="no adb on this machine"):
        android_bench.bench([model], devices=["SERIAL"])


def test_an_adb_server_of_another_version_is_left_alone(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    requests.append(connection.recv(64))
                    connection.sendall(b"OKAY0004001f")

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.getsockname()[1]))
        with pytest.raises(EcbsrError, match=r"has version 31, .* has 41"):
            android_bench.bench([model], devices=["SERIAL"])
        server.shutdown(socket.SHUT_RDWR)
    assert requests == [b"000chost:version"], "only the version request reached the server"


def test_the_server_is_found_by_the_usual_variables(monkeypatch: pytest.MonkeyPatch, device: Device) -> None:
    run_adb("connect", device.serial)
    port = os.environ["ANDROID_ADB_SERVER_PORT"]
    monkeypatch.delenv("ANDROID_ADB_SERVER_PORT")
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{port}")
    assert device.serial in [phone.serial for phone in adb_server.phones()]
    monkeypatch.delenv("ADB_SERVER_SOCKET")
    monkeypatch.setenv("ANDROID_ADB_SERVER_ADDRESS", "192.0.2.1.invalid")
    with pytest.raises(EcbsrError, match=r"no adb server answers at 192\.0\.2\.1\.invalid"):
        adb_server.phones()
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "many")
    with pytest.raises(EcbsrError, match="must be a port number"):
        adb_server.phones()


def test_list_reads_every_form_of_line() -> None:
    text = (
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully\nList of devices attached\r\n"
        "R58M123ABC             device usb:1-1 product:a model:SM_G991B device:o1s transport_id:1\r\n"
        "emulator 5554          offline transport_id:2\n"
        "0123456789ABCDEF       no permissions (missing udev rules? user is in the plugdev group); see [http://x]\n"
        "192.168.1.7:5555       unauthorized transport_id:4\n\n"
    )
    assert [(phone.serial, phone.state, phone.model) for phone in adb_server.parse_devices(text)] == [
        ("R58M123ABC", "device", "SM G991B"),
        ("emulator 5554", "offline", ""),
        ("0123456789ABCDEF", "no permissions", ""),
        ("192.168.1.7:5555", "unauthorized", ""),
    ]


def test_a_phone_without_a_serial_of_its_own_is_named_by_its_usb_path() -> None:
    """Lines as AOSP's `append_transport` (adb/transport.cpp) prints them; adb finds a phone by both."""
    text = (
        "List of devices attached\n"
        "(no serial number)     device usb:3-4.1 product:a model:A_Phone device:a transport_id:1\n"
        "????????????           no permissions (missing udev rules?); see [http://x] usb:1-7 transport_id:2\n"
        "0123456789ABCDEF       device usb:1-1 product:a model:B device:b transport_id:3\n"
        "0123456789ABCDEF       unauthorized usb:1-2 transport_id:4\n"
        "(no serial number)     offline transport_id:5\n"
    )
    assert [(phone.serial, phone.state, phone.model) for phone in adb_server.parse_devices(text)] == [
        ("usb:3-4.1", "device", "A Phone"),
        ("usb:1-7", "no permissions", ""),
        ("usb:1-1", "device", "B"),
        ("usb:1-2", "unauthorized", ""),
        ("(no serial number)", "offline", ""),
    ]


@pytest.mark.slow
def test_six_phones_start_one_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path, tool: str, new_device: Callable[..., Device]
) -> None:
    phones = [new_device() for _ in range(6)]
    program, calls = tmp_path / "programs/adb", tmp_path / "calls"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {calls}\nexec {adb.adb_path()} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with private_adb(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        results = android_bench.bench(
            [model], devices=[phone.serial for phone in phones], sizes=["24x16"], rounds=1, tool=tool, limits=QUICK
        )
    assert [row.status for row in results.results] == ["ok"] * 6, results.failures
    assert calls.read_text().splitlines().count("start-server") == 1
