"""The interval of a median, against simulation; ratios against their definition."""

from __future__ import annotations

import numpy as np
import pytest

from android_bench.results import stats


@pytest.mark.parametrize("count", [6, 9, 15, 40])
def test_interval_holds_the_median_of_a_skewed_population_95_times_in_100(count: int) -> None:
    generator = np.random.default_rng(count)
    true_median = 1 + np.log(2) * 0.2
    limits = [stats.interval(list(1 + generator.exponential(0.2, count))) for _ in range(4000)]
    covered = np.mean([low <= true_median <= high for low, high in filter(None, limits)])
    assert covered > 0.94  # at least 95 %, less four standard errors of the simulation


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_interval_of_few_runs_holds_the_median_of_a_log_normal_population(count: int) -> None:
    generator = np.random.default_rng(count)
    limits = [stats.interval(list(np.exp(generator.normal(0, 0.1, count)))) for _ in range(4000)]
    assert np.mean([low <= 1 <= high for low, high in filter(None, limits)]) > 0.94


def test_interval_is_no_wider_than_the_order_statistics_need() -> None:
    # n = 9: ranks 2 and 8 cover 96.1 %, ranks 3 and 7 only 82 % (tables of the binomial distribution).
    assert stats.interval([9, 8, 7, 6, 5, 4, 3, 2, 1]) == (2, 8)
    assert stats.interval([6, 5, 4, 3, 2, 1]) == (1, 6)
    assert stats.interval([1]) is None
    assert stats.interval([]) is None


def test_interval_of_equal_values_is_that_value() -> None:
    for count in range(2, 12):
        limits = stats.interval([3.0] * count)
        assert limits == pytest.approx((3.0, 3.0))


def test_ratio_interval_holds_the_ratio_of_two_medians() -> None:
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(2000):
        now, then = 2 * np.exp(generator.normal(0, 0.1, 9)), np.exp(generator.normal(0, 0.1, 9))
        value, limits = stats.ratio(
            float(np.median(now)), stats.interval(list(now)), float(np.median(then)), stats.interval(list(then))
        )
        assert limits is not None and limits[0] <= value <= limits[1]
        held += limits[0] <= 2 <= limits[1]
    assert held > 0.94 * 2000


def test_ratio_without_an_interval_has_none() -> None:
    assert stats.ratio(3, None, 2, (1.9, 2.1)) == (1.5, None)
