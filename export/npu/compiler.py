"""One compilation: a model, a SoC, and the report on it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite.graph import FLOAT32, Graph
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.signals import signal_name
from ecbsr_mobile.utils.text import MAX_NOTE

from ..resolutions import of_input
from . import compiler_log
from .compiled_model import remaining_nodes
from .compiler_log import CompilerLog
from .results import CompileReport, RefusedOp
from .toolchain import LIBRARIES, Toolchain

TIMEOUT_SECONDS = 300.0  # bundled models take 1 to 4 s at 960x540 on an idle machine
FLOATS = (FLOAT32, "FLOAT16", "FLOAT64")


def compile_for(
    tools: Toolchain,
    soc: str,
    model: bytes,
    folder: Path,
    seconds: float = TIMEOUT_SECONDS,
    stop: threading.Event | None = None,
) -> tuple[CompileReport, bytes | None]:
    """Compile a model of fixed size in an empty folder: the report, and the compiled file if there is one.

    Raises:
        Canceled: `stop` was set meanwhile.
    """
    graph = tflite.read(model)
    (folder / "model.tflite").write_bytes(model)
    # Relative paths: the driver splits its flags at commas, which the name of a folder may contain.
    flags = {"cmd": "apply", "model": "model.tflite", "o": "compiled.tflite", "err": "--", "subgraphs": "0",
             "soc_manufacturer": tools.manufacturer, "soc_model": soc, "libs": LIBRARIES}  # fmt: skip
    command = [str(tools.driver), *(f"--{name}={value}" for name, value in flags.items())]
    start = time.monotonic()
    try:
        code, output, errors = tools.run(command, folder, seconds, stop)
    except subprocess_runner.TimedOut:
        return _report("timeout", graph, seconds, note=f"ended after {seconds:g} s"), None
    elapsed = time.monotonic() - start
    result = folder / "compiled.tflite"
    return report_of(graph, code, output, errors, result.read_bytes() if result.exists() else b"", elapsed)


def report_of(
    graph: Graph, code: int, output: bytes, errors: bytes, result: bytes, seconds: float
) -> tuple[CompileReport, bytes | None]:
    """The report on a compiler that ended with exit code `code`, and its `result` if that is a compiled file."""
    log = compiler_log.parse(errors, output)
    report, compiled = _interpret(graph, code, log, result, seconds)
    return replace(report, compiler=log.version), compiled


def report_on(status: str, graph: Graph, note: str) -> CompileReport:
    """The report on a model that was not compiled, and why."""
    return CompileReport(status, None, arithmetic(graph), 0.0, note=note)


def arithmetic(graph: Graph) -> str:
    """The types that the nodes compute: "integer", "float" or "mixed"."""
    kinds = {graph.tensors[index].type_name in FLOATS for node in graph.nodes for index in node.outputs}
    return "mixed" if len(kinds) > 1 else "float" if True in kinds else "integer"


def _interpret(
    graph: Graph, code: int, log: CompilerLog, result: bytes, seconds: float
) -> tuple[CompileReport, bytes | None]:
    if code < 0:
        note = f"ended by {signal_name(-code)}" + (f"; its last error: {log.error}" if log.error else "")
        return _report("crashed", graph, seconds, note=note[:MAX_NOTE]), None
    if log.has_counts and log.taken == 0:
        refused = _refused(graph, set(range(len(graph.nodes))), log.reasons)
        return replace(_report("refused", graph, seconds, refused), taken=0, total=log.total, partitions=0), None
    if code != 0:
        note = log.error or f"exit code {code}, without a reason"
        return _report("failed", graph, seconds, note=note[:MAX_NOTE]), None
    try:
        compiled = tflite.read(result, "the compiler's file")
    except EcbsrError as error:
        return _report("unreadable", graph, seconds, note=str(error)), None
    if not log.has_counts:
        note = "the compiler does not report how many operators it supports"
        return _report("unreadable", graph, seconds, note=note), None
    return _successful(graph, log, compiled, seconds), result


def _successful(graph: Graph, log: CompilerLog, compiled: Graph, seconds: float) -> CompileReport:
    remaining = remaining_nodes(compiled, graph)
    if remaining is None or len(remaining) != (log.total or 0) - (log.taken or 0):
        remaining = set(log.reasons)
    status = "ok" if log.taken == log.total else "partial"
    complete = len(log.traffic) == log.partitions
    return replace(
        _report(status, graph, seconds, _refused(graph, remaining, log.reasons)),
        taken=log.taken,
        total=log.total,
        partitions=log.partitions,
        read_mb=sum(traffic.read for traffic in log.traffic) / 1e6 if complete else None,
        write_mb=sum(traffic.write for traffic in log.traffic) / 1e6 if complete else None,
        spill_mb=sum(traffic.spill for traffic in log.traffic) / 1e6 if complete else None,
    )


def _report(
    status: str, graph: Graph, seconds: float, refused: tuple[RefusedOp, ...] = (), note: str = ""
) -> CompileReport:
    return CompileReport(status, of_input(graph), arithmetic(graph), seconds, refused=refused, note=note)


def _refused(graph: Graph, nodes: set[int], reasons: dict[int, str]) -> tuple[RefusedOp, ...]:
    refused = []
    for number in sorted(nodes & set(range(len(graph.nodes)))):
        node = graph.nodes[number]
        default = "is a custom operator" if node.custom else "rejected without a reason"
        refused.append(RefusedOp(number, node.operator, reasons.get(number, default)))
    return tuple(refused)
