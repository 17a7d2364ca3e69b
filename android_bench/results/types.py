"""The results of a benchmark as frozen dataclasses.

A `Run` is one process on one device; it is written to `runs.jsonl` when it ends. A `Row` aggregates the runs of
one `Case`. Text tables, CSV and the report page are views of `Results`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any

import msgspec

from ..config import Case
from . import stats

SCHEMA = 1
"""The version of the JSON documents."""

STATUSES = {
    "ok": "timed; the delegate reports that it runs every node",
    "partial": "timed, but the delegate runs only some of the nodes, or XNNPACK none",
    "throttled": "timed while the device was throttled because of heat",
    "fallback": "the delegate runs no node and the CPU was timed, so there is no latency",
    "unsupported": "the tool or the device does not offer the delegate",
    "mismatch": "the tool ran another file or input shape than requested, or the output is wrong",
    "failed": "the tool reported an error",
    "timeout": "not finished within the time limit",
    "crashed": "the tool was ended by a signal",
    "lost": "the device disconnected",
}
"""Every status and its meaning."""

TIMED = ("ok", "partial", "throttled")
"""The statuses of rows with a latency."""

ANSWERED = (*TIMED, "fallback", "unsupported")
"""The statuses that depend only on the device and the model; every other status means that something went wrong."""

WRONG_OUTPUT = "wrong output"
"""The beginning of the note of a `Check` whose output is wrong."""

Milliseconds = Annotated[float, msgspec.Meta(gt=1e-9, lt=1e9)]
IntervalEnd = Annotated[float, msgspec.Meta(gt=1e-200, lt=1e200)]  # the interval of two runs can be very wide


@dataclass(frozen=True)
class State:
    """The condition of a device at one moment; None: not reported. `seconds` counts from the session's start."""

    seconds: float
    battery_celsius: float | None = None
    skin_celsius: float | None = None
    thermal_status: int | None = None  # Android's scale: 0 none, 1 light, 2 moderate, 3 severe, ...
    battery_percent: int | None = None
    governors: tuple[str, ...] = ()
    max_mhz: tuple[int, ...] = ()  # the highest clock that is currently allowed, per core
    cores: tuple[int, ...] = ()  # the index of each core in max_mhz, which has no cores that are offline
    wakefulness: str = ""  # of a phone, before its screen is turned on: "Awake", "Asleep", "Dozing", "Dreaming"

    @property
    def clocks(self) -> dict[int, int]:
        """The highest clock that is currently allowed, by the index of the core, in MHz."""
        return dict(zip(self.cores, self.max_mhz, strict=True))


@dataclass(frozen=True)
class Check:
    """The output of a device compared with the output of this machine, for the same real image.

    `largest` is the largest absolute difference on the scale 0..255. `psnr_db` compares the two outputs with the
    peak 255; it is None where they are identical. `note` says why there is no comparison, or the output is wrong.
    """

    largest: float | None = None
    psnr_db: float | None = None
    note: str = ""

    @property
    def text(self) -> str:
        """The comparison as a table cell."""
        if self.largest is None:
            return "not compared" if self.note else "-"
        return "identical" if self.psnr_db is None else f"{self.psnr_db} dB, at most {self.largest}"


@dataclass(frozen=True)
class Energy:
    """The energy of one image in millijoules above the idle phone, with a 95 % interval.

    `idle_mw` and `loaded_mw` are the mean power of the phone in milliwatts. `note` says why there is no figure.
    """

    mj: float | None = None
    ci95_mj: tuple[float, float] | None = None
    idle_mw: float | None = None
    loaded_mw: float | None = None
    source: str = ""
    note: str = ""

    @property
    def text(self) -> str:
        """The energy as a table cell."""
        if self.mj is None or self.ci95_mj is None:
            return "no figure"
        return f"{stats.short(self.mj)} ({' - '.join(map(stats.short, self.ci95_mj))})"


@dataclass(frozen=True)
class OperatorTime:
    """The time of one operator type, from the profiler of the tool. `share` is in 0..1."""

    operator: str
    count: int
    ms: float
    share: float


