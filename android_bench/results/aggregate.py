"""What the runs of one case add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from ..config import Case
from . import stats
from .types import TIMED, WRONG, Check, OperatorTime, Row, Run


def row(case: Case, runs: Sequence[Run], rounds: int, check: Check | None, profile: Sequence[OperatorTime]) -> Row:
    """What the runs of one case add up to, when `rounds` were asked for.

    The figure comes from the runs that are clean. Runs of another status are counted in the note; they
    decide the row's status where at least half of all runs ended so.
    """
    status = _status(runs, rounds)
    if check is not None and check.note.startswith(WRONG) and status in TIMED:
        status = "mismatch"
    used = [run for run in runs if run.status == status and run.median_ms is not None] if status in TIMED else []
    shown = next((run for run in runs if run.status == status), runs[0] if runs else None)
    times = [run.median_ms for run in used if run.median_ms is not None]
    tails = [run.p95_ms for run in used if run.p95_ms is not None]
    limits = stats.interval(times) if times else None
    return Row(
        **vars(case),
        status=status,
        median_ms=stats.rounded(median(times)) if times else None,
        ci95_ms=(stats.rounded(limits[0]), stats.rounded(limits[1])) if limits else None,
        p95_ms=stats.rounded(median(tails)) if tails else None,
        fps=stats.rounded(1000 / median(times)) if times else None,
        runs=len(used),
        nodes_delegated=shown.nodes_delegated if shown else None,
        nodes_total=shown.nodes_total if shown else None,
        note=_note(status, runs, used, rounds, check),
        partitions=shown.partitions if shown else None,
        init_ms=_middle(run.init_ms for run in used),
        peak_memory_mb=_middle(run.peak_memory_mb for run in used),
        run_ms=tuple(stats.rounded(time) for time in times),
        check=check,
        profile=tuple(profile),
    )


def _status(runs: Sequence[Run], rounds: int) -> str:
    finished = [run for run in runs if run.status != "lost"]
    if not finished:
        return "lost"
    counts = Counter(run.status for run in finished)
    bad = [(count, status) for status, count in counts.items() if status not in TIMED]
    if bad and sum(count for count, _ in bad) * 2 >= len(finished):
        return max(bad)[1]
    return next(status for status in TIMED if counts[status])


def _note(status: str, runs: Sequence[Run], used: Sequence[Run], rounds: int, check: Check | None) -> str:
    notes = [run.note for run in runs if run.status == status and run.note][:1]
    others = Counter(run.status for run in runs if run.status != status)
    notes += [f"{count} of {rounds} runs: {other}" for other, count in others.items()]
    if status in TIMED and len(runs) < rounds:
        notes.append(f"{len(runs)} of {rounds} rounds were run")
    if any(run.mean for run in used):
        notes.append("the tool prints no median: each run counts with its mean")
    if check is not None and check.note:
        notes.append(check.note)
    return "; ".join(notes)


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return stats.rounded(median(known)) if known else None
