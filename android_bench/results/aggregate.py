"""The row of one case from its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from ..config import Case
from . import stats
from .types import TIMED, WRONG_OUTPUT, Check, Energy, OperatorTime, Row, Run


def row(
    case: Case,
    runs: Sequence[Run],
    rounds: int,
    check: Check | None,
    profile: Sequence[OperatorTime],
    energy: Energy | None = None,
) -> Row:
    """The row of a case from its `runs`, of which `rounds` were requested.

    The latency is the median over the runs that have the status of the row. The note counts the runs of other
    statuses. Runs without a latency decide the status if they are at least half of all runs that were not lost.
    """
    status = _status(runs)
    if check is not None and check.note.startswith(WRONG_OUTPUT) and status in TIMED:
        status = "mismatch"
    timed = [run for run in runs if run.status == status and run.median_ms is not None] if status in TIMED else []
    example = next((run for run in runs if run.status == status), runs[0] if runs else None)
    times = [run.median_ms for run in timed if run.median_ms is not None]
    p95_times = [run.p95_ms for run in timed if run.p95_ms is not None]
    limits = stats.interval(times)
    return Row(
        **vars(case),
        status=status,
        median_ms=stats.rounded(median(times)) if times else None,
        ci95_ms=(stats.rounded(limits[0]), stats.rounded(limits[1])) if limits else None,
        p95_ms=stats.rounded(median(p95_times)) if p95_times else None,
        fps=stats.rounded(1000 / median(times)) if times else None,
        runs=len(timed),
        nodes_delegated=example.nodes_delegated if example else None,
        nodes_total=example.nodes_total if example else None,
        note=_note(status, runs, timed, rounds, check),
        partitions=example.partitions if example else None,
        init_ms=_median(run.init_ms for run in timed),
        peak_memory_mb=_median(run.peak_memory_mb for run in timed),
        run_ms=tuple(stats.rounded(time) for time in times),
        check=check,
        profile=tuple(profile),
        energy=energy,
    )


def _status(runs: Sequence[Run]) -> str:
    finished = [run for run in runs if run.status != "lost"]
    if not finished:
        return "lost"
    counts = Counter(run.status for run in finished)
    failures = [(count, status) for status, count in counts.items() if status not in TIMED]
    if failures and sum(count for count, _ in failures) * 2 >= len(finished):
        return max(failures)[1]
    return next(status for status in TIMED if counts[status])


def _note(status: str, runs: Sequence[Run], timed: Sequence[Run], rounds: int, check: Check | None) -> str:
    notes = _run_notes([run for run in runs if run.status == status], status)
    others = Counter(run.status for run in runs if run.status != status)
    notes += [f"{count} of {rounds} runs: {other}" for other, count in others.items()]
    if status in TIMED and len(runs) < rounds:
        notes.append(f"only {len(runs)} of {rounds} rounds were run")
    if any(run.mean for run in timed):
        notes.append("the tool prints no median: the mean of each run is used")
    if check is not None and check.note:
        notes.append(check.note)
    return "; ".join(notes)


def _run_notes(runs: Sequence[Run], status: str) -> list[str]:
    """What the runs note: of runs that failed, the first one's reason; of others, each note, and of how many runs."""
    if status not in TIMED:
        return [run.note for run in runs if run.note][:1]
    counts = Counter(note for run in runs for note in dict.fromkeys(run.note.split("; ")) if note)
    return [note if count == len(runs) else f"{note} ({count} of {len(runs)} runs)" for note, count in counts.items()]


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return stats.rounded(median(known)) if known else None
