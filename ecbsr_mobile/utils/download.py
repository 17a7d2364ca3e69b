"""Fetching a file: limited in bytes and time, never redirected away from https, and ended at once on an interrupt."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import EcbsrError
from . import subprocess_runner
from .text import last_line, printable

WORKER = Path(__file__).with_name("download_worker.py")


@dataclass(frozen=True)
class Downloaded:
    """What arrived: its size, its SHA-256 in hexadecimal digits, and the headers of the answer as (name, value)."""

    bytes: int
    sha256: str
    headers: Sequence[tuple[str, str]]

    def header(self, name: str) -> str:
        """The values of a header, separated by commas; "" if it is missing."""
        return ",".join(value for key, value in self.headers if key.lower() == name.lower())


def fetch(address: str, path: Path, *, max_bytes: int, seconds: float, stop: threading.Event) -> Downloaded:
    """Fetch `address` into the file `path`, which may be incomplete after an error.

    Raises:
        EcbsrError: it cannot be fetched, has more than `max_bytes` bytes, or did not arrive within `seconds`.
        Canceled: `stop` was set.
    """
    command = [sys.executable, "-P", str(WORKER), address, str(path), str(max_bytes)]
    try:
        ended = subprocess_runner.run(command, seconds, stop)
    except subprocess_runner.TimedOut:
        raise EcbsrError(f"cannot download {address}: it did not arrive within {seconds:g} s") from None
    if ended.code:
        raise EcbsrError(f"cannot download {address}: {last_line(ended.err, f'exit code {ended.code}')}")
    outcome = json.loads(ended.out)
    if "error" in outcome:
        raise EcbsrError(f"cannot download {address}: {printable(outcome['error'], 200)}")
    return Downloaded(outcome["bytes"], outcome["sha256"], [tuple(header) for header in outcome["headers"]])
