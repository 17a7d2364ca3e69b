"""What the benchmark tool printed, as a value: pure functions from text.

Two generations are read: TFLite's `benchmark_model` from 2020 on, and that of LiteRT 2. Logs may carry the
tool's own prefixes (`INFO: `, `INFO: [file.h:94] `), logcat's, or Windows line ends, and may end anywhere:
a line without its end is not believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LOGCAT = re.compile(r"^(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d+\s+\d+\s+\d+ [VDIWEF] [^:]*?\s*: |[VDIWEF]/[^(]*\(\s*\d+\): )")
_PREFIX = re.compile(r"^(?:(INFO|WARN|WARNING|ERROR|FATAL|VERBOSE): )?(?:\[[^\]]*:\d+\] ?)?")

_HEADER = re.compile(r"Running benchmark for at least (-?\d+) iterations and at least \S+ seconds")
_STATISTIC = re.compile(r"(\w+)=(-?[\d.]+(?:e[+-]?\d+)?)(?:\(all same\))?(?=\s|$)", re.IGNORECASE)
_SUMMARY = re.compile(r"Inference timings in us: Init: (\S+), First inference: (\S+), .*Inference \(avg\): (\S+)$")
_LITERT = re.compile(r"(Model initialization|Warmup \(first\)|Inference \(avg\)):\s+([\d.]+) ms(?: \((\d+) runs\))?$")
_REPLACED = re.compile(
    r"Replacing (\d+) out of (\d+) node\(s\) with delegate \(([^)]*)\) node, yielding (\d+) partitions"
)
_WHOLLY = re.compile(r"Explicitly applied (.+?) delegate, and the model graph will be completely executed")
_PARTLY = re.compile(
    r"Explicitly applied (.+?) delegate, and the model graph will be partially executed by the delegate w/ (\d+)"
)
_NOT = re.compile(r"Though (.+?) delegate is explicitly applied, the model graph will not be executed")
_GPU_SPLIT = re.compile(r"(\d+) operations will run on the GPU, and the remaining (\d+) operations will run on the CPU")
_QNN = re.compile(r"(\S*QnnDelegate\S*) delegate: (\d+) nodes delegated out of (\d+) nodes with (\d+) partitions")
_UNSUPPORTED = re.compile(
    r".* (?:is unsupported on this platform|delegate is not (?:supported|linked)|not built with).*"
)
_UNCONSUMED = re.compile(r"Unconsumed cmdline flags: (.*)")
_MODEL_SIZE = re.compile(r"The input model file size \(MB\): (\S+)$")
_SHAPES = re.compile(r"Input shapes: \[([\d,: -]*)\]$")
_MEMORY = re.compile(
    r"(?:Overall peak memory footprint \(MB\) via periodic monitoring|Peak memory):\s*([\d.]+)(?: MB)?$"
)
_BAD = re.compile(
    r"Failed to |Benchmarking failed|Could not open|not executable|CANNOT LINK EXECUTABLE|cannot locate symbol"
    r"|No such file|Permission denied|library \"[^\"]*\" not found|Error|error"
)


@dataclass(frozen=True)
class Timing:
    """One block of repeated inferences; times in microseconds. None is what the tool did not print."""

    count: int
    mean: float
    median: float | None = None
    p95: float | None = None
    smallest: float | None = None
    largest: float | None = None


@dataclass(frozen=True)
class Replacement:
    """Nodes that a delegate said it took. None where it did not say how many."""

    delegate: str
    taken: int | None
    total: int | None
    partitions: int | None


@dataclass(frozen=True)
class Share:
    """An operator's line in a profile's summary by node type. `share` is in 0..1."""

    operator: str
    count: int
    ms: float
    share: float


@dataclass(frozen=True)
class ToolLog:
    """Everything that matters in the output of one run of the tool. Times in microseconds."""

    generation: str = ""  # "tflite" or "litert", once it can be told
    warmup: Timing | None = None
    timed: Timing | None = None
    init: float | None = None
    first: float | None = None
    complete: bool = False  # the closing summary was seen
    replaced: tuple[Replacement, ...] = ()
    wholly: tuple[str, ...] = ()  # delegates that were said to run the whole model
    not_executed: tuple[str, ...] = ()  # delegates that were said to run nothing
    unsupported: tuple[str, ...] = ()  # lines that say that a delegate is not there
    unconsumed: tuple[str, ...] = ()  # flags that the tool does not know
    model_megabytes: float | None = None
    input_shapes: tuple[tuple[int, ...], ...] = ()
    peak_memory_mb: float | None = None
    errors: tuple[str, ...] = ()
    profile: tuple[Share, ...] = ()


def tool_log(text: str) -> ToolLog:
    """Read a log, standard output and standard error one after the other. Never raises."""
    lines = clean_lines(text)
    warmup, timed = _timings(lines)
    summary = _first(_SUMMARY, lines)
    litert = {match[1]: match for match in _all(_LITERT, lines)}
    init = summary and _number(summary[1])
    first = summary and _number(summary[2])
    if "Model initialization" in litert:
        init = float(litert["Model initialization"][2]) * 1000
    if "Warmup (first)" in litert:
        first = float(litert["Warmup (first)"][2]) * 1000
    size, memory, shapes = _first(_MODEL_SIZE, lines), _first(_MEMORY, lines), _first(_SHAPES, lines)
    return ToolLog(
        generation="litert" if litert else "tflite" if summary else "",
        warmup=warmup,
        timed=timed,
        init=init,
        first=first,
        complete=summary is not None or "Inference (avg)" in litert,
        replaced=tuple(_replacements(lines)),
        wholly=tuple(match[1] for match in _all(_WHOLLY, lines)),
        not_executed=tuple(match[1] for match in _all(_NOT, lines)),
        unsupported=tuple(line for line in lines if _UNSUPPORTED.match(line)),
        unconsumed=tuple(flag for match in _all(_UNCONSUMED, lines) for flag in match[1].split()),
        model_megabytes=size and _number(size[1]),
        input_shapes=_shapes(shapes[1]) if shapes else (),
        peak_memory_mb=memory and _number(memory[1]),
        errors=tuple(line for line in lines if _BAD.search(line) and not _is_profile(line)),
        profile=tuple(profile(lines)),
    )


def clean_lines(text: str) -> list[str]:
    """The whole lines of a log without prefixes and line ends; what follows the last line end is dropped."""
    lines = text.replace("\r\n", "\n").split("\n")[:-1]
    return [_PREFIX.sub("", _LOGCAT.sub("", line.rstrip("\r"))).rstrip() for line in lines]


def _timings(lines: Sequence[str]) -> tuple[Timing | None, Timing | None]:
    """The blocks behind the first and the second header: warm-up and timed runs."""
    blocks: list[Timing | None] = []
    for line in lines:
        if _HEADER.search(line):
            blocks.append(None)
        elif line.startswith("count=") and blocks and blocks[-1] is None:
            blocks[-1] = _timing(line)
    padded = [*blocks, None, None]
    return padded[0], padded[1] if len(blocks) == 2 else None  # a third block is not what the tool does


def _timing(line: str) -> Timing | None:
    values = {name.lower(): _number(value) for name, value in _STATISTIC.findall(line)}
    count, current = values.get("count"), values.get("curr")
    mean = values.get("avg", current)  # one inference, or all alike: only the current one is printed
    if not count or count < 1 or mean is None or mean <= 0:
        return None
    alike = "avg" not in values
    return Timing(
        count=int(count),
        mean=mean,
        median=mean if alike else values.get("median"),
        p95=mean if alike else values.get("p95"),
        smallest=mean if alike else values.get("min"),
        largest=mean if alike else values.get("max"),
    )


def _replacements(lines: Sequence[str]) -> Iterable[Replacement]:
    for match in _all(_REPLACED, lines):
        yield Replacement(match[3], int(match[1]), int(match[2]), int(match[4]))
    for match in _all(_QNN, lines):
        yield Replacement(match[1], int(match[2]), int(match[3]), int(match[4]))
    for match in _all(_GPU_SPLIT, lines):
        yield Replacement("GPU", int(match[1]), int(match[1]) + int(match[2]), None)
    for match in _all(_PARTLY, lines):
        yield Replacement(match[1], None, None, int(match[2]))


def profile(lines: Sequence[str]) -> list[Share]:
    """The timed runs' summary by node type, from the table or from CSV; empty where there is none."""
    start = next((i for i, line in enumerate(lines) if line.startswith("Operator-wise Profiling Info")), None)
    if start is None:
        return []
    rows = iter(lines[start:])
    if not any("Summary by node type" in line for line in rows):
        return []
    head = next(rows, "")
    split = _csv_cells if "," in head else _table_cells
    names = [name.strip("[] \t").lower() for name in split(head)]
    shares = []
    for line in rows:
        cells = dict(zip(names, split(line), strict=False))
        share = _share(cells)
        if share is None:
            break
        shares.append(share)
    return shares


def _csv_cells(line: str) -> list[str]:
    # Names are not quoted and may hold commas themselves: they come last.
    return [cell.strip() for cell in line.split(",", 8)]


def _table_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t") if cell.strip()]


def _share(cells: dict[str, str]) -> Share | None:
    try:
        return Share(
            cells["node type"],
            int(float(cells["count"])),
            float(cells["avg ms" if "avg ms" in cells else "avg_ms"]),
            float(cells["avg %"].rstrip("%")) / 100,
        )
    except (KeyError, ValueError):
        return None


def _is_profile(line: str) -> bool:
    return "\t" in line or line.count(",") >= 6


def _shapes(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(n) for n in re.findall(r"-?\d+", shape)) for shape in text.split(":"))


def _all(pattern: re.Pattern[str], lines: Iterable[str]) -> Iterable[re.Match[str]]:
    return (match for match in map(pattern.search, lines) if match)


def _first(pattern: re.Pattern[str], lines: Iterable[str]) -> re.Match[str] | None:
    return next(iter(_all(pattern, lines)), None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
