"""Comparing the time of two pieces of work on a noisy machine: by ratio, interleaved, with an interval."""

from __future__ import annotations

import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ratio:
    """Geometric mean of the rounds' ratios, its 95 % interval, and the median seconds of both."""

    mean: float
    low: float
    high: float
    seconds: float
    baseline_seconds: float

    def __str__(self) -> str:
        milliseconds = f"{self.seconds * 1e3:.2f} ms against {self.baseline_seconds * 1e3:.2f} ms"
        return f"{self.mean:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}; {milliseconds})"


def ratio(work: Callable[[], object], baseline: Callable[[], object], rounds: int = 20) -> Ratio:
    """Time `work` and `baseline` in turn, the order changing each round; the first round is not counted."""
    times: list[tuple[float, float]] = []
    for index in range(rounds + 1):
        order = (work, baseline) if index % 2 else (baseline, work)
        spent = {piece: _time(piece) for piece in order}
        times.append((spent[work], spent[baseline]))
    logs = [math.log(ours / theirs) for ours, theirs in times[1:]]
    mean = statistics.fmean(logs)
    margin = 2.09 * statistics.stdev(logs) / math.sqrt(len(logs))  # Student's t for some 20 rounds
    ours, theirs = (statistics.median(column) for column in zip(*times[1:], strict=True))
    return Ratio(math.exp(mean), math.exp(mean - margin), math.exp(mean + margin), ours, theirs)


def machine() -> str:
    """The processor, and the vector instructions that decide how fast int8 is on it."""
    model, flags = platform.processor() or platform.machine(), ""
    if Path("/proc/cpuinfo").exists():
        lines = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines.items()}
        model = fields.get("model name", model)
        held = set(fields.get("flags", fields.get("Features", "")).split())
        flags = " ".join(sorted(held & {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}))
    return f"{model} ({flags})" if flags else model


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