@dataclass(frozen=True)
class Run:
    """The result of one process, from the output of the tool. None: not reported.

    Times are milliseconds; `peak_memory_mb` is in MiB, which the tool calls MB. The delegate runs `nodes_delegated` of
    `nodes_total` nodes, in `partitions`.
    """

    case: Case
    round: int
    status: str
    note: str = ""
    median_ms: Milliseconds | None = None
    p95_ms: float | None = None
    mean: bool = False  # median_ms holds a mean, because the tool prints no median
    iterations: int = 0
    init_ms: float | None = None
    peak_memory_mb: float | None = None
    nodes_delegated: int | None = None
    nodes_total: int | None = None
    partitions: int | None = None
    before: State | None = None
    after: State | None = None

    def __post_init__(self) -> None:
        _check_status(self.status)


def _check_status(status: str) -> None:
    if status not in STATUSES:
        raise ValueError(f"unknown status {status[:20]!r}")


@dataclass(frozen=True, kw_only=True)
class Row(Case):
    """A case with its result.

    Times are milliseconds, and None unless `status` is one of `TIMED`; `peak_memory_mb` is in MiB, see `Run`.
    """

    status: str
    median_ms: Milliseconds | None
    ci95_ms: tuple[IntervalEnd, IntervalEnd] | None = None
    p95_ms: float | None = None
    fps: float | None = None
    runs: int
    nodes_delegated: int | None = None
    nodes_total: int | None = None
    note: str = ""
    partitions: int | None = None
    init_ms: float | None = None
    peak_memory_mb: float | None = None
    run_ms: tuple[float, ...] = ()
    check: Check | None = None
    profile: tuple[OperatorTime, ...] = ()
    energy: Energy | None = None

    def __post_init__(self) -> None:
        _check_status(self.status)

    @property
    def case(self) -> Case:
        """The key of the row."""
        return Case(**{key.name: getattr(self, key.name) for key in fields(Case)})


@dataclass(frozen=True)
class Core:
    """One CPU core with its highest clock by design and Linux's capacity, which is 1024 for the fastest core.

    None: not reported. A core that is offline has no clock.
    """

    index: int
    max_mhz: int | None = None
    capacity: int | None = None


@dataclass(frozen=True)
class Tool:
    """The program that ran: "tflite" or "litert" on phones, "interpreter" on this machine, "app", or "browser"."""

    kind: str
    version: str
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class DeviceInfo:
    """What identifies a device. `name` is "host", "browser" or the serial, `kind` "host", "browser" or "phone"."""

    name: str = ""
    kind: str = "phone"
    model: str = ""
    soc: str = ""
    system: str = ""
    fingerprint: str = ""
    abis: tuple[str, ...] = ()
    cores: tuple[Core, ...] = ()
    tool: Tool | None = None
    notes: tuple[str, ...] = ()
    cpu_flags: tuple[str, ...] = ()  # those of `explanations.KNOWN_FLAGS` that all cores have; empty: not known
    imported: bool = False  # its rows come from another session's file
    serial_hash: str = ""  # tells phones apart, whatever their address is; "": not known

    @property
    def text(self) -> str:
        """One line: the device and its tool."""
        clocks = Counter(core.max_mhz for core in self.cores)
        unknown = " of unknown clock" if len(clocks) > 1 else f" core{'s' * (len(self.cores) > 1)}"
        cores = ", ".join(f"{count} x {mhz} MHz" if mhz else f"{count}{unknown}" for mhz, count in clocks.items())
        tool = f"{self.tool.kind} {self.tool.version} {self.tool.sha256[:12]}".strip() if self.tool else ""
        parts = (self.model, self.soc, self.system, cores, self.fingerprint, tool and f"tool {tool}")
        return f"{self.name}: {'; '.join(part for part in parts if part)}"


@dataclass(frozen=True)
class Results:
    """The results of a whole session.

    `models` holds the `Model.info` of each model, `states` the states of each device over time, `failures` the
    reason why a device could not be used, or became unusable.
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
        """The results as plain values for `json.dumps`, with the version of the document as "schema"."""
        # asdict, because msgspec leaves out the defaults of what it has decoded.
        return {"schema": SCHEMA, **msgspec.to_builtins(asdict(self))}

    @property
    def answered(self) -> bool:
        """Whether no device failed and the status of every row is one of `ANSWERED`."""
        return not self.failures and all(row.status in ANSWERED for row in self.results)
