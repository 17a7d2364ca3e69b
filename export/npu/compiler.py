"""One compilation of one model for one SoC, and the verdict on it."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner

from .. import tflite
from ..tflite.graph import FLOAT32, Graph
from . import compiler_log
from .compiled_model import remaining_nodes
from .qualcomm_sdk import LIBRARIES, Toolchain
from .results import CompileReport, RejectedOp

SECONDS = 300.0  # the networks of this project take 1 to 4 at 960x540, on a machine with nothing else to do
LOGGED = 300  # characters of the compiler's last words that are shown
FLOATS = (FLOAT32, "FLOAT16", "FLOAT64")


def compile_for(
    tools: Toolchain,
    soc: str,
    model: bytes,
    folder: Path,
    seconds: float = SECONDS,
    stop: threading.Event | None = None,
) -> tuple[CompileReport, bytes | None]:
    """Compile a model of fixed size in an empty folder: the verdict, and the compiled file where there is one.

    Raises:
        Cancelled: `stop` was set meanwhile.
    """
    graph = tflite.read(model)
    (folder / "model.tflite").write_bytes(model)
    # Relative paths: LiteRT's flags take lists separated by commas, which a folder's name may hold.
    flags = {"cmd": "apply", "model": "model.tflite", "o": "compiled.tflite", "err": "--", "subgraphs": "0",
             "soc_manufacturer": "Qualcomm", "soc_model": soc, "libs": LIBRARIES}  # fmt: skip
    start = time.monotonic()
    try:
        code, output, errors = tools.run(
            [str(tools.driver), *(f"--{name}={value}" for name, value in flags.items())], folder, seconds, stop
        )
    except subprocess_runner.TimedOut:
        return _verdict("timeout", graph, seconds, note=f"ended after {seconds:g} s"), None
    took = time.monotonic() - start
    result = folder / "compiled.tflite"
    return report_of(graph, code, output, errors, result.read_bytes() if result.exists() else b"", took)


def report_of(
    graph: Graph, code: int, output: bytes, errors: bytes, result: bytes, seconds: float
) -> tuple[CompileReport, bytes | None]:
    """The verdict on a compiler that ended with `code`, and the compiled file if it is one."""
    said = compiler_log.parse(errors, output)
    verdict, compiled = _judged(graph, code, said, result, seconds)
    return replace(verdict, compiler=said.version), compiled


def _judged(
    graph: Graph, code: int, said: compiler_log.CompilerLog, result: bytes, seconds: float
) -> tuple[CompileReport, bytes | None]:
    if code < 0:
        note = f"ended by {_signal(-code)}{said.error and f'; its last error: {said.error}'}"
        return _verdict("crashed", graph, seconds, note=note[:LOGGED]), None
    sound = said.taken is not None and said.total is not None and 0 <= said.taken <= said.total
    if sound and said.taken == 0:
        verdict = _verdict("refused", graph, seconds, _left(graph, set(range(len(graph.nodes))), said.reasons))
        return replace(verdict, taken=0, total=said.total, partitions=0), None
    if code != 0:
        note = said.error or f"exit code {code}, without a reason"
        return _verdict("failed", graph, seconds, note=note[:LOGGED]), None
    try:
        compiled = tflite.read(result, "the compiler's file")
    except EcbsrError as error:
        return _verdict("unreadable", graph, seconds, note=str(error)), None
    if not sound:
        return _verdict("unreadable", graph, seconds, note="it does not say what it took"), None
    kept = remaining_nodes(compiled, graph)
    if kept is None or len(kept) != (said.total or 0) - (said.taken or 0):
        kept = set(said.reasons)
    whole = len(said.traffic) == said.partitions
    status = "ok" if said.taken == said.total else "partial"
    verdict = replace(
        _verdict(status, graph, seconds, _left(graph, kept, said.reasons)),
        taken=said.taken,
        total=said.total,
        partitions=said.partitions,
        read_mb=sum(piece.read for piece in said.traffic) / 1e6 if whole else None,
        write_mb=sum(piece.write for piece in said.traffic) / 1e6 if whole else None,
        spill_mb=sum(piece.spill for piece in said.traffic) / 1e6 if whole else None,
    )
    return verdict, result


def _verdict(
    status: str, graph: Graph, seconds: float, refused: tuple[RejectedOp, ...] = (), note: str = ""
) -> CompileReport:
    width, height = tflite.input_size(graph) if _is_image(graph) else (-1, -1)
    size = (width, height) if width > 0 and height > 0 else None
    return CompileReport(status, size, arithmetic(graph), seconds, refused=refused, note=note)


def _is_image(graph: Graph) -> bool:
    return len(graph.inputs) == 1 and len(graph.tensors[graph.inputs[0]].shape) == 4


def _left(graph: Graph, nodes: set[int], reasons: dict[int, str]) -> tuple[RejectedOp, ...]:
    found = []
    for number in sorted(nodes & set(range(len(graph.nodes)))):
        node = graph.nodes[number]
        unsaid = "is a custom operator" if node.custom else "left out without a reason"
        found.append(RejectedOp(number, node.operator, reasons.get(number, unsaid)))
    return tuple(found)


def arithmetic(graph: Graph) -> str:
    """What the nodes compute in: "integer", "float" or "mixed"."""
    kinds = {graph.tensors[index].type_name in FLOATS for node in graph.nodes for index in node.outputs}
    return "mixed" if len(kinds) > 1 else "float" if True in kinds else "integer"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
