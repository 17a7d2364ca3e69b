"""Comparison with an earlier session: how much slower or faster each row is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from ..config import Case
from . import stats
from .types import DeviceInfo, Results, Row, Tool

_MISSING = "in the baseline, but not measured now"
_NOT_KNOWN = "not known"
_SERIAL = "hash of the serial number"


@dataclass(frozen=True)
class Comparison:
    """One row and the row of the same case in the baseline. `ratio` is now / before: above 1 is slower.

    `verdict` is "passed", "slower", "inconclusive", "unpaired" (without a partner) or "" (nothing to decide); `failed`
    tells whether it counts against the session. `note` is the reason, and that the delegate runs fewer nodes.
    """

    case: Case
    before_ms: float | None
    now_ms: float | None
    ratio: float | None
    ci95: tuple[float, float] | None
    verdict: str = ""
    failed: bool = False
    note: str = ""

    @property
    def text(self) -> str:
        """The comparison as a table cell."""
        if self.ratio is None:
            return self.note or "-"
        limits = " - ".join(stats.short(limit, 3) for limit in self.ci95 or ())
        verdict = f" {self.verdict}" if self.verdict in ("slower", "inconclusive") else ""
        return stats.short(self.ratio, 3) + (f" ({limits})" if limits else "") + verdict


def compare(
    now: Results, before: Results, fail_above: float | None = None, *, strict: bool = False
) -> tuple[Comparison, ...]:
    """Compare each row of `now` with the row of the same case in `before`, also if a phone's address has changed.

    With `fail_above`, a row is "slower" and fails if its ratio is above `fail_above` and its confidence interval (if
    there is one) lies above 1: noise alone does not fail a row. A row is "inconclusive" if its interval is too wide to
    tell, if it has none, or if a phone was throttled. A row that no longer has a latency fails.

    With `strict`, inconclusive rows fail, and so does every row without a partner with a latency; the rows that only
    `before` has follow at the end.
    """
    earlier = {row.case: row for row in _renamed(now, before).results}
    compared = [_compare(row, earlier.pop(row.case, None), fail_above) for row in now.results]
    if strict:
        missing = [row for row in earlier.values() if row.median_ms is not None]
        compared += [
            Comparison(row.case, row.median_ms, None, None, None, "unpaired", note=_MISSING) for row in missing
        ]
        compared = [replace(row, failed=row.failed or row.verdict in ("inconclusive", "unpaired")) for row in compared]
    return tuple(compared)


def _compare(row: Row, before: Row | None, fail_above: float | None) -> Comparison:
    comparison = Comparison(row.case, before.median_ms if before else None, row.median_ms, None, None)
    if before is None or before.median_ms is None:
        verdict = "unpaired" if before is None or row.median_ms is not None else ""
        note = f"{before.status} in the baseline" if before else "not in the baseline"
        return replace(comparison, verdict=verdict, note=note)
    if row.median_ms is None:
        note = f"{row.status}, but it was timed in the baseline"
        return replace(comparison, verdict="unpaired", failed=fail_above is not None, note=note)
    ratio, limits = stats.ratio(row.median_ms, row.ci95_ms, before.median_ms, before.ci95_ms)
    verdict, note = _verdict(ratio, limits, (row.status, before.status), fail_above) if fail_above else ("", "")
    note = "; ".join(filter(None, (note, _fewer_nodes(row, before))))
    ci95 = (stats.rounded(limits[0]), stats.rounded(limits[1])) if limits else None
    failed = verdict == "slower"
    return replace(comparison, ratio=stats.rounded(ratio), ci95=ci95, verdict=verdict, failed=failed, note=note)


def _fewer_nodes(row: Row, before: Row) -> str:
    """That the delegate runs a smaller share of the nodes than in the baseline; "" where it does not."""
    shares = [
        each.nodes_delegated / each.nodes_total
        for each in (row, before)
        if each.nodes_total and each.nodes_delegated is not None
    ]
    if len(shares) < 2 or shares[0] >= shares[1]:
        return ""
    now, then = (f"{each.nodes_delegated} of {each.nodes_total}" for each in (row, before))
    return f"the delegate runs {now} nodes, and ran {then} in the baseline"


def _verdict(
    ratio: float, limits: tuple[float, float] | None, statuses: tuple[str, str], fail_above: float
) -> tuple[str, str]:
    """The verdict about a ratio, and its reason; `statuses` are those of both rows."""
    if "throttled" in statuses:
        return "inconclusive", f"{statuses[0]} now, {statuses[1]} in the baseline: a throttled phone decides nothing"
    if ratio > fail_above and (limits is None or limits[0] > 1):
        return "slower", f"{ratio:.3f} times the baseline, more than {fail_above:g}"
    if limits is not None and limits[1] <= fail_above:
        return "passed", ""
    interval = f"the interval {limits[0]:.3f} - {limits[1]:.3f} is too wide" if limits else "without an interval"
    note = f"{ratio:.3f} times the baseline, {interval} to decide about {fail_above:g}; use more --rounds"
    return "inconclusive", note


def differences(now: Results, before: Results) -> list[str]:
    """What makes the rows of both incomparable, in words: another machine, system, runtime, tool or model file."""
    before = _renamed(now, before)
    shared = {row.case for row in now.results} & {row.case for row in before.results}
    found = []
    for name in sorted({case.device for case in shared}):
        identities = (
            _identity(each.devices.get(name, DeviceInfo()), str(each.settings.get("cores", "")))
            for each in (now, before)
        )
        found += [_difference(f"{what} of {name}", *values) for what, values in _unequal(*identities)]
    for name in sorted({case.model for case in shared}):
        ours, theirs = (str(each.models.get(name, {}).get("sha256") or "not known") for each in (now, before))
        if ours != theirs:
            found.append(_difference(f"SHA-256 of {name}", ours[:12], theirs[:12]))
    return found


def device_changes(now: DeviceInfo, before: DeviceInfo) -> list[str]:
    """What makes it wrong to add runs of the device `now` to those of `before`, which has its name, in words."""
    changes = _unequal(_identity(now, ""), _identity(before, ""))
    return [f"the {what} is {new}, and was {old}" for what, (new, old) in changes]


def _renamed(now: Results, before: Results) -> Results:
    """`before`, in which phones have the names of `now`: wireless debugging has another port after each start.

    Only a phone whose name the other document lacks, and which has one partner there, is renamed.
    """
    new = [name for name in now.devices if name not in before.devices]
    gone = [name for name in before.devices if name not in now.devices]
    pairs = [(name, old) for name in new for old in gone if _is_same_phone(now.devices[name], before.devices[old])]
    counts = Counter(name for pair in pairs for name in pair)
    names = {old: name for name, old in pairs if counts[old] == counts[name] == 1}
    rows = tuple(replace(row, device=names.get(row.device, row.device)) for row in before.results)
    devices = {names.get(name, name): device for name, device in before.devices.items()}
    return replace(before, results=rows, devices=devices)


def _is_same_phone(one: DeviceInfo, other: DeviceInfo) -> bool:
    """Whether both are one phone, or, in files without hashes of the serial number, phones that do not differ."""
    if one.kind != "phone" or other.kind != "phone":
        return False
    if one.serial_hash and other.serial_hash:
        return one.serial_hash == other.serial_hash
    return bool(one.fingerprint) and (one.fingerprint, one.model) == (other.fingerprint, other.model)


def _difference(what: str, ours: str, theirs: str) -> str:
    return f"the {what} is {ours}, and {theirs} in the baseline"


def _unequal(ours: dict[str, str], theirs: dict[str, str]) -> list[tuple[str, tuple[str, str]]]:
    """What differs, with both values. Older files lack the hash of the serial number, which then tells nothing."""
    pairs = [(what, (value, theirs[what])) for what, value in ours.items() if value != theirs[what]]
    return [(what, values) for what, values in pairs if what != _SERIAL or _NOT_KNOWN not in values]


def _identity(device: DeviceInfo, chosen_cores: str) -> dict[str, str]:
    tool, is_phone = device.tool or Tool("", ""), device.kind == "phone"
    clock = max((core.max_mhz or 0 for core in device.cores), default=0)
    abis, cores = " ".join(device.abis), f"{len(device.cores)} cores" + (f" up to {clock} MHz" if clock else "")
    values = {
        "model": f"{device.model} {device.soc}",
        # Model and build of a phone tell processors apart; its cores that sleep have no clock, or are not listed.
        "processor": abis if is_phone else f"{abis} with {cores}" if device.cores else "",
        # A virtual machine names its processor by the maker alone.
        "instruction set": "" if is_phone else " ".join(device.cpu_flags),
        "system": device.fingerprint,
        _SERIAL: device.serial_hash,
        "runtime": f"{tool.kind} {tool.version}",
        "tool": tool.sha256[:12],
        "choice of cores": chosen_cores if is_phone else "",
    }
    return {what: value.strip() or _NOT_KNOWN for what, value in values.items()}
