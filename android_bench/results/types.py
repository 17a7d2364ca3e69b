"""What a session found, as frozen values.

A `Run` is one process on one device, as it is written to `runs.jsonl` when it ends. A `Row` is what the
runs of one `Case` add up to. Everything else (tables, the page) is a view of `Results`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..config import Case
from . import stats

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


WRONG = "wrong output"
"""How a `Check` that found a wrong output begins its note."""


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

    @property
    def text(self) -> str:
        """For a table's cell."""
        if self.largest is None:
            return "not compared" if self.note else "-"
        return "identical" if self.psnr_db is None else f"{self.psnr_db} dB, at most {self.largest}"


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
class Row(Case):
    """A case with its result. Times are milliseconds and None unless `status` is one of `TIMED`."""

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
        return Case(**{one.name: getattr(self, one.name) for one in fields(Case)})


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
class DeviceInfo:
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

    @property
    def text(self) -> str:
        """In one line: what it is and what runs on it."""
        clocks = Counter(core.max_mhz for core in self.cores)
        cores = ", ".join(
            f"{count} x {mhz} MHz" if mhz else f"{count} core{'s' * (count > 1)}" for mhz, count in clocks.items()
        )
        tool = f"{self.tool.kind} {self.tool.version} {self.tool.sha256[:12]}".strip() if self.tool else ""
        known = (self.model, self.soc, self.system, cores, self.fingerprint, tool and f"tool {tool}")
        return f"{self.name}: {'; '.join(part for part in known if part)}"


@dataclass(frozen=True)
class Results:
    """A whole session.

    `models` holds each model's facts, `states` each device's temperatures over time, `failures` why a device
    could not be used, or no longer.
    """

    results: tuple[Row, ...]
    devices: Mapping[str, DeviceInfo]
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
