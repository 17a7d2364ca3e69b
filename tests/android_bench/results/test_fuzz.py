"""Damaged results and journals: one sentence, or a whole report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from android_bench import schedule, session, text_report
from android_bench.config import Options
from android_bench.models import read_models
from android_bench.report import page
from android_bench.results import baseline, journal, serialize
from android_bench.results.types import Check, Core, DeviceInfo, OperatorTime, Results, Run, State, Tool
from ecbsr_mobile.errors import EcbsrError
from tests.helpers import fuzz_json
from tests.helpers.bench import results

OPERATORS = (OperatorTime("CONV_2D", 2, 3.0, 0.75), OperatorTime("ADD", 1, 1.0, 0.25))
STATE = State(1.0, 30.5, 31.5, 0, 87, ("schedutil",), (1800, 2400))
PHONE = DeviceInfo(
    "phone", "phone", "A phone", "A SoC", "Android 14", "print", ("arm64-v8a",), (Core(0, 1800), Core(1)),
    Tool("tflite", "1", "ab" * 32, 9), ("a note",),
)  # fmt: skip
FIRST, SECOND, THIRD = results(10.0, 12.0, None).results
WHOLE = Results(
    (replace(FIRST, nodes_delegated=5, nodes_total=8, partitions=2, p95_ms=11.0, fps=100.0, init_ms=3.0,
             check=Check(1.0, 50.5), profile=OPERATORS, run_ms=(9.0, 11.0)), SECOND, THIRD),
    {"phone": PHONE},
    {"m": {"precision": "int8", "sha256": "ab", "operators": {"ADD": 2}, "recipe": {"version": 1, "quality": {}}}},
    {"phone": (STATE, replace(STATE, seconds=5.0))},
    msgspec.to_builtins(Options()),
    "2026-01-02T03:04:05+00:00",
    {"other": "it disconnected"},
)  # fmt: skip
DOCUMENT = json.loads(json.dumps(WHOLE.as_json()))


def _report(parsed: Results) -> None:
    """Everything that is done with a document that was read."""
    merged = serialize.merge(WHOLE, parsed, "second")
    for now, before in ((merged, parsed), (parsed, WHOLE)):
        comparisons = baseline.compare(now, before, 1.05)
        json.dumps(serialize.document(now, comparisons), allow_nan=False)
        page.html(now, comparisons).encode()
        serialize.to_csv(now).encode()
        text_report.print_results(now, comparisons)
        text_report.notice_next_step(now, None)
        text_report.gate(now, comparisons)


@settings(max_examples=150, derandomize=True)
@given(content=fuzz_json.damaged_documents(DOCUMENT))
def test_damaged_results(content: bytes) -> None:
    try:
        parsed = serialize.parse_results(content, "results.json")
    except EcbsrError as error:
        assert str(error).isprintable() and len(str(error)) < 500
        return
    _report(parsed)


def test_a_report_needs_only_the_documented_keys() -> None:
    optional = ("partitions", "init_ms", "peak_memory_mb", "check", "profile", "run_ms", "note", "ci95_ms", "p95_ms")
    rows = [{key: value for key, value in row.items() if key not in optional} for row in DOCUMENT["results"]]
    parsed = serialize.parse_results(json.dumps({"results": rows, "devices": {}}).encode(), "memory")
    _report(parsed)
    assert parsed.as_json()["results"][0]["partitions"] is None


@pytest.fixture(scope="module")
def lines(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """The lines of a finished journal of a model on this machine and a phone; nothing is measured meanwhile."""
    models = read_models([files["float"]])
    options = Options(devices=("host", "phone"), sizes=("24x16",), rounds=2)
    named = tuple(journal.ModelFile(str(model.path), model.sha256) for model in models.values())
    folder = tmp_path_factory.mktemp("journal")
    written = journal.Journal(journal.Session(options, named, "2026-01-02T03:04:05+00:00"), folder)
    written.create_file()
    for device in options.devices:
        written.add_device(replace(PHONE, name=device))
        for case in schedule.cases(models, options, device):
            for number in (1, 2):
                written.add_run(Run(case, number, "ok", "", 5.0, 6.0, before=STATE, after=STATE))
            written.add_check(case, Check(1.0, 50.5))
            written.add_profile(case, OPERATORS)
    written.close()
    with patch.object(session.Queues, "run", lambda _queues, _names: None):
        yield [json.loads(line) for line in (folder / journal.RUNS).read_text().splitlines()]


@settings(max_examples=150, derandomize=True)
@given(data=st.data())
def test_damaged_journals(lines: list[Any], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    valid = "".join(json.dumps(line) + "\n" for line in lines)
    content = data.draw(
        fuzz_json.damaged_values(lines).map(lambda value: "".join(json.dumps(line) + "\n" for line in value).encode())
        | fuzz_json.damaged_bytes(valid.encode())
    )
    folder = tmp_path_factory.mktemp("resumed")
    (folder / journal.RUNS).write_bytes(content)
    try:
        results = session.resume(folder)
    except EcbsrError as error:
        assert "\n" not in str(error)
    else:  # a session without a run leaves no files
        assert (folder / "results.csv").exists() or not any(row.runs for row in results.results)


def test_a_journal_is_not_read_beyond_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_BYTES", 100)
    (tmp_path / journal.RUNS).write_bytes(b"x" * 101)
    with pytest.raises(EcbsrError, match=r"runs\.jsonl has more than 100 bytes"):
        journal.reopen(tmp_path)


def test_a_journal_without_a_model_or_with_absurd_options(lines: list[Any], tmp_path: Path) -> None:
    first = json.loads(json.dumps(lines[0]))
    first["session"]["models"] = []
    (tmp_path / journal.RUNS).write_text(json.dumps(first) + "\n")
    with pytest.raises(EcbsrError, match="names no model"):
        session.resume(tmp_path)
    for name, value in (("rounds", 10**9), ("iterations", 10**30), ("limits", {"poll": 1e300})):
        first = json.loads(json.dumps(lines[0]))
        first["session"]["settings"][name] = value
        (tmp_path / journal.RUNS).write_text(json.dumps(first) + "\n")
        with pytest.raises(EcbsrError, match="is damaged"):
            session.resume(tmp_path)
