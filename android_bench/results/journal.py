"""The folder of a session: every run as it ends, and the results that they add up to.

`runs.jsonl` is the truth. Its first line holds the settings and the models, each further line one run,
device, check or profile. It only ever grows, so whatever ends a session loses nothing that was measured.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from ecbsr_mobile.errors import EcbsrError, UsageError

from ..config import Case, Delegate, Limits, Settings
from . import serialize
from .types import Check, DeviceInfo, OperatorTime, Run

RUNS = "runs.jsonl"


class Journal:
    """What has been measured so far, in memory and, where there is a folder, on disk.

    Its methods may be called from several threads.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.runs: dict[tuple[Case, int], Run] = {}
        self.devices: dict[str, DeviceInfo] = {}
        self.checks: dict[Case, Check] = {}
        self.profiles: dict[Case, tuple[OperatorTime, ...]] = {}
        self.header: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._file: TextIOWrapper | None = None

    def begin(self, header: dict[str, Any]) -> None:
        """Start a new session's file with its settings.

        Raises:
            UsageError: the folder already holds a session.
            EcbsrError: the folder cannot be written to.
        """
        self.header = header
        if self.folder is None:
            return
        path = self.folder / RUNS
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = path.open("x", encoding="utf-8")
        except FileExistsError:
            raise UsageError(f"{path} holds an earlier bench; name another folder, or go on with --resume") from None
        except OSError as error:
            raise EcbsrError(f"cannot write {path}: {error.strerror}; choose another folder") from None
        try:
            self._append({"session": header})
        except EcbsrError:
            self.discard()
            raise

    def run(self, run: Run) -> None:
        """Keep a run that has ended; a later run of the same case and round takes its place."""
        with self._lock:
            self.runs[run.case, run.round] = run
            self._append({"run": asdict(run)})

    def device(self, device: DeviceInfo) -> None:
        """Keep what a device is."""
        with self._lock:
            self.devices[device.name] = device
            self._append({"device": asdict(device)})

    def check(self, case: Case, check: Check) -> None:
        """Keep how a device's output compares."""
        with self._lock:
            self.checks[case] = check
            self._append({"check": {"case": asdict(case), **asdict(check)}})

    def profile(self, case: Case, profile: Sequence[OperatorTime]) -> None:
        """Keep where a case's time goes."""
        with self._lock:
            self.profiles[case] = tuple(profile)
            self._append({"profile": {"case": asdict(case), "operators": [asdict(one) for one in profile]}})

    def of(self, case: Case) -> list[Run]:
        """The runs of a case so far, by round."""
        with self._lock:
            return sorted((run for run in self.runs.values() if run.case == case), key=lambda run: run.round)

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise EcbsrError(f"cannot write {self._file.name}: {error.strerror}; free some space") from None

    def close(self) -> None:
        """Close the file; nothing is added afterwards."""
        with self._lock:
            if self._file is not None:
                with suppress(OSError):  # what a full disk did not take was told when it was written
                    self._file.close()
                self._file = None

    def discard(self) -> None:
        """Remove the file of a session that measured nothing, so that the folder is free for another try."""
        self.close()
        if self.folder is not None:
            (self.folder / RUNS).unlink(missing_ok=True)


def reopen(folder: Path) -> Journal:
    """The journal of a session that ended early, open for more.

    Raises:
        EcbsrError: the folder holds no session.
    """
    path = folder / RUNS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EcbsrError(f"cannot read {path}: {error.strerror}; --resume needs the --out folder of a bench") from None
    whole = content[: content.rfind(b"\n") + 1]  # the last line may have been cut off
    journal = Journal(folder)
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        journal.header = lines[0]["session"]
        for line in lines[1:]:
            _take(journal, line)
    except (ValueError, KeyError, TypeError, IndexError):
        raise EcbsrError(f"{path} is damaged; start a new bench in another folder") from None
    try:
        os.truncate(path, len(whole))
        journal._file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise EcbsrError(f"cannot write {path}: {error.strerror}") from None
    return journal


def _take(journal: Journal, line: dict[str, Any]) -> None:
    if "run" in line:
        run = serialize.run_from(line["run"])
        if run.status == "lost":  # to be tried again
            return
        journal.runs[run.case, run.round] = run
    elif "device" in line:
        device = serialize.device_from(line["device"])
        journal.devices[device.name] = device
    elif "check" in line:
        journal.checks[serialize.case_from(line["check"]["case"])] = serialize.check_from(line["check"])
    elif "profile" in line:
        operators = serialize.profile_from(line["profile"]["operators"])
        journal.profiles[serialize.case_from(line["profile"]["case"])] = operators


def settings_from(document: dict[str, Any]) -> Settings:
    """The `Settings` of a session's first line."""
    tuples = {key: tuple(document[key]) for key in ("devices", "threads")}
    return Settings(
        **{
            **document,
            **tuples,
            "sizes": tuple((width, height) for width, height in document["sizes"]),
            "delegates": tuple(
                Delegate(one["name"], one["argument"], tuple((key, value) for key, value in one["options"]))
                for one in document["delegates"]
            ),
            "limits": Limits(**document["limits"]),
        }
    )
