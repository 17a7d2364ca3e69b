"""The row of a case from its runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from android_bench.report import page as report_page
from android_bench.results import aggregate, types
from android_bench.results.types import Check, Results
from tests.helpers.bench import CASE, row, runs


def test_the_latency_is_the_median_of_the_ok_runs() -> None:
    actual = row(("ok", 9.0), ("ok", 10.0), ("throttled", 30.0), ("ok", 12.0))
    assert (actual.status, actual.median_ms, actual.runs, actual.run_ms) == ("ok", 10.0, 3, (9.0, 10.0, 12.0))
    assert "1 of 4 runs: throttled" in actual.note
    assert actual.ci95_ms and actual.ci95_ms[0] < 9 and actual.ci95_ms[1] > 12


def test_three_runs_far_apart_have_an_interval_that_can_be_drawn() -> None:
    assert row(("ok", 0.03), ("ok", 0.09)).ci95_ms is None
    actual = row(("ok", 0.03), ("ok", 0.09), ("ok", 0.05))
    assert actual.ci95_ms and 0 < actual.ci95_ms[0] < 0.03 and actual.ci95_ms[1] > 0.09
    page = report_page.html(Results((actual,), {"phone": types.DeviceInfo("phone", "phone")}))
    assert 'class="dot"' in page


def test_throttled_runs_alone_give_a_marked_latency() -> None:
    actual = row(("throttled", 30.0), ("throttled", 32.0))
    assert (actual.status, actual.median_ms, actual.runs) == ("throttled", 31.0, 2)


@pytest.mark.parametrize("status", [name for name in types.STATUSES if name not in types.TIMED])
def test_no_other_status_has_a_latency(status: str) -> None:
    actual = row((status, 5.0), (status, 6.0))
    assert actual.status == status
    assert (actual.median_ms, actual.ci95_ms, actual.p95_ms, actual.fps, actual.runs, actual.run_ms) == (
        None,
        None,
        None,
        None,
        0,
        (),
    )


def test_failures_in_half_of_the_runs_fail_the_row() -> None:
    assert row(("ok", 9.0), ("crashed", None)).status == "crashed"
    assert row(("ok", 9.0), ("ok", 9.0), ("crashed", None)).status == "ok"
    assert row(("ok", 9.0), ("lost", None)).status == "ok"
    assert row().status == "lost"


def test_a_row_with_a_wrong_output_has_no_latency() -> None:
    actual = row(("ok", 9.0), check=Check(200.0, 12.0, f"{types.WRONG_OUTPUT}: 12 dB"))
    assert (actual.status, actual.median_ms) == ("mismatch", None)
    assert row(("ok", 9.0), check=Check(1.0, 60.0)).status == "ok"


def test_the_note_has_what_any_timed_run_notes() -> None:
    first, second, third = runs(("ok", 9.0), ("ok", 9.0), ("ok", 9.0))
    noted = [replace(first, note="a"), replace(second, note="a; b"), replace(third, note="a")]
    assert aggregate.row(CASE, noted, 3, None, ()).note == "a; b (1 of 3 runs)"
    failed = runs(("failed", None), ("failed", None))
    assert aggregate.row(CASE, failed, 2, None, ()).note == "why"


def test_the_note_counts_missing_rounds() -> None:
    assert "2 of 6 rounds" in row(("ok", 9.0), ("ok", 9.0), rounds=6).note
