"""The figure of a row: the median of its runs, and how far it can be trusted.

A run is one process. Iterations inside a run share its memory layout, its cores and the temperature of
the moment, so their spread says nothing about the next run: intervals here are taken over runs alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

METHOD = (
    "median_ms: median over runs of each run's median iteration (its mean, where the tool prints no median); "
    "a run is one process. ci95_ms: from 6 runs on, the narrowest pair of order statistics that holds the median "
    "with at least 95 % (binomial, no distribution assumed); for 2 to 5 runs, Student's t on the logarithms, "
    "widened to the smallest and largest run. p95_ms: median over runs of each run's 95th percentile."
)

# Student's t, two-sided 95 %, for 1 to 4 degrees of freedom (2 to 5 runs).
_STUDENT = (12.706, 4.303, 3.182, 2.776)
_LEVEL = 0.95
DIGITS = 5  # significant ones; no run repeats to more


def short(value: float, decimals: int = 2) -> str:
    """For a table's cell: so many decimals, or two digits where the number is very small or large."""
    return f"{value:.{decimals}f}" if 0.1 <= value < 1e5 else f"{value:.2g}"


def rounded(value: float) -> float:
    """The value with as many digits as may mean something."""
    return float(f"{value:.{DIGITS}g}")


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """A 95 % interval for the median of the population that positive `values` come from.

    From 6 values on it is the pair of order statistics x[k], x[n+1-k] with the largest k whose coverage,
    1 - 2·P(Binomial(n, 1/2) < k), is at least 95 % (e.g. Conover, Practical Nonparametric Statistics, 3.2).
    Fewer values cannot reach 95 % that way: see `METHOD`. None for fewer than 2 values.
    """
    ordered = sorted(values)
    count = len(ordered)
    if count < 2:
        return None
    if count <= len(_STUDENT) + 1:
        logs = [math.log(value) for value in ordered]
        half = _STUDENT[count - 2] * stdev(logs) / math.sqrt(count)
        centre = fmean(logs)
        return min(ordered[0], math.exp(centre - half)), max(ordered[-1], math.exp(centre + half))
    rank, tail = 0, 0.0
    while True:
        tail += math.comb(count, rank) / 2**count
        if 1 - 2 * tail < _LEVEL:
            break
        rank += 1
    return ordered[rank - 1], ordered[count - rank]


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value that `fraction` of `values` do not exceed, by linear interpolation between neighbours."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * fraction
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def ratio(
    now: float, now_interval: tuple[float, float] | None, then: float, then_interval: tuple[float, float] | None
) -> tuple[float, tuple[float, float] | None]:
    """`now` / `then` with a 95 % interval from the two intervals.

    The logarithms' distances to their limits add up in quadrature (MOVER; Zou and Donner, Statistics in
    Medicine 27, 2008), for intervals need not be symmetric.
    """
    value = now / then
    if now_interval is None or then_interval is None:
        return value, None
    down = math.hypot(math.log(now / now_interval[0]), math.log(then_interval[1] / then))
    up = math.hypot(math.log(now_interval[1] / now), math.log(then / then_interval[0]))
    return value, (value * math.exp(-down), value * math.exp(up))
