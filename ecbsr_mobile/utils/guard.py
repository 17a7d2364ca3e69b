"""What a killed process leaves behind: its programs are ended, and its temporary files deleted, by a small process.

That process (`guard_worker`) starts with the first program or temporary file and reads a pipe, which the operating
system closes when this process ends. Without POSIX, or where it cannot be started, nothing is guarded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .signals import uninterrupted

WORKER = Path(__file__).with_name("guard_worker.py")

_starting = threading.Lock()
_worker: subprocess.Popen[bytes] | None = None
_pipe: int | None = None


@contextmanager
def program(group: int) -> Iterator[None]:
    """Kill a process group if this process ends within the context."""
    _tell("+", "program", group)
    try:
        yield
    finally:
        _tell("-", "program", group)


@contextmanager
def path(name: str | os.PathLike[str]) -> Iterator[None]:
    """Delete a temporary file or folder if this process ends within the context."""
    _tell("+", "path", os.fspath(name))
    try:
        yield
    finally:
        _tell("-", "path", os.fspath(name))


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A `TemporaryDirectory` that is also deleted if this process is killed."""

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        with uninterrupted():
            super().__init__(prefix=prefix, dir=parent)
            _tell("+", "path", self.name)

    def cleanup(self) -> None:
        """Delete the folder."""
        super().cleanup()
        _tell("-", "path", self.name)


def _tell(sign: str, kind: str, value: int | str) -> None:
    pipe = _start()
    if pipe is not None:
        with suppress(OSError):  # somebody ended the worker: then nothing is guarded
            os.write(pipe, json.dumps([sign, kind, value]).encode() + b"\n")


def _start() -> int | None:
    """The pipe to the worker, which is started by the first call."""
    global _worker, _pipe  # noqa: PLW0603  # one for the process
    with _starting:
        if _worker is None and os.name == "posix":
            with suppress(OSError):
                # In a session and a folder of its own, so that no signal to this process's group ends it and it keeps
                # no disk busy.
                _worker = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(WORKER.resolve())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                    bufsize=0,
                )
                assert _worker.stdin is not None
                with _worker.stdin:
                    _pipe = os.dup(_worker.stdin.fileno())
                _worker.returncode = 0  # it outlives this process: Python would warn that nobody waits for it
    return _pipe
