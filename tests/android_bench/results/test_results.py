"""How runs add up to rows, what a baseline says, and the forms on disk."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from android_bench import cli
from android_bench.config import Case
from android_bench.report import page as report_page
from android_bench.results import aggregate, baseline, serialize, types
from android_bench.results.types import Check, Results, Row, Run
from ecbsr_mobile.errors import EcbsrError

CASE = Case("m", "int8", "phone", "gpu", 1, (960, 540))


def runs(*found: tuple[str, float | None]) -> list[Run]:
    return [
        Run(CASE, number, status, note="why" if status != "ok" else "", median_ms=ms, p95_ms=ms)
        for number, (status, ms) in enumerate(found, 1)
    ]


def row(*found: tuple[str, float | None], rounds: int | None = None, check: Check | None = None) -> Row:
    return aggregate.row(CASE, runs(*found), rounds or len(found), check, ())


def test_the_figure_is_the_median_of_clean_runs() -> None:
    found = row(("ok", 9.0), ("ok", 10.0), ("throttled", 30.0), ("ok", 12.0))
    assert (found.status, found.median_ms, found.runs, found.run_ms) == ("ok", 10.0, 3, (9.0, 10.0, 12.0))
    assert "1 of 4 runs: throttled" in found.note
    assert found.ci95_ms and found.ci95_ms[0] < 9 and found.ci95_ms[1] > 12


def test_two_runs_far_apart_have_an_interval_that_can_be_drawn() -> None:
    found = row(("ok", 0.03), ("ok", 0.09))
    assert found.ci95_ms and 0 < found.ci95_ms[0] < 0.03 and found.ci95_ms[1] > 0.09
    page = report_page.html(Results((found,), {"phone": types.DeviceInfo("phone", "phone")}))
    assert 'class="dot"' in page


def test_only_throttled_runs_give_a_marked_figure() -> None:
    found = row(("throttled", 30.0), ("throttled", 32.0))
    assert (found.status, found.median_ms, found.runs) == ("throttled", 31.0, 2)


@pytest.mark.parametrize("status", [name for name in types.STATUSES if name not in types.TIMED])
def test_no_other_status_carries_a_figure(status: str) -> None:
    found = row((status, 5.0), (status, 6.0))
    assert found.status == status
    assert (found.median_ms, found.ci95_ms, found.p95_ms, found.fps, found.runs, found.run_ms) == (
        None,
        None,
        None,
        None,
        0,
        (),
    )


def test_half_of_the_runs_decide_that_it_failed() -> None:
    assert row(("ok", 9.0), ("crashed", None)).status == "crashed"
    assert row(("ok", 9.0), ("ok", 9.0), ("crashed", None)).status == "ok"
    assert row(("ok", 9.0), ("lost", None)).status == "ok"
    assert row().status == "lost"


def test_a_wrong_output_takes_the_figure_away() -> None:
    found = row(("ok", 9.0), check=Check(200.0, 12.0, f"{types.WRONG}: 12 dB"))
    assert (found.status, found.median_ms) == ("mismatch", None)
    assert row(("ok", 9.0), check=Check(1.0, 60.0)).status == "ok"


def test_rounds_that_are_missing_are_told() -> None:
    assert "2 of 6 rounds" in row(("ok", 9.0), ("ok", 9.0), rounds=6).note


def session(*medians: float | None, spread: float = 0.01) -> Results:
    made = []
    for index, median in enumerate(medians):
        case = replace(CASE, threads=index + 1)
        one = aggregate.row(case, [], 6, None, ())
        if median is not None:
            limits = (median * (1 - spread), median * (1 + spread))
            one = replace(one, status="ok", median_ms=median, ci95_ms=limits, runs=6)
        made.append(one)
    return Results(tuple(made), {})


def test_a_baseline_gives_ratios_with_intervals_and_fails_what_is_slower() -> None:
    then = session(10, 10, 10, 10, None)
    now = session(10.1, 12, 5, None, 7)
    same, slower, faster, gone, new = baseline.compare(now, then, 1.05)
    assert [one.failed for one in (same, slower, faster, gone, new)] == [False, True, False, True, False]
    assert slower.ratio == pytest.approx(1.2) and slower.ci95 and slower.ci95[0] < 1.2 < slower.ci95[1]
    assert faster.ratio == pytest.approx(0.5)
    assert gone.ratio is None and "timed in the baseline" in gone.note
    assert new.ratio is None and "in the baseline" in new.note
    assert not any(one.failed for one in baseline.compare(now, then))


def test_noise_alone_does_not_fail() -> None:
    (noisy,) = baseline.compare(session(11, spread=0.3), session(10, spread=0.3), 1.05)
    assert noisy.ratio == pytest.approx(1.1) and not noisy.failed


def test_fail_above_is_the_exit_code_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tmp_path / "results.json"
    before.write_text(json.dumps(session(10.0).as_json()))
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: session(12.0))
    assert cli.main(["m.tflite", "--baseline", str(before), "--quiet"]) == 0
    assert "1.200" in capsys.readouterr().out
    assert cli.main(["m.tflite", "--baseline", str(before), "--quiet", "--fail-above", "1.05"]) == 1
    assert "more than 1.05" in capsys.readouterr().err
    arguments = [
        "m.tflite",
        "--baseline",
        str(before),
        "--quiet",
        "--fail-above",
        "1.5",
        "--out",
        str(tmp_path / "out"),
    ]
    assert cli.main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "out/results.json").read_text())
    (compared,) = document["baseline"]
    assert (compared["ratio"], compared["failed"]) == (pytest.approx(1.2), False)
    assert "/baseline/0/ratio" in (tmp_path / "out/report.html").read_text()


def test_the_screen_says_how_the_output_compares(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = (Check(0, None), Check(3.25, 51.5), Check(note="not compared: a reason"), None)
    rows = [replace(one, check=check) for one, check in zip(session(1, 2, 3, 4).results, checks, strict=True)]
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: Results(tuple(rows), {}))
    assert cli.main(["m.tflite", "--quiet"]) == 0
    header, _, *lines = capsys.readouterr().out.splitlines()
    assert header.endswith("  output")
    said = ("identical", "51.5 dB, at most 3.25", "not compared", "-")
    assert all(line.endswith("  " + words) for line, words in zip(lines, said, strict=True))


def test_a_baseline_of_something_else_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tmp_path / "results.json"
    before.write_text(json.dumps(session(10.0).as_json()).replace('"model": "m"', '"model": "other"'))
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: session(12.0))
    with pytest.raises(EcbsrError, match="no row of the same model"):
        cli.main(["m.tflite", "--baseline", str(before), "--quiet", "--fail-above", "1.05"])


ZERO = json.dumps(session(1.0).as_json()).replace('"median_ms": 1.0', '"median_ms": 0').encode()


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
    lines = list(csv.DictReader(io.StringIO(serialize.to_csv(session(10, None)))))
    assert [line["median_ms"] for line in lines] == ["10", ""]
    assert (lines[0]["size"], lines[0]["ci95_low_ms"], lines[1]["status"]) == ("960x540", "9.9", "lost")


def test_import_puts_the_rows_of_another_file_into_one_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("app", "second"):
        document = replace(session(10.0), devices={"phone": types.DeviceInfo("phone", "phone", f"of {name}")}).as_json()
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    out = tmp_path / "out"
    arguments = ["--import", str(tmp_path / "app.json"), "--import", str(tmp_path / "second.json"), "--json"]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["device"] for row in document["results"]] == ["phone", "phone (second)"]
    assert {name: one["model"] for name, one in document["devices"].items()} == {
        "phone": "of app",
        "phone (second)": "of second",
    }
    assert "of second" in (out / "report.html").read_text()
    assert json.loads((out / "results.json").read_text()) == document
