"""The interval of a median against simulation and SciPy; ratios against their definition."""

from __future__ import annotations

from random import Random
from statistics import median

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from android_bench.results import stats


@pytest.mark.parametrize("count", [6, 9, 15, 40])
def test_interval_holds_the_median_of_a_skewed_population_95_times_in_100(count: int) -> None:
    generator = np.random.default_rng(count)
    true_median = 1 + np.log(2) * 0.2
    limits = [stats.interval(list(1 + generator.exponential(0.2, count))) for _ in range(4000)]
    covered = np.mean([low <= true_median <= high for low, high in filter(None, limits)])
    assert covered > 0.94  # at least 95 %, less four standard errors of the simulation


@pytest.mark.parametrize("count", [3, 4, 5])
def test_interval_of_few_runs_holds_the_median_of_a_log_normal_population(count: int) -> None:
    generator = np.random.default_rng(count)
    limits = [stats.interval(list(np.exp(generator.normal(0, 0.1, count)))) for _ in range(4000)]
    assert np.mean([low <= 1 <= high for low, high in filter(None, limits)]) > 0.94


def test_interval_is_no_wider_than_the_order_statistics_need() -> None:
    # n = 9: ranks 2 and 8 cover 96.1 %, ranks 3 and 7 only 82 % (tables of the binomial distribution).
    assert stats.interval([9, 8, 7, 6, 5, 4, 3, 2, 1]) == (2, 8)
    assert stats.interval([6, 5, 4, 3, 2, 1]) == (1, 6)
    assert stats.interval([1]) is stats.interval([1, 2]) is None
    assert stats.interval([]) is None


def test_interval_of_equal_values_is_that_value() -> None:
    for count in range(3, 12):
        limits = stats.interval([3.0] * count)
        assert limits == pytest.approx((3.0, 3.0))


def test_the_numbers_of_a_column_have_the_same_decimals() -> None:
    assert stats.column([120.0, 4.5, None]) == ["120.00", "4.50", "-"]
    assert stats.column([120.0, 0.043]) == ["120.0000", "0.0430"]
    assert stats.column([120.0, 1e-7]) == ["120.0000", "0.0000"]
    assert stats.column([None]) == ["-"]


def test_ratio_interval_holds_the_ratio_of_two_medians() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(2000):
        now, then = 2 * np.exp(generator.normal(0, 0.1, 9)), np.exp(generator.normal(0, 0.1, 9))
        value, limits = stats.ratio(
            float(np.median(now)), stats.interval(list(now)), float(np.median(then)), stats.interval(list(then))
        )
        assert limits is not None and limits[0] <= value <= limits[1]
        covered += limits[0] <= 2 <= limits[1]
    assert covered > 0.94 * 2000


def test_ratio_without_an_interval_has_none() -> None:
    assert stats.ratio(3, None, 2, (1.9, 2.1)) == (1.5, None)


times = st.floats(1e-3, 1e3)


@given(st.lists(times, min_size=6, max_size=40))
def test_the_interval_of_many_runs_is_that_of_scipy(values: list[float]) -> None:
    expected = scipy.stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    assert stats.interval(values) == (expected.low, expected.high)


@given(st.lists(times, min_size=3, max_size=5))
def test_the_interval_of_few_runs_is_that_of_scipy(values: list[float]) -> None:
    logs = np.log(values)
    margin = scipy.stats.t.ppf(0.975, len(logs) - 1) * scipy.stats.sem(logs)
    low, high = np.mean(logs) - margin, np.mean(logs) + margin
    expected = min(*values, np.exp(low)), max(*values, np.exp(high))
    assert stats.interval(values) == pytest.approx(expected, rel=1e-6)


@given(st.lists(times, min_size=3, max_size=20), st.floats(0.1, 10), st.randoms())
def test_the_interval_scales_with_the_values_in_any_order(values: list[float], factor: float, random: Random) -> None:
    limits = stats.interval(values)
    assert limits is not None and limits[0] <= median(values) <= limits[1]
    scaled = [value * factor for value in values]
    random.shuffle(scaled)
    assert stats.interval(scaled) == pytest.approx((limits[0] * factor, limits[1] * factor), rel=1e-6)


@given(st.floats(1e-9, 1e9))
def test_rounding_keeps_five_digits(value: float) -> None:
    assert stats.rounded(value) == pytest.approx(value, rel=0.5e-4)
    assert stats.rounded(stats.rounded(value)) == stats.rounded(value)
