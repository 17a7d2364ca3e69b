"""Results as JSON and CSV, and back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from android_bench.results import serialize
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.bench import results

ZERO = json.dumps(results(1.0).as_json()).replace('"median_ms": 1.0', '"median_ms": 0').encode()


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b'{"results": [{}], "devices": {}}', b'{"results": 3}', b"\xff", ZERO]
)
def test_a_file_that_is_no_baseline(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "results.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EcbsrError, match=r"results\.json"):
        serialize.read_results(path)


def test_results_of_others_need_only_the_documented_keys() -> None:
    one = {
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
    found = serialize.parse_results(
        json.dumps({"results": [one], "devices": {"d": {"model": "Phone"}}}).encode(), "memory"
    )
    assert found.results[0].size == (480, 270) and found.devices["d"].model == "Phone"


def test_csv_has_a_line_per_row() -> None:
    lines = list(csv.DictReader(io.StringIO(serialize.to_csv(results(10, None)))))
    assert [line["median_ms"] for line in lines] == ["10", ""]
    assert (lines[0]["size"], lines[0]["ci95_low_ms"], lines[1]["status"]) == ("960x540", "9.9", "lost")
