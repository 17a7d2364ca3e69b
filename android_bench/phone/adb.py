"""adb: one class owns every command for one phone.

The plain `adb` client is used, as a program: it speaks every version of the protocol, it can be given a
time limit and be killed, and what it runs can be pasted into a shell. It is the one on the PATH, so that
a running server of the same version is shared, or the one that comes with the `adbutils` package.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner

COMMAND_LIMIT = 20.0  # seconds; a busy phone answers a question within a few
SERVER_PORT = 5037
NETWORK_SERIAL = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}")

# The shell's exit status travels in the output: adb's own failures share exit code 1 with the command's,
# and phones before Android 7 send no status at all.
_SENTINEL = "printf '\\n@exit %d\\n' $?"
_STATUS = re.compile(rb"\r?\n@exit (\d+)\r?\n$")

_GONE = re.compile(
    r"device '.*' not found|device .* not found|device offline|no devices/emulators|error: closed|protocol fault"
    r"|cannot connect to daemon|failed to read copy response|connect failed|Connection (?:reset|refused)|Broken pipe"
    r"|device still (?:authorizing|connecting)|failed to get feature set|read failed|EOF|couldn't read from device",
    re.IGNORECASE,
)
_STATES = "device|offline|unauthorized|authorizing|connecting|recovery|rescue|sideload|bootloader|host|no permissions"
_LISTED = re.compile(rf"^(?P<serial>.+?)\s+(?P<state>{_STATES})\b(?P<rest>.*)$")

ADVICE = {
    "device": "",
    "unauthorized": "unlock it and allow USB debugging on its screen",
    "authorizing": "wait, or allow USB debugging on its screen",
    "offline": "plug it in again, or adb reconnect",
    "no permissions": "give this user access to USB (udev rules)",
}


class AdbError(EcbsrError):
    """An adb command failed. Carries the command, both streams, the exit code (None: none) and the serial."""

    def __init__(
        self,
        message: str,
        *,
        command: Sequence[str] = (),
        streams: tuple[str, str] = ("", ""),
        code: int | None = None,
        serial: str = "",
    ) -> None:
        super().__init__(message)
        self.command, self.code, self.serial = tuple(command), code, serial
        self.out, self.err = streams


class AdbTimeout(AdbError):
    """An adb command did not end within its limit and was killed."""


class PhoneLost(AdbError):
    """The phone, or the adb server before it, went away during a command."""


@dataclass(frozen=True)
class ListedDevice:
    """A phone as adb lists it; `advice` says what to do where it is not ready."""

    serial: str
    state: str
    model: str
    advice: str


@dataclass(frozen=True)
class Answer:
    """How a command on the phone ended."""

    code: int
    out: str
    err: str


def binary() -> str:
    """The adb program.

    Raises:
        EcbsrError: there is none.
    """
    found = shutil.which("adb")
    if found:
        return found
    package = importlib.util.find_spec("adbutils")  # found, not imported: that would take half a second
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "binaries" / ("adb.exe" if os.name == "nt" else "adb")
        if path.is_file():
            return str(path)
    raise EcbsrError("there is no adb on this machine; install Android's platform-tools, or pip install adbutils")


class Adb:
    """Commands for the phone `serial`. Every call has a limit in seconds, and ends when `stop` is set.

    With `record`, commands are handed to it instead of being run, and each answers with success and nothing.
    """

    def __init__(
        self, serial: str, stop: threading.Event | None = None, record: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        self.serial = serial
        self.stop = stop or threading.Event()
        self.record = record
        self.binary = binary() if record is None else "adb"

    def shell(self, script: str, limit: float = COMMAND_LIMIT) -> Answer:
        """Run a script in the phone's shell; arguments in it are the caller's to quote.

        Raises:
            AdbTimeout: no end within the limit; what runs on the phone may still run.
            PhoneLost: the phone went away before the script ended.
        """
        command = self._command("shell", f"({script}\n); {_SENTINEL}")
        done = self._call(command, limit)
        if self.record is not None:
            return Answer(0, "", "")
        status = _STATUS.search(done.out)
        if status is None:
            raise self._failure(command, done)
        out = done.out[: status.start()].decode(errors="replace")
        return Answer(int(status[1]), out, done.err.decode(errors="replace"))

    def ask(self, script: str, limit: float = COMMAND_LIMIT) -> str:
        """What a script prints; it must succeed.

        Raises:
            AdbError: it fails, with what it said; also what `shell` raises.
        """
        answer = self.shell(script, limit)
        if answer.code:
            said = (answer.err or answer.out).strip().splitlines()
            raise AdbError(
                f"{self.serial}: {script!r} failed with exit code {answer.code}: {said[-1] if said else 'no message'}",
                command=self._command("shell", script),
                streams=(answer.out, answer.err),
                code=answer.code,
                serial=self.serial,
            )
        return answer.out

    def push(self, local: Path, remote: str, limit: float) -> None:
        """Copy a file to the phone.

        Raises:
            AdbError: the phone refuses it, e.g. for want of space; also what `shell` raises.
        """
        self._copy(["push", str(local), remote], limit)

    def pull(self, remote: str, local: Path, limit: float) -> None:
        """Copy a file from the phone.

        Raises:
            AdbError: there is no such file; also what `shell` raises.
        """
        self._copy(["pull", remote, str(local)], limit)

    def state(self) -> str:
        """What adb says about the phone: "device" when it is ready; "" when it does not see it."""
        if self.record is not None:
            return "device"
        done = self._call(self._command("get-state"), COMMAND_LIMIT)
        said = done.err.decode(errors="replace")
        if done.code == 0:
            return done.out.decode(errors="replace").strip()
        known = re.search(r"device (unauthorized|offline|still authorizing|still connecting)", said)
        return known[1].removeprefix("still ") if known else ""

    def connect(self) -> None:
        """Reach a phone on the network, where the serial is HOST:PORT; nothing for others.

        adb's exit code is 0 even for a dead address, so success shows in `state` alone.
        """
        if not NETWORK_SERIAL.fullmatch(self.serial):
            return
        state = "" if self.record is not None else self.state()
        if state == "offline":  # adb connect would call that connected
            self._call([self.binary, "disconnect", self.serial], COMMAND_LIMIT)
        if state != "device":
            self._call([self.binary, "connect", self.serial], COMMAND_LIMIT)

    def _command(self, *arguments: str) -> list[str]:
        return [self.binary, "-s", self.serial, *arguments]

    def _call(self, command: Sequence[str], limit: float) -> subprocess_runner.Completed:
        if self.record is not None:
            self.record(command)
            return subprocess_runner.Completed(0, b"", b"")
        try:
            return subprocess_runner.run(command, limit, self.stop)
        except subprocess_runner.TimedOut as late:
            streams = late.out.decode(errors="replace"), late.err.decode(errors="replace")
            message = f"{self.serial}: {_short(command)} did not end within {limit:g} s"
            raise AdbTimeout(message, command=command, streams=streams, serial=self.serial) from None
        except OSError as error:
            raise AdbError(f"adb cannot be started: {self.binary}: {error.strerror}", command=command) from None

    def _copy(self, arguments: Sequence[str], limit: float) -> None:
        command = self._command(*arguments)
        done = self._call(command, limit)
        if done.code:
            raise self._failure(command, done)

    def _failure(self, command: Sequence[str], done: subprocess_runner.Completed) -> AdbError:
        out, err = done.out.decode(errors="replace"), done.err.decode(errors="replace")
        said = (err.strip() or out.strip()).splitlines()
        reason = said[-1].removeprefix("adb: ").removeprefix("error: ") if said else f"exit code {done.code}"
        # A shell that ended without its status was cut off, whatever adb says about it.
        kind = PhoneLost if "shell" in command or _GONE.search(err + out) or self.state() != "device" else AdbError
        if "unauthorized" in err:
            kind, reason = AdbError, f"the phone does not trust this computer: {ADVICE['unauthorized']}"
        return kind(f"{self.serial}: {reason}", command=command, streams=(out, err), code=done.code, serial=self.serial)


def phones() -> tuple[ListedDevice, ...]:
    """The phones that adb sees, ready or not.

    Raises:
        EcbsrError: there is no adb, or its server cannot be used.
    """
    ensure_server()
    done = _plain(["devices", "-l"])
    return tuple(listed(done.out.decode(errors="replace")))


def listed(text: str) -> list[ListedDevice]:
    """Read the output of `adb devices -l`."""
    found = []
    for line in text.replace("\r", "").splitlines():
        match = _LISTED.match(line)
        if match and not line.startswith(("List of devices", "*")):
            model = re.search(r"\bmodel:(\S+)", match["rest"])
            name = model[1].replace("_", " ") if model else ""
            found.append(ListedDevice(match["serial"], match["state"], name, ADVICE.get(match["state"], "")))
    return found


def ensure_server() -> None:
    """See that an adb server runs, and that it is of this client's version.

    A client that meets a server of another version kills it, and with it the work of whoever uses it: that
    is refused here.

    Raises:
        EcbsrError: a remote server does not answer, the versions differ, or no server can be started.
    """
    address = _server_address()
    if address is None:
        return  # a form of ADB_SERVER_SOCKET that only adb itself understands
    host, port = address
    version = _server_version(host, port)
    if version is None:
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise EcbsrError(f"no adb server answers at {host}:{port}; start it there: adb -a nodaemon server start")
        _plain(["start-server"])
        version = _server_version(host, port)
    if version is None:
        raise EcbsrError(f"the adb server at {host}:{port} does not answer; try {binary()} start-server")
    ours = re.search(rb"version \d+\.\d+\.(\d+)", _plain(["version"]).out)
    if ours and int(ours[1]) != version:
        raise EcbsrError(
            f"the adb server at {host}:{port} has version {version}, {binary()} has {int(ours[1])}: using both would "
            f"end that server and what others do with it; put its adb first on the PATH, or stop it: adb kill-server"
        )


def _plain(arguments: Sequence[str]) -> subprocess_runner.Completed:
    command = [binary(), *arguments]
    try:
        done = subprocess_runner.run(command, COMMAND_LIMIT, threading.Event())
    except subprocess_runner.TimedOut:
        raise AdbTimeout(f"{_short(command)} did not end within {COMMAND_LIMIT:g} s", command=command) from None
    except OSError as error:
        raise EcbsrError(
            f"adb cannot be started: {command[0]}: {error.strerror}; install one for this machine"
        ) from None
    if done.code:
        said = (done.err or done.out).decode(errors="replace").strip().splitlines()
        raise AdbError(f"{_short(command)} failed: {said[-1] if said else f'exit code {done.code}'}", command=command)
    return done


def _server_address() -> tuple[str, int] | None:
    """Where the server is, by the variables that adb itself reads."""
    url = os.environ.get("ADB_SERVER_SOCKET")
    if url:
        match = re.fullmatch(r"tcp:(?:(.+):)?(\d+)", url)
        return ((match[1] or "127.0.0.1").strip("[]"), int(match[2])) if match else None
    host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS", "127.0.0.1")
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", str(SERVER_PORT))
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise EcbsrError(f"ANDROID_ADB_SERVER_PORT is {port!r}; it must be a port number")
    return host, int(port)


def _server_version(host: str, port: int) -> int | None:
    """The version that a server states; None where none answers."""
    request = b"host:version"
    for _ in range(3):  # a server that has just been started may not listen yet
        with suppress(OSError, ValueError), socket.create_connection((host, port), timeout=5) as connection:
            connection.sendall(b"%04x" % len(request) + request)
            answer = b""
            while len(answer) < 12 and (part := connection.recv(64)):
                answer += part
            if answer.startswith(b"OKAY"):
                return int(answer[8:12], 16)
        if host not in ("127.0.0.1", "localhost", "::1"):
            break
        time.sleep(0.05)
    return None


def _short(command: Sequence[str]) -> str:
    text = " ".join(["adb", *(shlex.quote(part) for part in command[1:])])
    return text if len(text) <= 100 else text[:97] + "..."
