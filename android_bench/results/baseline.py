"""Comparison with an earlier session: how much slower or faster each row is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..config import Case
from . import stats
from .types import Results, Row


@dataclass(frozen=True)
class Comparison:
    """One row and the row of the same case in the baseline. `ratio` is now / before: above 1 is slower."""

    case: Case
    before_ms: float | None
    now_ms: float | None
    ratio: float | None
    ci95: tuple[float, float] | None
    failed: bool = False
    note: str = ""

    @property
    def text(self) -> str:
        """The comparison as a table cell."""
        if self.ratio is None:
            return self.note or "-"
        limits = " - ".join(stats.short(limit, 3) for limit in self.ci95 or ())
        return stats.short(self.ratio, 3) + (f" ({limits})" if limits else "")

    @property
    def label(self) -> str:
        """The case in words."""
        case, (width, height) = self.case, self.case.size
        return f"{case.model} {width}x{height} on {case.device} by {case.delegate}, {case.threads_text}"


def compare(now: Results, before: Results, fail_above: float | None = None) -> tuple[Comparison, ...]:
    """Compare each row of `now` with the row of the same case in `before`.

    With `fail_above`, a row fails if it no longer has a latency, or if its ratio is above `fail_above` and its
    confidence interval (if there is one) lies above 1: noise alone does not fail a row.
    """
    earlier = {row.case: row for row in before.results}
    return tuple(_compare(row, earlier.get(row.case), fail_above) for row in now.results)


def _compare(row: Row, before: Row | None, fail_above: float | None) -> Comparison:
    comparison = Comparison(row.case, before.median_ms if before else None, row.median_ms, None, None)
    if before is None or before.median_ms is None:
        return replace(comparison, note="not in the baseline" if before is None else f"{before.status} in the baseline")
    if row.median_ms is None:
        failed = fail_above is not None
        return replace(comparison, failed=failed, note=f"{row.status}, but it was timed in the baseline")
    ratio, limits = stats.ratio(row.median_ms, row.ci95_ms, before.median_ms, before.ci95_ms)
    failed = fail_above is not None and ratio > fail_above and (limits is None or limits[0] > 1)
    note = f"{ratio:.3f} times the baseline, more than {fail_above:g}" if failed else ""
    ci95 = (stats.rounded(limits[0]), stats.rounded(limits[1])) if limits else None
    return replace(comparison, ratio=stats.rounded(ratio), ci95=ci95, failed=failed, note=note)
