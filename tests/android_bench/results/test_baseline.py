"""Comparison with an earlier session."""

from __future__ import annotations

import pytest

from android_bench.results import baseline
from tests.helpers.bench import results


def test_a_baseline_gives_ratios_with_intervals_and_fails_what_is_slower() -> None:
    before = results(10, 10, 10, 10, None)
    now = results(10.1, 12, 5, None, 7)
    same, slower, faster, gone, new = baseline.compare(now, before, 1.05)
    assert [comparison.failed for comparison in (same, slower, faster, gone, new)] == [False, True, False, True, False]
    assert slower.ratio == pytest.approx(1.2) and slower.ci95 and slower.ci95[0] < 1.2 < slower.ci95[1]
    assert faster.ratio == pytest.approx(0.5)
    assert gone.ratio is None and "timed in the baseline" in gone.note
    assert new.ratio is None and "in the baseline" in new.note
    assert not any(comparison.failed for comparison in baseline.compare(now, before))


def test_noise_alone_does_not_fail() -> None:
    (noisy,) = baseline.compare(results(11, spread=0.3), results(10, spread=0.3), 1.05)
    assert noisy.ratio == pytest.approx(1.1) and not noisy.failed
