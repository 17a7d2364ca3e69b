"""The row of a case from its runs."""

from __future__ import annotations

import pytest

from android_bench.report import page as report_page
from android_bench.results import types
from android_bench.results.types import Check, Results
from tests.helpers.bench import row


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
