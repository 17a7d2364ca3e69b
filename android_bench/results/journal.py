"""The folder of a session with its journal, `runs.jsonl`.

The first line of the journal holds the options and the models; each further line is one run, device, check,
profile or energy. Lines are only appended, so an interruption loses nothing that was measured.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

import msgspec

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.text import printable

from ..config import Case, Options
from .serialize import check_schema
from .types import SCHEMA, Check, DeviceInfo, Energy, OperatorTime, Run

RUNS = "runs.jsonl"
MAX_BYTES = 64 * 2**20  # a run has about 1 KB


@dataclass(frozen=True)
class ModelFile:
    """A model of the session; `sha256` is the hash of the file."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Session:
    """The first line: what the session measures. `started` is the date and time in ISO 8601."""

    settings: Options
    models: tuple[ModelFile, ...]
    started: str


@dataclass(frozen=True, kw_only=True)
class _CaseCheck(Check):
    case: Case


@dataclass(frozen=True)
class _CaseProfile:
    case: Case
    operators: tuple[OperatorTime, ...]


@dataclass(frozen=True)
class _CaseEnergy:
    case: Case
    energy: Energy


@dataclass(frozen=True)
class _Line:
    """One line after the first; exactly one of its fields is set."""

    run: Run | None = None
    device: DeviceInfo | None = None
    check: _CaseCheck | None = None
    profile: _CaseProfile | None = None
    energy: _CaseEnergy | None = None


class Journal:
    """The measurements of a session, in memory and, with a folder, on disk. Its methods are thread-safe."""

    def __init__(self, session: Session, folder: Path | None = None) -> None:
        self.session = session
        self.folder = folder
        self.runs: dict[tuple[Case, int], Run] = {}
        self.devices: dict[str, DeviceInfo] = {}
        self.checks: dict[Case, Check] = {}
        self.profiles: dict[Case, tuple[OperatorTime, ...]] = {}
        self.energies: dict[Case, Energy] = {}
        self._lock = threading.Lock()
        self._file: BufferedWriter | None = None

    def create_file(self) -> None:
        """Create the folder and the file with its first line. Does nothing if the folder is None.

        Raises:
            UsageError: the folder already contains a session.
            EcbsrError: the folder cannot be written to.
        """
        if self.folder is None:
            return
        path = self.folder / RUNS
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")
        except FileExistsError:
            message = f"{path} holds an earlier benchmark; name another folder, or continue it with --resume"
            raise UsageError(message) from None
        except OSError as error:
            raise EcbsrError(f"cannot write {path}: {error.strerror}; choose another folder") from None
        try:
            self._append({"schema": SCHEMA, "session": self.session})
        except EcbsrError:
            self.discard()
            raise

    def add_run(self, run: Run) -> None:
        """Record a run that has ended; it replaces an earlier run of the same case and round."""
        with self._lock:
            self.runs[run.case, run.round] = run
            self._append({"run": run})

    def add_device(self, device: DeviceInfo) -> None:
        """Record a device."""
        with self._lock:
            self.devices[device.name] = device
            self._append({"device": device})

    def add_check(self, case: Case, check: Check) -> None:
        """Record the comparison of a device's output."""
        with self._lock:
            self.checks[case] = check
            self._append({"check": _CaseCheck(case=case, **vars(check))})

    def add_profile(self, case: Case, profile: Sequence[OperatorTime]) -> None:
        """Record the operator times of a case."""
        with self._lock:
            self.profiles[case] = tuple(profile)
            self._append({"profile": _CaseProfile(case, tuple(profile))})

    def add_energy(self, case: Case, energy: Energy) -> None:
        """Record the energy of a case."""
        with self._lock:
            self.energies[case] = energy
            self._append({"energy": _CaseEnergy(case, energy)})

    def runs_of(self, case: Case) -> list[Run]:
        """The runs of a case so far, by round."""
        with self._lock:
            return sorted((run for run in self.runs.values() if run.case == case), key=lambda run: run.round)

    def close(self) -> None:
        """Close the file. Nothing may be added afterwards."""
        with self._lock:
            if self._file is not None:
                with suppress(OSError):  # a full disk was reported by the write that failed
                    self._file.close()
                self._file = None

    def discard(self) -> None:
        """Remove the file of a session without measurements, so that the folder can be used again."""
        self.close()
        if self.folder is not None:
            (self.folder / RUNS).unlink(missing_ok=True)

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise EcbsrError(f"cannot write {self._file.name}: {error.strerror}; free some space") from None


def reopen(folder: Path) -> Journal:
    """Open the journal of an earlier session for appending.

    Raises:
        EcbsrError: the folder contains no session, or its journal is damaged or of another version.
    """
    path = folder / RUNS
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}; --resume needs the --out folder of a benchmark"
        raise EcbsrError(message) from None
    if len(content) > MAX_BYTES:
        raise EcbsrError(f"{path} has more than {MAX_BYTES} bytes; start a new benchmark in another folder")
    complete = content[: content.rfind(b"\n") + 1]  # an interrupted write can leave a part of a line
    try:
        journal = _parse(complete.splitlines(), folder)
    except (ValueError, KeyError, IndexError, RecursionError, UsageError) as error:
        reason = str(error) if isinstance(error, (ValueError, UsageError)) else "a line is not complete"
        raise EcbsrError(
            f"{path} is damaged ({printable(reason, 200)}); start a new benchmark in another folder"
        ) from None
    try:
        os.truncate(path, len(complete))
        journal._file = path.open("ab")
    except OSError as error:
        raise EcbsrError(f"cannot write {path}: {error.strerror}") from None
    return journal


def _parse(lines: Sequence[bytes], folder: Path) -> Journal:
    first = msgspec.json.decode(lines[0])
    check_schema(first)
    journal = Journal(msgspec.convert(first["session"], Session), folder)
    decoder = msgspec.json.Decoder(_Line)
    for line in map(decoder.decode, lines[1:]):
        if line.run and line.run.status != "lost":  # a lost run is repeated
            journal.runs[line.run.case, line.run.round] = line.run
        elif line.device:
            journal.devices[line.device.name] = line.device
        elif line.check:
            check = Check(line.check.largest, line.check.psnr_db, line.check.note)
            journal.checks[line.check.case] = check
        elif line.profile:
            journal.profiles[line.profile.case] = line.profile.operators
        elif line.energy:
            journal.energies[line.energy.case] = line.energy.energy
    return journal
