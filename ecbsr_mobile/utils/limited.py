"""Run a program in a folder of its own with limits on its time, its memory and its files (POSIX)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import subprocess_runner

# Output goes to files of limited size: through a pipe, a program that prints without end would fill our memory.
_SCRIPT = 'cd "$1" && ulimit -c 0 && ulimit "$2" "$3" && ulimit -f "$4" && shift 4 && exec "$@" >out 2>err'


@dataclass(frozen=True)
class Limits:
    """Limits of one process.

    Attributes:
        memory_bytes: of memory.
        file_bytes: of each file that it writes.
        address_space: whether `memory_bytes` bounds the address space; else the writable memory, which suits drivers
            that reserve more addresses than they use.
    """

    memory_bytes: int
    file_bytes: int = 2**28
    address_space: bool = True


def run(
    command: Sequence[str],
    folder: Path,
    seconds: float,
    limits: Limits,
    environment: Mapping[str, str],
    stop: threading.Event | None = None,
) -> tuple[int, bytes, bytes]:
    """Run a program in `folder`: its exit code (negative: the signal), standard output and standard error.

    Raises:
        TimedOut: it did not end in `seconds`.
        Canceled: `stop` was set meanwhile.
    """
    flag = "-v" if limits.address_space else "-d"
    arguments = [str(folder), flag, str(limits.memory_bytes // 2**10), str(limits.file_bytes // 512)]
    limited = ["/bin/sh", "-c", _SCRIPT, "sh", *arguments, *command]
    completed = subprocess_runner.run(limited, seconds, stop or threading.Event(), environment)
    return completed.code, content(folder / "out"), content(folder / "err")


def content(path: Path) -> bytes:
    """The content of a file; empty where there is none."""
    return path.read_bytes() if path.exists() else b""
