"""The journal of a session: what it records, what it reads again, and which files it rejects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from android_bench.config import Delegate, Limits, Options
from android_bench.results import journal
from android_bench.results.types import Check, DeviceInfo, OperatorTime, Run, State
from ecbsr_mobile.errors import EcbsrError, UsageError
from tests.helpers.bench import CASE

OPTIONS = Options(
    devices=("host", "R58M"),
    sizes=((480, 270),),
    delegates=(Delegate("external", "/a.so", (("k", "v"),)), Delegate("cpu")),
    threads=(1, 4),
    limits=Limits(cooldown=0.5),
)
SESSION = journal.Session(OPTIONS, (journal.ModelFile("/m.tflite", "ab" * 32),), "2026-01-02T03:04:05+00:00")
RUN = Run(CASE, 1, "ok", "note", 5.25, 6.0, before=State(0.5, 30.5, governors=("a",), max_mhz=(1, 2)))


def written(folder: Path) -> journal.Journal:
    original = journal.Journal(SESSION, folder)
    original.create_file()
    original.add_device(DeviceInfo("R58M", "phone", abis=("arm64-v8a",)))
    original.add_run(RUN)
    original.add_run(Run(CASE, 2, "lost"))
    original.add_check(CASE, Check(1.0, 50.5))
    original.add_profile(CASE, (OperatorTime("ADD", 1, 0.5, 1.0),))
    original.close()
    return original


def test_everything_is_read_again_except_lost_runs(tmp_path: Path) -> None:
    original = written(tmp_path)
    reopened = journal.reopen(tmp_path)
    reopened.close()
    assert (reopened.session, reopened.devices, reopened.checks, reopened.profiles) == (
        SESSION, original.devices, original.checks, original.profiles,
    )  # fmt: skip
    assert reopened.runs == {(CASE, 1): RUN}
    first = json.loads((tmp_path / journal.RUNS).read_text().splitlines()[0])
    assert first["schema"] == 1 and first["session"]["settings"]["delegates"][0]["options"] == [["k", "v"]]


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    written(tmp_path)
    path = tmp_path / journal.RUNS
    content = path.read_bytes()
    for cut in range(content.index(b"\n") + 1, len(content), 7):
        path.write_bytes(content[:cut])
        reopened = journal.reopen(tmp_path)
        reopened.add_run(RUN)
        reopened.close()
        assert journal.reopen(tmp_path).runs[CASE, 1] == RUN


def test_a_folder_with_a_session_is_not_overwritten(tmp_path: Path) -> None:
    written(tmp_path)
    before = (tmp_path / journal.RUNS).read_bytes()
    with pytest.raises(UsageError, match="earlier benchmark"):
        journal.Journal(SESSION, tmp_path).create_file()
    assert (tmp_path / journal.RUNS).read_bytes() == before


def first_line(**changes: Any) -> bytes:
    line = {"schema": 1, "session": {"settings": {}, "models": [], "started": "now"}, **changes}
    return json.dumps(line).encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"[]\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        first_line(schema=2),
        first_line(session=None),
        first_line(session={"settings": {"rounds": 0}, "models": [], "started": ""}),
        first_line(session={"settings": {"threads": ["x"]}, "models": [], "started": ""}),
        first_line() + b"3\n",
        first_line() + b'{"run": {}}\n',
        first_line() + b'{"run": {"status": NaN}}\n',
        first_line() + b'{"device": ' + b"[" * 100_000 + b"\n",
    ],
)
def test_a_damaged_journal_ends_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / journal.RUNS).write_bytes(content)
    with pytest.raises(EcbsrError, match=r"runs\.jsonl is damaged \(.*\); start a new benchmark"):
        journal.reopen(tmp_path)


def test_a_folder_without_a_session(tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match="needs the --out folder"):
        journal.reopen(tmp_path)
