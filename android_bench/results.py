"""What a session found: frozen values, and their forms as JSON and CSV.

A `Run` is one process on one device, as it is written to `runs.jsonl` when it ends. A `Row` is what the
runs of one `Case` add up to. Everything else (tables, the page) is a view of `Results`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import median
from typing import Any, TypeVar

from ecbsr_mobile.errors import EcbsrError

from . import stats
from .plan import Case

STATUSES = {
    "ok": "timed; the delegate itself says that it took the nodes",
    "partial": "timed, but the delegate took only some of the nodes",
    "throttled": "timed while the device was holding itself back because of heat",
    "fallback": "the delegate took nothing, so the CPU was timed: no figure",
    "unsupported": "the tool or the device does not offer the delegate",
    "mismatch": "what ran is not what was asked for: another shape or file, or a wrong output",
    "failed": "the tool reported an error",
    "timeout": "no end within the limit",
    "crashed": "the tool was ended by a signal",
    "lost": "the device went away",
}
"""Every status, and what it says."""

TIMED = ("ok", "partial", "throttled")
"""The statuses whose rows carry a figure."""

ANSWERED = (*TIMED, "fallback", "unsupported")
"""The statuses that are an answer about the device; the others mean that something went wrong."""

FEW_DIGITS = 3  # decimals of milliseconds


@dataclass(frozen=True)
class State:
    """A device at one moment; None where it does not say. `seconds` counts from the session's start."""

    seconds: float
    battery_celsius: float | None = None
    skin_celsius: float | None = None
    thermal_status: int | None = None  # Android's scale: 0 none, 1 light, 2 moderate, 3 severe, ...
    battery_percent: int | None = None
    governors: tuple[str, ...] = ()
    max_mhz: tuple[int, ...] = ()  # what the governor may use at most, per core


@dataclass(frozen=True)
class Check:
    """The output on a device against the reference on this machine, for the same real picture.

    `largest` is the largest difference in steps of 1/255, `psnr_db` compares the two outputs (peak 255; None
    if they are equal). `note` says why there is no comparison.
    """

    largest: float | None = None
    psnr_db: float | None = None
    note: str = ""


@dataclass(frozen=True)
class OperatorTime:
    """An operator's share of the time, from the tool's own profile. `share` is in 0..1."""

    operator: str
    count: int
    ms: float
    share: float


@dataclass(frozen=True)
class Run:
    """One process: what it printed, in milliseconds and nodes. None is what the tool did not say."""

    case: Case
    round: int
    status: str
    note: str = ""
    median_ms: float | None = None
    p95_ms: float | None = None
    mean: bool = False  # median_ms is a mean: the tool printed no median
    iterations: int = 0
    init_ms: float | None = None
    peak_memory_mb: float | None = None
    nodes_delegated: int | None = None
    nodes_total: int | None = None
    partitions: int | None = None
    before: State | None = None
    after: State | None = None


@dataclass(frozen=True)
class Row:
    """The result of one case. Times are milliseconds and None unless `status` is one of `TIMED`."""

    model: str
    precision: str
    device: str
    delegate: str
    threads: int
    size: tuple[int, int]
    status: str
    median_ms: float | None
    ci95_ms: tuple[float, float] | None
    p95_ms: float | None
    fps: float | None
    runs: int
    nodes_delegated: int | None
    nodes_total: int | None
    note: str
    partitions: int | None = None
    init_ms: float | None = None
    peak_memory_mb: float | None = None
    run_ms: tuple[float, ...] = ()
    check: Check | None = None
    profile: tuple[OperatorTime, ...] = ()

    @property
    def case(self) -> Case:
        """What was measured: the row's key."""
        return Case(self.model, self.precision, self.device, self.delegate, self.threads, self.size)


@dataclass(frozen=True)
class Core:
    """One CPU core and the highest clock that it is built for."""

    index: int
    max_mhz: int | None = None


