"""The median of the runs of a row, and its confidence interval.

A run is one process. The iterations inside one run share its memory layout, its cores and its temperature, so
their spread does not predict the next run: intervals are computed over runs only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

METHOD = (
    "median_ms: median over runs of each run's median iteration (its mean, where the tool prints no median); "
    "a run is one process. ci95_ms: from 6 runs on, the narrowest pair of order statistics that holds the median "
    "with at least 95 % (binomial, no distribution assumed); for 3 to 5 runs, Student's t on the logarithms, "
    "widened to the smallest and largest run. p95_ms: median over runs of each run's 95th percentile."
)

CONFIDENCE = 0.95
MIN_RUNS = 3  # the interval of two runs is so wide that it says nothing
MIN_ORDER_STATISTICS = 6  # 1 - 2 / 2**n reaches the level from n = 6 on
DIGITS = 5  # significant digits; runs do not repeat to more


def short(value: float, decimals: int = 2) -> str:
    """A number for a table cell: fixed decimals, or two significant digits where it is very small or large."""
    return f"{value:.{decimals}f}" if 0.1 <= value < 1e5 else f"{value:.2g}"


def decimals(values: Sequence[float | None]) -> int:
    """How many decimals a column of positive numbers gets: as many as the smallest needs for three digits, 1 to 4."""
    known = [value for value in values if value and value > 0]
    return min(max(2 - math.floor(math.log10(min(known))), 1), 4) if known else 1


def column(values: Sequence[float | None]) -> list[str]:
    """Positive numbers as text, all with the same number of `decimals`."""
    places = decimals(values)
    return ["-" if value is None else f"{value:.{places}f}" for value in values]


def rounded(value: float) -> float:
    """The value rounded to `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """A 95 % confidence interval for the median of the population of positive `values`.

    From 6 values on: the pair of order statistics x[k], x[n+1-k] with the largest k whose coverage,
    1 - 2·P(Binomial(n, 1/2) < k), is at least 95 % (Conover, Practical Nonparametric Statistics, section 3.2).
    Fewer values cannot reach 95 % that way: see `METHOD`. None for fewer than `MIN_RUNS` values.
    """
    ordered = sorted(values)
    count = len(ordered)
    if count < MIN_RUNS:
        return None
    if count < MIN_ORDER_STATISTICS:
        return _student_interval(ordered)
    rank, tail = 0, 0.0
    while True:
        tail += math.comb(count, rank) / 2**count
        if 1 - 2 * tail < CONFIDENCE:
            break
        rank += 1
    return ordered[rank - 1], ordered[count - rank]


def _student_interval(ordered: Sequence[float]) -> tuple[float, float]:
    center, margin = mean_logarithm(ordered)
    return min(ordered[0], math.exp(center - margin)), max(ordered[-1], math.exp(center + margin))


def mean_logarithm(values: Sequence[float]) -> tuple[float, float]:
    """The mean of the logarithms of at least 2 positive `values`, and half the width of its 95 % Student's t interval.

    Source: Student's t with n - 1 degrees of freedom, which assumes that the logarithms are normally distributed.
    """
    logs = [math.log(value) for value in values]
    return fmean(logs), half_width(logs)


def half_width(values: Sequence[float]) -> float:
    """Half the width of the 95 % Student's t interval of the mean of at least 2 values."""
    from scipy.special import stdtrit

    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    return quantile * stdev(values) / math.sqrt(len(values))


def ratio(
    now: float, now_interval: tuple[float, float] | None, before: float, before_interval: tuple[float, float] | None
) -> tuple[float, tuple[float, float] | None]:
    """`now` / `before`, and a 95 % confidence interval from the two intervals (None where one is missing).

    The distances of the logarithms to their limits add in quadrature, which allows asymmetric intervals (MOVER;
    Zou and Donner, Statistics in Medicine 27, 2008).
    """
    value = now / before
    if now_interval is None or before_interval is None:
        return value, None
    down = math.hypot(math.log(now / now_interval[0]), math.log(before_interval[1] / before))
    up = math.hypot(math.log(now_interval[1] / now), math.log(before / before_interval[0]))
    return value, (value * math.exp(-down), value * math.exp(up))
