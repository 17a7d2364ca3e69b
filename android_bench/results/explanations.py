"""What explains figures that surprise: int8 slower than fp32, and several threads slower than one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..config import Case
from . import stats
from .types import DeviceInfo, Results, Row

DOT_PRODUCT = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
"""Flags in /proc/cpuinfo of instructions that multiply and add bytes, on x86-64 and Arm."""

KNOWN_FLAGS = ("avx", "avx2", "avx512f", *sorted(DOT_PRODUCT), "asimd", "asimdhp", "sve")
"""The flags that are recorded: those that decide which kernels XNNPACK uses."""

MIN_RATIO = 1.05
"""From which on a row without an interval counts as slower."""

_PHONES = (
    "Phones' CPUs mostly have one (dotprod, optional since Armv8.2: Cortex-A55, A75, A76 and later). Counted in an "
    "emulator for ecbsr-m4c16-x2, int8 takes 0.46 times the instructions of fp32 on a Cortex-A76, 0.43 on an A55, and "
    "0.85 on an A53, which has none; instructions are not time"
)
# Emulated with qemu-user and the aarch64 wheel of ai-edge-litert 2.3.0: `benchmarks/arm64/measure.py`.

_PRECISION = re.compile(r"-(?:fp32|fp16|int8|int16x8)(?:-(?:cpu|gpu|nnapi|npu))?(?=-|$)")


def explain(results: Results) -> tuple[str, ...]:
    """Sentences about this session's surprises, each once."""
    rows = {row.case: row for row in results.results if row.median_ms is not None}
    sentences = [*_slow_int8(results, rows), *_slow_threads(results, rows)]
    return tuple(dict.fromkeys(sentences))


def flags(text: str) -> tuple[str, ...]:
    """The `KNOWN_FLAGS` in the content of /proc/cpuinfo that every core has, in their order."""
    lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    common = set.intersection(*(set(line.split()) for line in lines)) if lines else set()
    return tuple(flag for flag in KNOWN_FLAGS if flag in common)


def _slow_int8(results: Results, rows: Mapping[Case, Row]) -> Iterator[str]:
    """Per device: the largest ratio of an int8 row on its CPU to the fp32 row of the same network."""
    floats = {_network(results, row): row for row in rows.values() if row.precision == "fp32"}
    slowest: dict[str, tuple[float, Row]] = {}
    for row in rows.values():
        partner = floats.get(_network(results, row)) if row.precision == "int8" and row.delegate == "cpu" else None
        ratio = _slower(row, partner) if partner else None
        if ratio and ratio > slowest.get(row.device, (0.0, row))[0]:
            slowest[row.device] = (ratio, row)
    for device, (ratio, row) in slowest.items():
        what = f"{device}: int8 takes up to {ratio:.2f} times as long as fp32 ({row.model})"
        cpu = results.devices.get(device, DeviceInfo()).cpu_flags
        if row.status == "partial" or (row.partitions or 1) > 1:
            yield f"{what}: XNNPACK runs {_part(row)}; ecbsr-audit says why"
        elif cpu and not DOT_PRODUCT & set(cpu):
            yield f"{what}: this CPU has no byte dot product ({', '.join(cpu)}). {_PHONES}"
        elif cpu:
            yield f"{what}, although this CPU has a byte dot product ({', '.join(sorted(DOT_PRODUCT & set(cpu)))})"
        else:
            yield f"{what}: whether this CPU has a byte dot product is not known"


def _part(row: Row) -> str:
    if (row.partitions or 0) > 1:
        return f"it in {row.partitions} pieces"
    if row.nodes_delegated == 0:
        return "none of its operators"
    return "only some of its operators"


def _slow_threads(results: Results, rows: Mapping[Case, Row]) -> Iterator[str]:
    """Per device and number of threads: the largest ratio of a CPU row to the row of the same case on one thread."""
    slowest: dict[tuple[str, int], tuple[float, Row]] = {}
    for case, row in rows.items():
        single = rows.get(Case(**{**vars(case), "threads": 1})) if case.threads > 1 and case.delegate == "cpu" else None
        ratio = _slower(row, single) if single else None
        key = (row.device, row.threads)
        if ratio and ratio > slowest.get(key, (0.0, row))[0]:
            slowest[key] = (ratio, row)
    for (device, threads), (ratio, row) in slowest.items():
        cores = len(results.devices.get(device, DeviceInfo()).cores)
        why = (
            f"it has {cores} core{'s' * (cores > 1)}, so that threads wait for each other"
            if 0 < cores < threads
            else "for small images, or beside other programs, threads wait for each other longer than they save"
        )
        yield f"{device}: {threads} threads take up to {ratio:.2f} times as long as 1 ({row.model}): {why}"


def _network(results: Results, row: Row) -> tuple[object, ...]:
    """Equal for the rows of one network that differ only in precision."""
    recipe = results.models.get(row.model, {}).get("recipe") or {}
    weights = recipe.get("weights")
    digest = weights.get("sha256") if isinstance(weights, dict) else None
    network = digest if isinstance(digest, str) else _PRECISION.sub("", row.model)
    return network, row.device, row.delegate, row.threads, row.size


def _slower(row: Row, other: Row) -> float | None:
    """The ratio of two rows, if the first is slower beyond doubt."""
    assert row.median_ms is not None and other.median_ms is not None
    ratio, limits = stats.ratio(row.median_ms, row.ci95_ms, other.median_ms, other.ci95_ms)
    return ratio if ratio >= MIN_RATIO and (limits is None or limits[0] > 1) else None
