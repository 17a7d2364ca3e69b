"""An earlier session beside this one: how much slower or faster each row became."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..config import Case
from . import stats
from .types import Results, Row


@dataclass(frozen=True)
class Comparison:
    """One row against the same case earlier. `ratio` is now / then: above 1 is slower."""

    case: Case
    before_ms: float | None
    now_ms: float | None
    ratio: float | None
    ci95: tuple[float, float] | None
    failed: bool = False
    note: str = ""

    @property
    def text(self) -> str:
        """For a table's cell."""
        if self.ratio is None:
            return self.note or "-"
        limits = " - ".join(stats.short(limit, 3) for limit in self.ci95 or ())
        return stats.short(self.ratio, 3) + (f" ({limits})" if limits else "")

    @property
    def label(self) -> str:
        """For a sentence about it."""
        width, height = self.case.size
        return f"{self.case.model} {width}x{height} on {self.case.device} by {self.case.delegate}"

    def as_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return asdict(self)


def compare(now: Results, then: Results, fail_above: float | None = None) -> tuple[Comparison, ...]:
    """Each row of `now` beside the row of the same case in `then`.

    A row fails where it had a figure and has none now, or where its ratio is above `fail_above` and its
    interval, where there is one, is wholly above 1: noise alone does not fail it.
    """
    earlier = {row.case: row for row in then.results}
    return tuple(_compare(row, earlier.get(row.case), fail_above) for row in now.results)


def _compare(row: Row, before: Row | None, fail_above: float | None) -> Comparison:
    plain = Comparison(row.case, before.median_ms if before else None, row.median_ms, None, None)
    if before is None or before.median_ms is None:
        return replace(plain, note="not in the baseline" if before is None else f"{before.status} in the baseline")
    if row.median_ms is None:
        return replace(plain, failed=fail_above is not None, note=f"{row.status}, but it was timed in the baseline")
    value, limits = stats.ratio(row.median_ms, row.ci95_ms, before.median_ms, before.ci95_ms)
    failed = fail_above is not None and value > fail_above and (limits is None or limits[0] > 1)
    note = f"{value:.3f} times the baseline, more than {fail_above:g}" if failed else ""
    shown = (stats.rounded(limits[0]), stats.rounded(limits[1])) if limits else None
    return replace(plain, ratio=stats.rounded(value), ci95=shown, failed=failed, note=note)
