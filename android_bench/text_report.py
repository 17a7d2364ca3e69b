"""What `ecbsr-bench` prints about its results: what disturbed it, the table, explanations, and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common, tables
from ecbsr_mobile.cli.gate_report import Check, GateReport, Outcome
from ecbsr_mobile.utils.text import named

from .config import HOST
from .results import stats
from .results.answers import answers
from .results.explanations import explain
from .results.types import ANSWERED

if TYPE_CHECKING:
    from .results.baseline import Comparison
    from .results.types import Results, Row

OPTIONAL = ("p95 ms", "nodes", "threads", "device", "delegate", "95 % interval", "fps")
"""Columns that a narrow terminal leaves out, the first ones first."""


def print_results(results: Results, comparisons: Sequence[Comparison]) -> None:
    """Print the table on standard output and notes on standard error: first that a machine was busy, for example.

    What failed, and why, is printed with `--quiet` as well.
    """
    for device in results.devices.values():
        for note in device.notes:
            common.notice(f"{device.name}: {note}")
    header, lines = _table(results, comparisons)
    alike = [name for name in ("device", "delegate", "threads") if len({getattr(r, name) for r in results.results}) < 2]
    tables.print_table(header, lines, optional=[*alike, *OPTIONAL])
    rows_by_note: dict[tuple[bool, str], list[str]] = {}
    for row in results.results:
        notes = [(row.status not in ANSWERED, row.note)]
        if row.energy and row.energy.note:
            notes.append((row.energy.mj is None, f"energy: {row.energy.note}"))
        for failed, note in notes:
            if note:
                rows = rows_by_note.setdefault((failed, f"{row.device} by {row.delegate}: {note}"), [])
                rows.append(f"{row.model} {row.size_text}")
    for (failed, note), rows in rows_by_note.items():
        (common.problem if failed else common.notice)(f"{note} ({', '.join(dict.fromkeys(rows))})")
    for name, reason in results.failures.items():
        if all(row.note != reason for row in results.results):
            common.problem(named(name, reason))
    for sentence in explain(results):
        common.notice(sentence)


def notice_next_step(results: Results, folder: str | Path | None) -> None:
    """Say what was measured, where it is, and how to go on."""
    for answer in answers(results):
        common.notice(f"{answer.target}: {answer.word}: {answer.text}")
    if folder:
        common.notice(f"the report is {Path(folder) / 'report.html'}")
    elif results.results:
        common.notice("nothing is kept: add --out FOLDER for a report, JSON and CSV")
    if all(row.device == HOST for row in results.results):
        common.notice(f"phones to measure on: {common.command_line('bench', '--list')}")


def gate(results: Results, comparisons: Sequence[Comparison], refusal: str = "") -> GateReport:
    """The decisions of a session: of each comparison with a baseline, or else whether each row has an answer.

    `refusal` says why there is no comparison with the baseline, although one was asked for.
    """
    checks = [_row_check(row) for row in results.results]
    for comparison in comparisons:
        outcome: Outcome = "failed" if comparison.failed else "passed"
        if not comparison.failed and comparison.verdict in ("inconclusive", "unpaired"):
            outcome = "skipped"
        checks.append(Check(comparison.case.label, "baseline", outcome, comparison.note or comparison.text))
    checks += [Check(name, "device", "error", reason) for name, reason in results.failures.items()]
    if refusal:
        checks.append(Check("baseline", "comparison", "error", f"the baseline {refusal}"))
    said = "; ".join(f"{answer.target}: {answer.word}: {answer.text}" for answer in answers(results))
    header, lines = _table(results, comparisons)
    return GateReport("ecbsr-bench", said or "no rows", checks, header, lines)


def _row_check(row: Row) -> Check:
    if row.status in ANSWERED:
        latency = "" if row.median_ms is None else f"{stats.column([row.median_ms])[0]} ms"
        return Check(row.label, "measured", "passed", latency or row.status)
    return Check(row.label, "measured", "error", f"{row.status}: {row.note}" if row.note else row.status)


def _table(results: Results, comparisons: Sequence[Comparison]) -> tuple[list[str], list[list[str]]]:
    rows = results.results
    columns = {
        "model": [row.model for row in rows],
        "size": [row.size_text for row in rows],
        "device": [row.device for row in rows],
        "delegate": [row.delegate for row in rows],
        "threads": [str(row.threads) for row in rows],
        "status": [row.status for row in rows],
        "median ms": stats.column([row.median_ms for row in rows]),
        "95 % interval": _intervals(rows),
        "p95 ms": stats.column([row.p95_ms for row in rows]),
        "fps": stats.column([row.fps for row in rows]),
        "nodes": [_nodes(row) for row in rows],
    }
    if any(row.check for row in rows):
        columns["output"] = [row.check.text if row.check else "-" for row in rows]
    if any(row.energy for row in rows):
        columns["mJ an image"] = [row.energy.text if row.energy else "-" for row in rows]
    if comparisons:  # rows that only the baseline has follow at the end
        columns["now / baseline"] = [comparison.text for comparison in comparisons[: len(rows)]]
    return list(columns), [list(cells) for cells in zip(*columns.values(), strict=True)]


def _intervals(rows: Sequence[Row]) -> list[str]:
    ends = [end for row in rows for end in (row.ci95_ms or (None, None))]
    texts = stats.column(ends)
    width = max(map(len, texts), default=0)
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return ["-" if low == "-" else f"{low.rjust(width)} - {high.rjust(width)}" for low, high in pairs]


def _nodes(row: Row) -> str:
    return "-" if row.nodes_delegated is None else f"{row.nodes_delegated}/{row.nodes_total or '?'}"
