"""What tests of the benchmark share: quick time limits, runs and rows, and the command as a process."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from android_bench.config import Case, Limits
from android_bench.results import aggregate
from android_bench.results.types import Check, Results, Row, Run
from tests.helpers.paths import ROOT

ON_LINUX = (sys.platform, platform.machine()) == ("linux", "x86_64")
needs_linux = pytest.mark.skipif(not ON_LINUX, reason="reads /proc, and the delegated nodes are those on Linux x86-64")

QUICK = Limits(reconnect=90, lock=60, cooldown=60, run=120, poll=0.05)
"""Limits that a passing test does not reach, and a short time between two queries of a phone."""

Bench = Callable[..., Results]
"""The fixture `bench`: benchmark a model on the stand-in phone."""

CASE = Case("m", "int8", "phone", "gpu", 1, (960, 540))


def runs(*outcomes: tuple[str, float | None]) -> list[Run]:
    """Runs of `CASE` with these statuses and milliseconds."""
    return [
        Run(CASE, number, status, note="why" if status != "ok" else "", median_ms=ms, p95_ms=ms)
        for number, (status, ms) in enumerate(outcomes, 1)
    ]


def row(*outcomes: tuple[str, float | None], rounds: int | None = None, check: Check | None = None) -> Row:
    """The row of `runs(*outcomes)`."""
    return aggregate.row(CASE, runs(*outcomes), rounds or len(outcomes), check, ())


def results(*medians: float | None, spread: float = 0.01) -> Results:
    """Results with a row for each median, whose interval is `spread` wide; None is a row without latency."""
    rows = []
    for index, median in enumerate(medians):
        made = aggregate.row(replace(CASE, threads=index + 1), [], 6, None, ())
        if median is not None:
            limits = (median * (1 - spread), median * (1 + spread))
            made = replace(made, status="ok", median_ms=median, ci95_ms=limits, runs=6)
        rows.append(made)
    return Results(tuple(rows), {})


def command(*arguments: str) -> list[str]:
    """The argument list of `ecbsr-bench` as a process; it must run in the folder `ROOT`."""
    return [sys.executable, "-m", "android_bench.cli", *arguments]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `ecbsr-bench` to its end."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, cwd=ROOT)
