"""The adb client: one class runs every command for one phone.

The `adb` program itself is used: it speaks every version of the protocol, it can be killed at a time limit, and
its commands can be pasted into a shell. It is the one on the PATH, so that a running server of the same version is
shared, or else the one in the `adbutils` package.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.text import last_line

from ..config import Limits

ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]):\d{1,5}")
WIRELESS_DEBUGGING = re.compile(r".+\._adb(?:-tls-connect)?\._tcp\.?")
"""The serial of a phone that adb has found on the network and connected to, as Android 11 and later offer."""

# The exit status of the shell is sent in its output: the failures of adb and of the command share exit code 1,
# and phones before Android 7 send no status.
_PRINT_STATUS = 's=$?; echo; echo "@exit $s"'
_STATUS = re.compile(rb"\r?\n@exit (\d+)\r?\n$")

_DISCONNECTED = re.compile(
    r"device '.*' not found|device .* not found|device offline|no devices/emulators|error: closed|protocol fault"
    r"|cannot connect to daemon|failed to read copy response|connect failed|Connection (?:reset|refused)|Broken pipe"
    r"|device still (?:authorizing|connecting)|failed to get feature set|read failed|EOF|couldn't read from device",
    re.IGNORECASE,
)

ADVICE = {
    "device": "",
    "unauthorized": "unlock it and allow USB debugging on its screen",
    "authorizing": "wait, or allow USB debugging on its screen",
    "offline": "plug it in again, or adb reconnect",
    "detached": "adb attach",
    "no permissions": "give this user access to USB (udev rules)",
}
"""The states of a phone that adb reports, and what to do about them."""


class AdbError(EcbsrError):
    """An adb command failed; the message names the phone."""


class AdbTimeout(AdbError):
    """An adb command did not end within its limit and was killed; `out` and `err` are what it had printed."""

    def __init__(self, message: str, out: str = "", err: str = "") -> None:
        super().__init__(message)
        self.out, self.err = out, err


class PhoneLost(AdbError):
    """The phone, or the adb server, disconnected during a command."""


@dataclass(frozen=True)
class ShellResult:
    """The exit code and the output of a shell command on the phone."""

    code: int
    out: str
    err: str


def adb_path() -> str:
    """The path of the adb program.

    Raises:
        EcbsrError: there is none.
    """
    on_path = shutil.which("adb")
    if on_path:
        return on_path
    package = importlib.util.find_spec("adbutils")  # located, not imported: the import takes half a second
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "binaries" / ("adb.exe" if os.name == "nt" else "adb")
        if path.is_file():
            return str(path)
    raise EcbsrError("there is no adb on this machine; install Android's platform-tools, or pip install adbutils")


class Adb:
    """Runs adb commands for the phone `serial`.

    Args:
        serial: the serial, or HOST:PORT for a phone on the network.
        stop: ends a running command with `Canceled` when it is set.
        limit: seconds that a command may take where its method names no other limit.
    """

    def __init__(self, serial: str, stop: threading.Event | None = None, limit: float = Limits.command) -> None:
        self.serial = serial
        self.stop = stop or threading.Event()
        self.limit = limit
        self.program = self._find_program()

    @property
    def is_network(self) -> bool:
        """Whether the phone is connected by the network: its serial is HOST:PORT, or that of wireless debugging."""
        return bool(ADDRESS.fullmatch(self.serial) or WIRELESS_DEBUGGING.fullmatch(self.serial))

    def shell(self, script: str, limit: float | None = None) -> ShellResult:
        """Run a script in the shell of the phone; the caller quotes its arguments.

        Raises:
            AdbTimeout: not finished within the limit; the script may still be running on the phone.
            PhoneLost: the phone disconnected before the script ended.
        """
        command = self._command("shell", self._with_status(script))
        ended = self._run(command, limit)
        status = _STATUS.search(ended.out)
        if status is None:
            raise self._failure(command, ended)
        out = ended.out[: status.start()].decode(errors="replace")
        return ShellResult(int(status[1]), out, ended.err.decode(errors="replace"))

    def shell_output(self, script: str) -> str:
        """The output of a script, which must succeed.

        Raises:
            AdbError: it fails; also what `shell` raises.
        """
        result = self.shell(script)
        if result.code:
            reason = last_line(result.err or result.out, "no message")
            raise AdbError(f"{self.serial}: {script!r} failed with exit code {result.code}: {reason}")
        return result.out

    def push(self, local: Path, remote: str, limit: float) -> None:
        """Copy a file to the phone.

        Raises:
            AdbError: the phone refuses it, for example because it has no space left; also what `shell` raises.
        """
        self._copy(["push", str(local), remote], limit)

    def pull(self, remote: str, local: Path, limit: float) -> None:
        """Copy a file from the phone.

        Raises:
            AdbError: there is no such file; also what `shell` raises.
        """
        self._copy(["pull", remote, str(local)], limit)

    def state(self) -> str:
        """The state that adb reports: "device" where the phone is ready, "" where adb does not see it.

        Raises:
            AdbError: adb gives another reason.
        """
        ended = self._run(self._command("get-state"))
        if ended.code == 0:
            return ended.out.decode(errors="replace").strip()
        error = ended.err.decode(errors="replace")
        known = re.search(r"device (unauthorized|offline|still authorizing|still connecting)", error)
        if known:
            return known[1].removeprefix("still ")
        if re.search(r"insufficient permissions|no permissions", error):
            return "no permissions"
        if re.search(r"not found|no devices/emulators", error):
            return ""
        reason = error.strip().splitlines() or [f"exit code {ended.code}"]
        advice = "; ecbsr-bench --list shows a name for each" if "more than one device" in error else ""
        raise AdbError(f"adb cannot use {self.serial}: {reason[0].removeprefix('error: ')}{advice}")

    def _is_ready(self) -> bool:
        with suppress(AdbError):
            return self.state() == "device"
        return False

    def connect(self) -> None:
        """Connect to a phone whose serial is HOST:PORT; does nothing for others, which adb finds without help.

        The exit code of adb is 0 even for a dead address, so only `state` tells whether the phone is connected.
        """
        if not ADDRESS.fullmatch(self.serial):
            return
        state = self.state()
        if state == "offline":  # "adb connect" treats it as connected
            self._run([self.program, "disconnect", self.serial])
        if state != "device":
            self._run([self.program, "connect", self.serial])

    def _find_program(self) -> str:
        return adb_path()

    @staticmethod
    def _with_status(script: str) -> str:
        return f"({script}\n); {_PRINT_STATUS}"

    def _command(self, *arguments: str) -> list[str]:
        return [self.program, "-s", self.serial, *arguments]

    def _run(self, command: Sequence[str], limit: float | None = None) -> subprocess_runner.Completed:
        seconds = self.limit if limit is None else limit
        try:
            return subprocess_runner.run(command, seconds, self.stop)
        except subprocess_runner.TimedOut as timeout:
            out, err = timeout.out.decode(errors="replace"), timeout.err.decode(errors="replace")
            message = f"{self.serial}: {shortened(command)} did not end within {seconds:g} s"
            raise AdbTimeout(message, out, err) from None
        except OSError as error:
            raise AdbError(f"adb cannot be started: {self.program}: {error.strerror}") from None

    def _copy(self, arguments: Sequence[str], limit: float) -> None:
        command = self._command(*arguments)
        ended = self._run(command, limit)
        if ended.code:
            raise self._failure(command, ended)

    def _failure(self, command: Sequence[str], ended: subprocess_runner.Completed) -> AdbError:
        out, err = ended.out.decode(errors="replace"), ended.err.decode(errors="replace")
        # A refused push also prints its transfer rate, which can be the last line.
        errors = [line for line in (out + "\n" + err).splitlines() if line.startswith("adb: error: ")]
        reason = last_line(errors[-1] if errors else err.strip() or out, f"exit code {ended.code}")
        reason = reason.removeprefix("adb: ").removeprefix("error: ")
        if "shell" in command and not err.strip():  # adb says nothing, and the output is that of the phone
            reason = f"the connection ended after {last_line(out)!r}" if out.strip() else "the connection ended"
        # A shell without an exit status was disconnected, whatever message adb gives.
        lost = "shell" in command or _DISCONNECTED.search(err + out) or not self._is_ready()
        kind = PhoneLost if lost else AdbError
        if "unauthorized" in err:
            kind, reason = AdbError, f"the phone does not trust this computer: {ADVICE['unauthorized']}"
        return kind(f"{self.serial}: {reason}")


def shortened(command: Sequence[str]) -> str:
    """The command for a message, at most 100 characters."""
    text = " ".join(["adb", *(shlex.quote(part) for part in command[1:])])
    return text if len(text) <= 100 else text[:97] + "..."
