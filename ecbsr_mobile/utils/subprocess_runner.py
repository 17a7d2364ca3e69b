"""Running programs, so that none keeps running after an interrupt, a time limit or the end of this process."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from . import guard
from .signals import uninterrupted

POLL_SECONDS = 0.1
"""How often `stop` is checked while a program runs."""


class Canceled(Exception):
    """`stop` was set while a program ran."""


class TimedOut(Exception):
    """A program was killed after its time limit; `out` and `err` are what it had printed."""

    def __init__(self, out: bytes, err: bytes) -> None:
        super().__init__("did not end within the time limit")
        self.out, self.err = out, err


@dataclass(frozen=True)
class Completed:
    """The exit code of a program (negative: the signal that ended it) and what it printed."""

    code: int
    out: bytes
    err: bytes


@contextmanager
def started(
    command: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in `folder`; leaving the context kills it and its children if it still runs.

    Raises:
        OSError: the program cannot be started.
    """
    with ExitStack() as stack:
        with uninterrupted():  # from its start on, somebody ends it
            # In a new session, so that Ctrl-C in the terminal reaches only this process, which then decides.
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
            stack.enter_context(guard.program(process.pid))
            stack.callback(_end, process)
        yield process


def run(
    command: Sequence[str],
    limit: float,
    stop: threading.Event,
    environment: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> Completed:
    """Run `command` to its end; `content` is its standard input.

    Raises:
        TimedOut: after `limit` seconds; the program and its children are killed.
        Canceled: `stop` was set; the program and its children are killed.
        OSError: the program cannot be started.
    """
    if stop.is_set():
        raise Canceled
    end = time.monotonic() + limit
    # A file without a name, since `communicate` does not go on sending after a timeout.
    with ExitStack() as stack:
        stdin = subprocess.DEVNULL
        if content is not None:
            file = stack.enter_context(tempfile.TemporaryFile())
            file.write(content)
            file.seek(0)
            stdin = file.fileno()
        process = stack.enter_context(started(command, stdin=stdin, environment=environment))
        while True:
            with suppress(subprocess.TimeoutExpired):
                out, err = process.communicate(timeout=POLL_SECONDS)
                return Completed(process.returncode, out, err)
            if stop.is_set():
                raise Canceled
            if time.monotonic() > end:
                raise TimedOut(*_killed(process))


def _end(process: subprocess.Popen[bytes]) -> None:
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
    except subprocess.TimeoutExpired as expired:  # a grandchild outside of the process group keeps the pipe open
        return expired.output or b"", expired.stderr or b""
    except (OSError, ValueError):  # unsent input
        return b"", b""