@dataclass(frozen=True)
class Tool:
    """The benchmark tool that ran: "tflite" or "litert" on phones, the Python runtime on this machine."""

    kind: str
    version: str
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Device:
    """What a figure belongs to."""

    name: str
    kind: str  # "host" or "phone"
    model: str = ""
    soc: str = ""
    system: str = ""
    fingerprint: str = ""
    abis: tuple[str, ...] = ()
    cores: tuple[Core, ...] = ()
    tool: Tool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Results:
    """A whole session.

    `models` holds each model's facts, `states` each device's temperatures over time, `failures` why a device
    could not be used, or no longer.
    """

    results: tuple[Row, ...]
    devices: Mapping[str, Device]
    models: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    states: Mapping[str, tuple[State, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""
    failures: Mapping[str, str] = field(default_factory=dict)
    method: str = stats.METHOD

    def as_json(self) -> dict[str, Any]:
        """The whole as plain values for `json.dumps`."""
        return asdict(self)

    @property
    def answered(self) -> bool:
        """Whether every row has an answer and no device failed; a command exits with 1 where not."""
        return not self.failures and all(row.status in ANSWERED for row in self.results)


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
        median_ms=_rounded(median(times)) if times else None,
        ci95_ms=(round(limits[0], FEW_DIGITS), round(limits[1], FEW_DIGITS)) if limits else None,
        p95_ms=_rounded(median(tails)) if tails else None,
        fps=round(1000 / median(times), 2) if times else None,
        runs=len(used),
        nodes_delegated=shown.nodes_delegated if shown else None,
        nodes_total=shown.nodes_total if shown else None,
        note=_note(status, runs, used, rounds, check),
        partitions=shown.partitions if shown else None,
        init_ms=_middle(run.init_ms for run in used),
        peak_memory_mb=_middle(run.peak_memory_mb for run in used),
        run_ms=tuple(round(time, FEW_DIGITS) for time in times),
        check=check,
        profile=tuple(profile),
    )


WRONG = "wrong output"
"""How a `Check` that found a wrong output begins its note."""


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
    return _rounded(median(known)) if known else None


def _rounded(value: float) -> float:
    return round(value, FEW_DIGITS)


COLUMNS = (
    *("model", "precision", "device", "delegate", "threads", "size", "status"),
    *("median_ms", "ci95_low_ms", "ci95_high_ms", "p95_ms", "fps", "runs"),
    *("nodes_delegated", "nodes_total", "partitions", "init_ms", "peak_memory_mb", "note"),
)


def as_csv(results: Results) -> str:
    """One line per row, with a header; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for one in results.results:
        low, high = one.ci95_ms or (None, None)
        size = f"{one.size[0]}x{one.size[1]}"
        writer.writerow({**vars(one), "size": size, "ci95_low_ms": low, "ci95_high_ms": high})
    return text.getvalue()


T = TypeVar("T")


def from_json(document: Any, source: str) -> Results:
    """The `Results` that `Results.as_json` gave; keys that are not known are ignored.

    Raises:
        EcbsrError: the document, which came from `source`, is none of ours.
    """
    try:
        return Results(
            results=tuple(_row_from(one) for one in document["results"]),
            devices={name: device_from({"name": name, **one}) for name, one in document["devices"].items()},
            models=dict(document.get("models", {})),
            states={name: tuple(state_from(one) for one in many) for name, many in document.get("states", {}).items()},
            settings=dict(document.get("settings", {})),
            started=str(document.get("started", "")),
            failures=dict(document.get("failures", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise EcbsrError(f"{source} is no results.json of ecbsr-bench; give the file from an --out folder") from None


def run_from(document: Mapping[str, Any]) -> Run:
    """A `Run` from its line in `runs.jsonl`."""
    case = case_from(document["case"])
    states = {key: state_from(document[key]) if document.get(key) else None for key in ("before", "after")}
    return _built(Run, {**document, "case": case, **states})


def case_from(document: Mapping[str, Any]) -> Case:
    """A `Case` from its JSON form."""
    return _built(Case, {**document, "size": _size(document["size"])})


def state_from(document: Mapping[str, Any]) -> State:
    """A `State` from its JSON form."""
    lists = {key: tuple(document.get(key) or ()) for key in ("governors", "max_mhz")}
    return _built(State, {**document, **lists})


def check_from(document: Mapping[str, Any]) -> Check:
    """A `Check` from its JSON form."""
    return _built(Check, document)


def profile_from(document: Iterable[Mapping[str, Any]]) -> tuple[OperatorTime, ...]:
    """A profile from its JSON form."""
    return tuple(_built(OperatorTime, one) for one in document)


def _row_from(document: Mapping[str, Any]) -> Row:
    optional = dict.fromkeys(("p95_ms", "fps", "nodes_delegated", "nodes_total"))
    limits = document.get("ci95_ms")
    values = {
        **optional,
        **document,
        "size": _size(document["size"]),
        "ci95_ms": (float(limits[0]), float(limits[1])) if limits else None,
        "note": str(document.get("note") or ""),
        "run_ms": tuple(document.get("run_ms") or ()),
        "check": check_from(document["check"]) if document.get("check") else None,
        "profile": profile_from(document.get("profile") or ()),
    }
    if values["status"] not in STATUSES:
        raise ValueError(values["status"])
    return _built(Row, values)


def device_from(document: Mapping[str, Any]) -> Device:
    """A `Device` from its JSON form."""
    cores = tuple(_built(Core, core) for core in document.get("cores") or ())
    tool = _built(Tool, document["tool"]) if document.get("tool") else None
    lists = {key: tuple(document.get(key) or ()) for key in ("abis", "notes")}
    return _built(Device, {"kind": "phone", **document, "cores": cores, "tool": tool, **lists})


def _size(value: Sequence[int]) -> tuple[int, int]:
    width, height = value
    return int(width), int(height)


def _built(kind: type[T], document: Mapping[str, Any]) -> T:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{key: value for key, value in document.items() if key in known})
