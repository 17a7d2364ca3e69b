"""Fetching a file: limited in bytes and time, never redirected away from https, and ended at once on an interrupt.

Where nobody publishes a hash, that of the first download is kept in a record beside the file.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..errors import EcbsrError
from . import subprocess_runner
from .files import write_bytes
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


@dataclass(frozen=True)
class Record:
    """What is kept of a download: where it came from, its SHA-256 in hexadecimal digits, and its age by the server."""

    address: str = ""
    sha256: str = ""
    last_modified: str = ""


def read_record(path: Path) -> Record:
    """The record in a file; empty texts where there is none."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Record(**{field.name: str(stored.get(field.name) or "") for field in fields(Record)})
    except (OSError, ValueError, AttributeError, RecursionError):
        return Record()


def write_record(path: Path, record: Record) -> None:
    """Write a record for `read_record`.

    Raises:
        EcbsrError: it cannot be written.
    """
    write_bytes(path, json.dumps(asdict(record)).encode())


def is_intact(path: Path, sha256: str) -> bool:
    """Whether there is a file with this SHA-256, in hexadecimal digits."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


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
