"""Running one program with a time limit, such that an interrupt leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

SLICE = 0.1  # seconds between two looks at the stop flag


class Cancelled(Exception):
    """The session is being ended; whoever waits gives up."""


class TimedOut(Exception):
    """A program did not end within its limit and was killed. `out` and `err` hold what it had printed."""

    def __init__(self, out: bytes, err: bytes) -> None:
        super().__init__("no end within the limit")
        self.out, self.err = out, err


@dataclass(frozen=True)
class Completed:
    """How a program ended: its exit code (negative: the signal that ended it) and its two streams."""

    code: int
    out: bytes
    err: bytes


def run(
    command: Sequence[str], limit: float, stop: threading.Event, environment: Mapping[str, str] | None = None
) -> Completed:
    """Run `command` to its end and return what it printed.

    Raises:
        TimedOut: after `limit` seconds. The program and its children are gone.
        Cancelled: `stop` was set meanwhile. The program and its children are gone.
        OSError: the program cannot be started.
    """
    if stop.is_set():
        raise Cancelled
    # A session of its own: the terminal's Ctrl-C reaches this program alone, which then decides.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    end = time.monotonic() + limit
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                out, err = process.communicate(timeout=SLICE)
                return Completed(process.returncode, out, err)
            if stop.is_set():
                raise Cancelled
            if time.monotonic() > end:
                raise TimedOut(*_killed(process))
    finally:
        if process.returncode is None:
            _killed(process)


def _killed(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    try:
        return process.communicate(timeout=5)
    except subprocess.TimeoutExpired as expired:  # a grandchild that left the group holds the pipe open
        return expired.output or b"", expired.stderr or b""
