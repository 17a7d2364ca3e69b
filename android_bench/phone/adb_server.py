"""The adb server: its version, and the phones that it lists."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.text import last_line

from ..config import Limits
from .adb import ADVICE, AdbError, AdbTimeout, adb_path, shortened

DEFAULT_PORT = 5037
LOCAL = ("127.0.0.1", "localhost", "::1")
START_TRIES = 3  # a server that was just started may not listen yet

_starting = threading.Lock()  # phones run in threads, and of two servers that start at once one ends the other
_STATES = "device|offline|unauthorized|authorizing|connecting|no permissions"
_STATES += "|detached|recovery|rescue|sideload|bootloader|host"
_NO_SERIAL = re.compile(r"\(no serial number\)|\?+")
_LISTED = re.compile(rf"^(?P<serial>.+?)\s+(?P<state>{_STATES})\b(?P<rest>.*)$")


@dataclass(frozen=True)
class ListedDevice:
    """A phone in the list of adb; `advice` is what to do if it is not ready."""

    serial: str
    state: str
    model: str
    advice: str


def phones() -> tuple[ListedDevice, ...]:
    """The phones that adb sees, ready or not.

    Raises:
        EcbsrError: there is no adb, or its server cannot be used.
    """
    ensure_server()
    return tuple(parse_devices(_adb(["devices", "-l"]).out.decode(errors="replace")))


def parse_devices(text: str) -> list[ListedDevice]:
    """Parse the output of `adb devices -l`.

    A phone without a serial, or with that of another one, has its USB path instead, which adb takes for a serial, too.
    """
    lines = [line for line in text.splitlines() if not line.startswith(("List of devices", "*"))]
    matches = [match for match in map(_LISTED.match, lines) if match]
    counts = Counter(match["serial"] for match in matches)
    devices = []
    for match in matches:
        serial, state = match["serial"], match["state"]
        path = re.search(r"(?<!\S)usb:\S+", match["rest"])
        if path and (counts[serial] > 1 or _NO_SERIAL.fullmatch(serial)):
            serial = path[0]
        model = re.search(r"\bmodel:(\S+)", match["rest"])
        devices.append(ListedDevice(serial, state, model[1].replace("_", " ") if model else "", ADVICE.get(state, "")))
    return devices


def ensure_server() -> None:
    """Start an adb server where none runs, and check that it has the version of this client.

    A client that meets a server of another version kills it and the work of everyone who uses it: such a server is
    refused here.

    Raises:
        EcbsrError: a remote server does not answer, the versions differ, or no server can be started.
    """
    address = _server_address()
    if address is not None:
        with _starting:
            _ensure_server(*address)


def _ensure_server(host: str, port: int) -> None:
    version = _server_version(host, port)
    if version is None:
        if host not in LOCAL:
            raise EcbsrError(f"no adb server answers at {host}:{port}; start it there: adb -a nodaemon server start")
        _adb(["start-server"])
        version = _server_version(host, port)
    if version is None:
        raise EcbsrError(f"the adb server at {host}:{port} does not answer; try {adb_path()} start-server")
    client = re.search(rb"version \d+\.\d+\.(\d+)", _adb(["version"]).out)
    if client and int(client[1]) != version:
        raise EcbsrError(
            f"the adb server at {host}:{port} has version {version}, {adb_path()} has {int(client[1])}: using both "
            f"would end that server and everything that uses it; put the server's adb first on the PATH, or stop the "
            f"server: adb kill-server"
        )


def _adb(arguments: Sequence[str]) -> subprocess_runner.Completed:
    command = [adb_path(), *arguments]
    try:
        ended = subprocess_runner.run(command, Limits.command, threading.Event())
    except subprocess_runner.TimedOut:
        raise AdbTimeout(f"{shortened(command)} did not end within {Limits.command:g} s") from None
    except OSError as error:
        message = f"adb cannot be started: {command[0]}: {error.strerror}; install one for this machine"
        raise EcbsrError(message) from None
    if ended.code:
        reason = last_line(ended.err or ended.out, f"exit code {ended.code}")
        raise AdbError(f"{shortened(command)} failed: {reason}")
    return ended


def _server_address() -> tuple[str, int] | None:
    """Host and port of the server, from the environment variables that adb reads; None if only adb can parse them."""
    url = os.environ.get("ADB_SERVER_SOCKET")
    if url:
        match = re.fullmatch(r"tcp:(?:(.+):)?(\d+)", url)
        return ((match[1] or "127.0.0.1").strip("[]"), int(match[2])) if match else None
    host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS", "127.0.0.1")
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", str(DEFAULT_PORT))
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise EcbsrError(f"ANDROID_ADB_SERVER_PORT is {port!r}; it must be a port number")
    return host, int(port)


def _server_version(host: str, port: int) -> int | None:
    """The version that the server reports; None where no server answers."""
    request = b"host:version"
    for _ in range(START_TRIES):
        with suppress(OSError, ValueError), socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(b"%04x" % len(request) + request)
            answer = b""
            while len(answer) < 12 and (part := connection.recv(64)):
                answer += part
            if answer.startswith(b"OKAY"):
                return int(answer[8:12], 16)
        if host not in LOCAL:
            break
        time.sleep(0.05)
    return None
