"""The report of a session: one self-contained HTML page, without scripts or requests.

The page is a view of `Results`. Each figure on it carries its JSON pointer into `results.json` as `data-at`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from export.html.rendering import render, size_name
from export.resolutions import Size

from ..results import serialize, stats
from ..results.answers import Answer, answers, delegate_title, device_title
from ..results.baseline import Comparison
from ..results.explanations import explain
from ..results.types import STATUSES, TIMED, Core, Results
from . import plots


@dataclass(frozen=True)
class Problem:
    """Rows of a device and delegate that have the same status, other than "ok", for the same reason."""

    status: str
    device: str
    delegate: str
    reason: str
    rows: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SideBySide:
    """The results as a table, with a column for each pair of device and delegate.

    `titles` are those of the columns. Each of the `lines` is a model, a size, and the indices of results per column.
    """

    titles: list[str]
    lines: list[tuple[str, Size, list[list[int]]]]


def html(results: Results, compared: Sequence[Comparison] = ()) -> str:
    """The report page; `compared` adds a section with the comparison to a baseline."""
    found, latencies = answers(results), plots.latencies(results)
    return render(
        __package__,
        "page.html.j2",
        serialize.document(results, compared),
        session=results,
        rows=results.results,
        compared=compared,
        answer=_sentence(results, found),
        answers=found,
        delegate_title=delegate_title,
        decimals=stats.decimals([row.median_ms for row in results.results]),
        fps_decimals=stats.decimals([row.fps for row in results.results]),
        explanations=explain(results),
        sections=_sections(results, compared, latencies),
        problems=_problems(results),
        side_by_side=_side_by_side(results),
        latencies=latencies,
        temperatures=plots.temperatures(results),
        core_groups={name: _core_groups(device.cores) for name, device in results.devices.items()},
        statuses=STATUSES,
        timed=TIMED,
    )


def _sections(
    results: Results, compared: Sequence[Comparison], latencies: Sequence[plots.LatencyPlot]
) -> list[tuple[str, str]]:
    """The ids and names of the sections that the page has."""
    latency = [(f"latency{number}", f"Latency on {plot.title}") for number, plot in enumerate(latencies, 1)]
    return [
        *([("latency1", "Latency")] if len(results.devices) == 1 and latency else latency),
        ("problems", "Failures"),
        *([("baseline", "Baseline")] if compared else []),
        ("side-by-side", "Side by side"),
        *([("devices", "Devices")] if results.devices else []),
        ("rows", "All rows"),
        *([("models", "Models")] if results.models else []),
        ("reading", "How to read"),
    ]


def _sentence(results: Results, found: Sequence[Answer]) -> str:
    """The fastest target, or that there is none."""
    latencies = {results.results[answer.row].median_ms: answer for answer in found}
    timed = [latency for latency in latencies if latency is not None]
    if not timed:
        return "Nothing was timed"
    best = latencies[min(timed)]
    return f"{best.target[0].upper()}{best.target[1:]}: {best.text}"


def _problems(results: Results) -> list[Problem]:
    problems: dict[tuple[str, str, str, str], Problem] = {}
    for row in results.results:
        if row.status != "ok":
            key = (row.status, row.device, row.delegate, row.note or STATUSES[row.status])
            name = f"{row.model} at {size_name(row.size)}"
            rows = problems.setdefault(key, Problem(*key)).rows
            if name not in rows:
                rows.append(name)
    return list(problems.values())


def _side_by_side(results: Results) -> SideBySide:
    pairs = list(dict.fromkeys((row.device, row.delegate) for row in results.results))
    indices: dict[tuple[str, Size], dict[tuple[str, str], list[int]]] = {}
    for index, row in enumerate(results.results):
        cells = indices.setdefault((row.model, row.size), {pair: [] for pair in pairs})
        cells[row.device, row.delegate].append(index)
    titles = [f"{device_title(results, device)} · {delegate_title(delegate)}" for device, delegate in pairs]
    return SideBySide(titles, [(model, size, list(cells.values())) for (model, size), cells in indices.items()])


def _core_groups(cores: Sequence[Core]) -> Mapping[int | None, list[int]]:
    """Positions of the cores by their highest clock in MHz."""
    groups: dict[int | None, list[int]] = {}
    for position, core in enumerate(cores):
        groups.setdefault(core.max_mhz, []).append(position)
    return groups
