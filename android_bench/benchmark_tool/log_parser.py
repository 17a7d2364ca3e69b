"""Parse the output of the benchmark tool.

Two generations are supported: `benchmark_model` of TFLite from 2020 on, and of LiteRT 2. Lines can have the prefixes of
the tool (`INFO: `, `INFO: [file.h:94] `) or of logcat, and Windows line ends. A log can be cut off anywhere: a last
line without a line end is ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..results.types import OperatorTime

_LOGCAT = re.compile(r"^(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d+\s+\d+\s+\d+ [VDIWEF] [^:]*?\s*: |[VDIWEF]/[^(]*\(\s*\d+\): )")
_PREFIX = re.compile(r"^(?:(INFO|WARN|WARNING|ERROR|FATAL|VERBOSE): )?(?:\[[^\]]*:\d+\] ?)?")

_HEADER = re.compile(r"Running benchmark for at least (-?\d+) iterations and at least \S+ seconds")
_STATISTIC = re.compile(r"\b(\w+)=(\S+?)(?:\(all same\))?(?=\s|$)")
# Until early 2020: "Average inference timings in us: Warmup: 4, Init: 3, no stats: 5".
_SUMMARY = re.compile(r"[Ii]nference timings in us: (?=.*\b(?:Inference \(avg\)|Inference|no stats): \S+$)(.*)$")
_SUMMARY_VALUE = re.compile(r"([A-Z][\w ()]*): ([^\s,]+)")
_LITERT = re.compile(r"(Model initialization|Inference \(avg\)):\s+([\d.]+) ms(?: \(\d+ runs\))?$")
_REPLACING = re.compile(  # without "out of" until 2021, without the partitions in some builds
    r"Replacing (\d{1,9})(?: out of (\d{1,9}))? node\(s\) with delegate \(([^)]*)\)"
    r"(?: node, yielding (\d{1,9}) partitions)?"
)
_APPLIED = r"(?:Explicitly applied|Applied) (.+?) delegate, and the model graph will be "
_FULLY_DELEGATED = re.compile(_APPLIED + "completely executed")
_PARTLY_DELEGATED = re.compile(_APPLIED + r"partially executed(?: by the delegate w/ (\d{1,9}))?")
_NOT_DELEGATED = re.compile(r"Though (.+?) delegate is explicitly applied, the model graph will not be executed")
_GPU_SPLIT = re.compile(
    r"(\d{1,9}|No) operations will run on the GPU, "
    r"and (?:the remaining|all) (\d{1,9})(?: operations will run)? on the CPU"
)
NPU_COMPILER = "LiteRT's NPU compiler"
_SELECTED = re.compile(
    r"Partitioned subgraph<0>, selected (\d{1,9}) ops, "
    r"from a total of (\d{1,9}) ops\. resulted in (\d{1,9}) partitions"
)
_NODES_DELEGATED = re.compile(  # delegates of vendors: Hexagon, QNN, Ethos-U, ...
    r"(?<!\S)(\S{1,200}?)(?: delegate)?: (\d{1,9}) nodes delegated out of (\d{1,9}) nodes"
    r"(?:,? with (\d{1,9}) partitions)?"
)
_UNSUPPORTED = re.compile(
    r"^.* (?:is unsupported on this platform|delegate is not (?:supported|linked)|not built with).*"
)
_RESTORED = re.compile(r"Restored original execution plan after delegate application failure")
_UNKNOWN_FLAGS = re.compile(r"Unconsumed cmdline flags: (.*)")
_MODEL_SIZE = re.compile(r"The input model file size \(MB\): (\S+)$")
_INPUT_SHAPES = re.compile(r"Input shapes: \[([\d,: -]*)\]$")
_PEAK_MEMORY = re.compile(
    r"(?:Overall peak memory footprint \(MB\) via periodic monitoring|Peak memory):\s*([\d.]+)(?: MB)?$"
)
_ERROR = re.compile(
    r"[Ff]ailed to |Benchmarking failed|Could not open|not executable|CANNOT LINK EXECUTABLE|cannot locate symbol"
    r"|No such file|Permission denied|not found|Invalid argument|Error|error"
)


@dataclass(frozen=True)
class Timing:
    """The statistics of repeated inferences, in microseconds. None: not printed."""

    count: int
    mean: float
    median: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class Delegation:
    """The number of nodes that a delegate runs, in so many partitions, as the tool reports it. None: not reported."""

    delegate: str
    nodes: int | None
    total: int | None
    partitions: int | None


@dataclass(frozen=True)
class ToolLog:
    """The content of the output of one run. Times are microseconds, memory is in MiB."""

    timed: Timing | None = None
    init: float | None = None
    complete: bool = False  # the log has the summary at its end
    delegations: tuple[Delegation, ...] = ()
    fully_delegated: tuple[str, ...] = ()  # delegates that run the whole model, as the tool reports
    not_delegated: tuple[str, ...] = ()  # delegates that run no node, as the tool reports
    restored: bool = False  # a delegate failed, and the graph runs without any
    opengl: bool = False  # the GPU delegate computes by OpenGL, which it does without OpenCL only
    unsupported: tuple[str, ...] = ()  # lines about an unavailable delegate
    unknown_flags: tuple[str, ...] = ()
    model_megabytes: float | None = None
    input_shapes: tuple[tuple[int, ...], ...] = ()
    peak_memory_mb: float | None = None
    errors: tuple[str, ...] = ()
    profile: tuple[OperatorTime, ...] = ()


def parse_log(text: str) -> ToolLog:
    """Parse a log: standard output, then standard error. Never raises; every number is finite."""
    lines = clean_lines(text)
    summary = _first(_SUMMARY, lines)
    stated = {name: _number(value) for name, value in _SUMMARY_VALUE.findall(summary[1])} if summary else {}
    litert = {match[1]: _number(match[2], 1000) for match in _all(_LITERT, lines)}
    size, memory, shapes = _first(_MODEL_SIZE, lines), _first(_PEAK_MEMORY, lines), _first(_INPUT_SHAPES, lines)
    return ToolLog(
        timed=_timed(lines),
        init=litert.get("Model initialization", stated.get("Init")),
        complete=bool(stated) or "Inference (avg)" in litert,
        delegations=tuple(_delegations(lines)),
        fully_delegated=tuple(match[1] for match in _all(_FULLY_DELEGATED, lines)),
        not_delegated=tuple(match[1] for match in _all(_NOT_DELEGATED, lines)),
        restored=_first(_RESTORED, lines) is not None,
        opengl=any("Initialized OpenGL-based API" in line for line in lines),
        unsupported=tuple(line for line in lines if _UNSUPPORTED.match(line)),
        unknown_flags=tuple(flag for match in _all(_UNKNOWN_FLAGS, lines) for flag in match[1].split()),
        model_megabytes=size and _number(size[1]),
        input_shapes=_shapes(shapes[1]) if shapes else (),
        peak_memory_mb=memory and _number(memory[1]),
        errors=tuple(_errors(text, lines)),
        profile=tuple(_profile(lines)),
    )


def clean_lines(text: str) -> list[str]:
    """The complete lines of a log, without prefixes and line ends."""
    return [_PREFIX.sub("", line).rstrip() for line in _complete_lines(text)]


def _complete_lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")[:-1]
    return [_LOGCAT.sub("", line.rstrip("\r")) for line in lines]


def _errors(text: str, lines: Sequence[str]) -> list[str]:
    """The lines about errors; first those that the tool marks as such: drivers print warnings with that word, too."""
    marked = [line.startswith(("ERROR: ", "FATAL: ")) for line in _complete_lines(text)]
    found = [
        (not mark, line)
        for mark, line in zip(marked, lines, strict=True)
        if (mark or _ERROR.search(line)) and not _is_profile(line)
    ]
    return [line for _, line in sorted(found, key=lambda pair: pair[0])]


def _timed(lines: Sequence[str]) -> Timing | None:
    """The statistics after the second header, of the timed runs; those after the first are of the warm-up."""
    blocks: list[Timing | None] = []
    for line in lines:
        if _HEADER.search(line):
            blocks.append(None)
        elif line.startswith("count=") and blocks and blocks[-1] is None:
            blocks[-1] = _timing(line)
    return blocks[1] if len(blocks) == 2 else None  # the tool never prints a third header


def _timing(line: str) -> Timing | None:
    """The statistics in a line; None where one is no number, or not positive because the clock was set meanwhile."""
    values = {name.lower(): _number(value) for name, value in _STATISTIC.findall(line)}
    equal = "avg=" not in line  # for one inference, or equal times, only "curr" is printed
    mean = values.get("curr" if equal else "avg")
    count, times = values.get("count"), [values.get(name, mean) for name in ("min", "median", "p95", "max")]
    if not count or count < 1 or mean is None or any(time is None or time <= 0 for time in (mean, *times)):
        return None
    return (
        Timing(int(count), mean, mean, mean)
        if equal
        else Timing(int(count), mean, values.get("median"), values.get("p95"))
    )


def _delegations(lines: Sequence[str]) -> Iterable[Delegation]:
    for match in _all(_REPLACING, lines):
        # Its "partitions" are also those that stay on the CPU: only 1 is a number of delegated ones.
        yield Delegation(match[3], int(match[1]), _count(match[2]), 1 if match[4] == "1" else None)
    for match in _all(_NODES_DELEGATED, lines):
        yield Delegation(match[1], int(match[2]), int(match[3]), _count(match[4]))
    for match in _all(_GPU_SPLIT, lines):
        nodes = 0 if match[1] == "No" else int(match[1])
        yield Delegation("GPU", nodes, nodes + int(match[2]), None)
    for match in _all(_SELECTED, lines):
        yield Delegation(NPU_COMPILER, int(match[1]), int(match[2]), int(match[3]))
    for match in _all(_PARTLY_DELEGATED, lines):
        yield Delegation(match[1], None, None, _count(match[2]))


def _count(text: str | None) -> int | None:
    return None if text is None else int(text)


def _profile(lines: Sequence[str]) -> list[OperatorTime]:
    """The summary by node type of the timed runs, printed as a table or as CSV; empty where there is none.

    TFLite's tool prints the tables of the initialization first; LiteRT's tool prints those of the runs only.
    """
    of_runs = True
    for index, line in enumerate(lines):
        if "Profiling Info for" in line:
            of_runs = "Initialization" not in line
        elif "Summary by node type" in line and of_runs:
            return _operator_times(lines[index + 1 :])
    return []


def _operator_times(rows: Sequence[str]) -> list[OperatorTime]:
    """The rows of a table until the first line that is none; the first of `rows` is its header."""
    header = rows[0] if rows else ""
    names = [name.strip("[] ").lower() for name in (_table_cells(header) if "\t" in header else header.split(","))]
    operators = []
    for line in rows[1:]:
        # In CSV, the node type is not quoted and can contain commas.
        cells = _table_cells(line) if "\t" in header else line.rsplit(",", len(names) - 1)
        operator = _operator_time(dict(zip(names, (cell.strip() for cell in cells), strict=False)))
        if operator is None:
            break
        operators.append(operator)
    return operators


def _table_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t") if cell.strip()]


def _operator_time(cells: dict[str, str]) -> OperatorTime | None:
    ms = cells.get("avg ms", cells.get("avg_ms", ""))
    numbers = [_number(text) for text in (cells.get("count", ""), ms, cells.get("avg %", "").rstrip("%"))]
    count, milliseconds, percent = numbers
    if "node type" not in cells or count is None or milliseconds is None or percent is None:
        return None
    return OperatorTime(cells["node type"], int(count), milliseconds, percent / 100)


def _is_profile(line: str) -> bool:
    return "\t" in line or line.count(",") >= 6


def _shapes(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(n) for n in re.findall(r"-?[0-9]{1,9}", shape)) for shape in text.split(":"))


def _all(pattern: re.Pattern[str], lines: Iterable[str]) -> Iterable[re.Match[str]]:
    return (match for match in map(pattern.search, lines) if match)


def _first(pattern: re.Pattern[str], lines: Iterable[str]) -> re.Match[str] | None:
    return next(iter(_all(pattern, lines)), None)


def _number(text: str, factor: float = 1) -> float | None:
    """The number in `text` times `factor`; None where it is not a finite number."""
    try:
        value = float(text) * factor
    except ValueError:
        return None
    return value if math.isfinite(value) else None
