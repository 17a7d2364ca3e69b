"""Results as JSON and CSV, and back; every other document ends in one sentence."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from android_bench.config import Case
from android_bench.results import serialize, types
from android_bench.results.types import Check, Core, DeviceInfo, OperatorTime, Results, Row, State, Tool
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.bench import results

numbers = st.floats(-1e9, 1e9)
times = st.floats(1e-6, 1e6)
counts = st.integers(0, 10**6)
texts = st.text(max_size=20)
checks = st.builds(Check, st.none() | numbers, st.none() | numbers, texts)
states = st.builds(
    State, numbers, st.none() | numbers, st.none() | numbers, st.none() | counts, st.none() | counts,
    st.lists(texts, max_size=2).map(tuple), st.lists(counts, max_size=3).map(tuple),
)  # fmt: skip
rows = st.builds(
    Row,
    model=texts, precision=texts, device=texts, delegate=texts, threads=counts, size=st.tuples(counts, counts),
    status=st.sampled_from(list(types.STATUSES)), median_ms=st.none() | times,
    ci95_ms=st.none() | st.tuples(times, times), p95_ms=st.none() | times, fps=st.none() | times, runs=counts,
    nodes_delegated=st.none() | counts, nodes_total=st.none() | counts, note=texts, partitions=st.none() | counts,
    init_ms=st.none() | times, peak_memory_mb=st.none() | times, run_ms=st.lists(times, max_size=3).map(tuple),
    check=st.none() | checks,
    profile=st.lists(st.builds(OperatorTime, texts, counts, times, st.floats(0, 1)), max_size=2).map(tuple),
)  # fmt: skip
devices = st.builds(
    DeviceInfo, kind=st.sampled_from(["host", "phone"]), model=texts, soc=texts, system=texts, fingerprint=texts,
    abis=st.lists(texts, max_size=2).map(tuple), notes=st.lists(texts, max_size=2).map(tuple),
    cores=st.lists(st.builds(Core, counts, st.none() | counts), max_size=2).map(tuple),
    tool=st.none() | st.builds(Tool, texts, texts, texts, counts),
)  # fmt: skip
all_results = st.builds(
    Results,
    results=st.lists(rows, max_size=3).map(tuple),
    devices=st.dictionaries(texts, devices, max_size=2).map(
        lambda named: {name: replace(device, name=name) for name, device in named.items()}
    ),
    models=st.dictionaries(texts, st.fixed_dictionaries({"precision": texts, "operators": st.just({"ADD": 2})})),
    states=st.dictionaries(texts, st.lists(states, max_size=2).map(tuple), max_size=2),
    settings=st.fixed_dictionaries({"rounds": counts}),
    started=texts,
    failures=st.dictionaries(texts, texts, max_size=2),
)


@given(all_results)
def test_results_become_json_and_results_again(written: Results) -> None:
    text = json.dumps(serialize.document(written), allow_nan=False)
    assert serialize.parse_results(text.encode(), "memory") == written


def test_a_document_carries_its_schema() -> None:
    assert results(10.0).as_json()["schema"] == 1


VALID = json.loads(json.dumps(results(10.0).as_json()))


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    document = json.loads(json.dumps(VALID))
    change(document)
    return json.dumps(document).encode()


def in_row(**values: Any) -> bytes:
    return changed(lambda document: document["results"][0].update(values))


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


MALFORMED = {
    "empty": b"",
    "an array": b"[]",
    "a number": b"3",
    "no rows": b'{"results": 3}',
    "an empty row": b'{"results": [{}], "devices": {}}',
    "not UTF-8": b'{"results": [], "devices": {}, "started": "\xff"}',
    "NaN": in_row(median_ms=float("nan")),
    "infinity": in_row(p95_ms=float("inf")),
    "beyond a float": json.dumps(VALID).replace("10.0", "1e999").encode(),
    "a huge integer": json.dumps(VALID).replace('"median_ms": 10.0', '"median_ms": 1' + "0" * 5000).encode(),
    "zero milliseconds": in_row(median_ms=0),
    "a text for a number": in_row(threads="four"),
    "a number for a text": in_row(note=4),
    "an unknown status": in_row(status="fine\u001b[2J" * 1000),
    "a size of three": in_row(size=[1, 2, 3]),
    "an interval of texts": in_row(ci95_ms=["a", "b"]),
    "a negative interval": in_row(ci95_ms=[-1.0, 2.0]),
    "devices in a list": changed(lambda document: document.update(devices=[])),
    "a device without properties": changed(lambda document: document.update(devices={"d": None})),
    "states of numbers": changed(lambda document: document.update(states={"d": [1]})),
    "operators in a list": changed(lambda document: document.update(models={"m": {"operators": ["ADD"]}})),
    "a recipe of text": changed(lambda document: document.update(models={"m": {"recipe": "text"}})),
    "another schema": changed(lambda document: document.update(schema=2)),
    "a schema of escapes": changed(lambda document: document.update(schema="\u001b[2J")),
    "a schema of text": changed(lambda document: document.update(schema="1")),
    "deep arrays": b'{"results": ' + b"[" * 100_000,
    "a deep recipe": changed(lambda document: document.update(models={"m": {"recipe": nested(60)}})),
    "a very deep setting": b'{"results": [], "devices": {}, "settings": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_another_document_ends_in_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(MALFORMED[name])
    with pytest.raises(EcbsrError, match=r"results\.json") as error:
        serialize.read_results(path)
    message = str(error.value)
    assert "give the results.json" in message and message.isprintable() and len(message) < 500


@given(
    st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_other_bytes_end_in_one_sentence(content: bytes) -> None:
    with pytest.raises(EcbsrError):
        serialize.parse_results(content, "memory")


def test_a_file_that_is_missing_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(EcbsrError, match=r"cannot read .*results\.json"):
        serialize.read_results(path)
    path.write_bytes(json.dumps(VALID).encode())
    monkeypatch.setattr(serialize, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(EcbsrError, match=r"results\.json has more than"):
        serialize.read_results(path)
    monkeypatch.setattr(serialize, "MAX_BYTES", path.stat().st_size)
    assert serialize.read_results(path).results == results(10.0).results


def test_documents_of_other_programs_need_only_the_documented_keys() -> None:
    row = {
        "model": "m",
        "precision": "int8",
        "device": "d",
        "delegate": "cpu",
        "threads": 4,
        "size": [480, 270],
        "status": "ok",
        "median_ms": 5.0,
        "ci95_ms": [4.9, 5.1],
        "p95_ms": 5.5,
        "fps": 200.0,
        "runs": 50,
        "nodes_delegated": None,
        "nodes_total": None,
        "note": "",
        "something_new": 1,
    }
    document = {"results": [row], "devices": {"d": {"model": "Phone"}}, "method": "theirs"}
    parsed = serialize.parse_results(json.dumps(document).encode(), "memory")
    assert (parsed.results[0].size, parsed.results[0].case) == (
        (480, 270),
        Case("m", "int8", "d", "cpu", 4, (480, 270)),
    )
    assert parsed.devices["d"] == DeviceInfo("d", "phone", "Phone")
    assert parsed.method == Results.method


def test_csv_has_a_line_per_row() -> None:
    lines = list(csv.DictReader(io.StringIO(serialize.to_csv(results(10, None)))))
    assert [line["median_ms"] for line in lines] == ["10", ""]
    assert (lines[0]["size"], lines[0]["ci95_low_ms"], lines[1]["status"]) == ("960x540", "9.9", "lost")


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "  =1", '=HYPERLINK("http://x","y")', "＝1")


@pytest.mark.parametrize("text", FORMULAS)
def test_csv_holds_no_formula(text: str) -> None:
    (row,) = results(10).results
    row = replace(row, model=text, precision=text, device=text, delegate=text, note=text)
    (line,) = csv.DictReader(io.StringIO(serialize.to_csv(Results((row,), {}))))
    for name in ("model", "precision", "device", "delegate", "note"):
        assert line[name] == f"'{text}"
    assert line["median_ms"] == "10"
    plain = replace(row, model="a=b", note="\t\r\n\x1b=x-y", device="192.0.2.1:5555", delegate="cpu")
    (line,) = csv.DictReader(io.StringIO(serialize.to_csv(Results((plain,), {}))))
    assert (line["model"], line["note"], line["device"]) == ("a=b", "????=x-y", "192.0.2.1:5555")
