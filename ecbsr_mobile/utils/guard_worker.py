"""Ends the programs and deletes the temporary files of another process once that has ended; started by `guard`.

    python -I -S guard_worker.py

Standard input holds one JSON array per line: "+" or "-", "program" or "path", and a process group or a path. It ends
when the other process does, however that ends. It imports only the standard library.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress

TRIES, PAUSE = 50, 0.1  # a program that was killed may write for a moment


def main() -> None:
    """Keep what is on the list, and clear it at the end of the input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whatever ends the other process, this one is still needed
    left: dict[str, set[object]] = {"program": set(), "path": set()}
    for line in sys.stdin.buffer:
        with suppress(ValueError):
            sign, kind, value = json.loads(line)
            (left[kind].add if sign == "+" else left[kind].discard)(value)
    for group in left["program"]:
        with suppress(OSError):
            os.killpg(int(str(group)), signal.SIGKILL)
    for path in left["path"]:
        remove(str(path))


def remove(path: str) -> None:
    """Delete a file, or a folder with its content."""
    for _ in range(TRIES):
        with suppress(OSError):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        if not os.path.lexists(path):
            return
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
