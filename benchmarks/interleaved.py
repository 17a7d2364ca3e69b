"""Compare the run time of two functions on a noisy machine: interleaved runs, their ratio, a 95 % interval.

Other processes and frequency changes slow down both functions of a round alike, so the ratio of their times varies far
less than the times do.
"""

from __future__ import annotations

import argparse
import math
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from android_bench.results.stats import mean_logarithm
from ecbsr_mobile.errors import UsageError


@dataclass(frozen=True)
class Ratio:
    """Geometric mean of ratios of times, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Comparison:
    """The ratio of the times of two functions, and the median seconds of each."""

    ratio: Ratio
    seconds: float
    baseline_seconds: float

    def __str__(self) -> str:
        return f"{self.ratio}, {self.seconds * 1e3:.2f} ms over {self.baseline_seconds * 1e3:.2f} ms"


def compare(function: Callable[[], object], baseline: Callable[[], object], rounds: int = 20) -> Comparison:
    """Time `function` and `baseline` once per round, in alternating order, after one warm-up round.

    The interval is Student's t interval of the logarithms of the rounds' ratios.

    Raises:
        UsageError: fewer than two rounds, of which no interval can be computed.
    """
    if rounds < 2:
        raise UsageError(f"an interval needs at least 2 rounds, not {rounds}")
    times: list[tuple[float, float]] = []
    for index in range(rounds + 1):
        order = (function, baseline) if index % 2 else (baseline, function)
        seconds = {timed: _seconds(timed) for timed in order}
        times.append((seconds[function], seconds[baseline]))
    numerators, denominators = zip(*times[1:], strict=True)
    ratio = geometric_mean([a / b for a, b in zip(numerators, denominators, strict=True)])
    return Comparison(ratio, statistics.median(numerators), statistics.median(denominators))


def geometric_mean(ratios: list[float]) -> Ratio:
    """The geometric mean of at least two positive ratios, with Student's t interval."""
    mean, margin = mean_logarithm(ratios)
    return Ratio(math.exp(mean), math.exp(mean - margin), math.exp(mean + margin))


def processor() -> str:
    """The processor's name and those of its vector extensions that decide how fast int8 runs."""
    from android_bench.results.explanations import DOT_PRODUCT, flags

    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    name = model[1] if model else platform.processor() or platform.machine()
    extensions = " ".join(sorted({"avx2", "avx512f", *DOT_PRODUCT}.intersection(flags(text))))
    return f"{name} ({extensions})" if extensions else name


def add_rounds_option(parser: argparse.ArgumentParser) -> None:
    """Add `--rounds`."""
    parser.add_argument("--rounds", type=int, default=20, help="timed rounds, after one of warm-up (20)")


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
