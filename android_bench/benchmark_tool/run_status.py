"""The status of a run of the benchmark tool, from its log and exit code.

The tool times the CPU, with exit code 0, where a delegate is not available, and prints timings after a failed
inference. A latency therefore counts only with all of: exit code 0, complete timed statistics, a line in which the
delegate reports its nodes, and the requested model and input shape.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, replace

from ..config import Delegate
from ..results.types import Run
from .log_parser import NPU_COMPILER, Delegation, ToolLog

_NAMES = {
    "cpu": re.compile("xnnpack", re.IGNORECASE),
    "gpu": re.compile("gpu|litert_cl|opencl|webgpu|mldrift|ml_drift", re.IGNORECASE),
    "nnapi": re.compile("nnapi", re.IGNORECASE),
    "npu": re.compile("dispatch", re.IGNORECASE),
    "qnn": re.compile("qnn|external", re.IGNORECASE),
}
"""The names of the delegates in the lines of the tool. An external delegate can have any name but that of XNNPACK."""

SIGNALS_FROM = 128  # the exit code of a program that a signal ended is 128 + the number of the signal


@dataclass(frozen=True)
class Expected:
    """What the run was started with. `shape` is that of the input without the batch."""

    delegate: Delegate
    model_bytes: int
    nodes: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class RunStatus:
    """One of `results.types.STATUSES`, the reason, and the delegated nodes. None: not reported."""

    status: str
    note: str = ""
    delegated: int | None = None
    total: int | None = None
    partitions: int | None = None


def run_status(log: ToolLog, exit_code: int, expected: Expected) -> RunStatus:
    """The status of a run that ended before its time limit."""
    failure = _failure(log, exit_code)
    if failure:
        return failure
    mismatch = _mismatch(log, expected)
    if mismatch:
        return RunStatus("mismatch", mismatch)
    unknown = _unknown_flags(log, expected.delegate)
    if unknown:
        return RunStatus("unsupported", f"the tool does not know {unknown}")
    delegation = _delegation(log, expected)
    if expected.delegate == Delegate("cpu", "builtin"):
        return builtin_status(bool(delegation and (delegation.nodes or delegation.partitions)), expected.nodes)
    if expected.delegate.name == "cpu":
        return _cpu_status(delegation)
    return _delegate_status(log, delegation, expected)


def with_timing(run: Run, log: ToolLog) -> Run:
    """The run with the times of its log."""
    timed = log.timed
    if timed is None:
        return run
    return replace(
        run,
        median_ms=_ms(timed.mean if timed.median is None else timed.median),
        p95_ms=_ms(timed.p95),
        mean=timed.median is None,
        iterations=timed.count,
        init_ms=_ms(log.init),
        peak_memory_mb=log.peak_memory_mb,
    )


def _ms(microseconds: float | None) -> float | None:
    return microseconds / 1000 if microseconds is not None else None


def _failure(log: ToolLog, exit_code: int) -> RunStatus | None:
    number = exit_code - SIGNALS_FROM
    if number > 0 and number in set(signal.Signals):
        return RunStatus("crashed", f"ended by {signal.Signals(number).name}{_first_error(log)}")
    if exit_code:
        return RunStatus("failed", f"exit code {exit_code}{_first_error(log)}")
    if log.timed is None or not log.complete:
        return RunStatus("failed", f"exit code 0, but no complete timed statistics{_first_error(log)}")
    if any("Benchmarking failed" in line for line in log.errors):
        return RunStatus("failed", f"exit code 0, but the tool reports a failure{_first_error(log)}")
    return None


def _first_error(log: ToolLog) -> str:
    lines = [line for line in log.errors if "Benchmarking failed" not in line] or list(log.errors)
    return f": {lines[0]}" if lines else ""


def _mismatch(log: ToolLog, expected: Expected) -> str:
    for shape in log.input_shapes[:1]:
        if shape[1:] != expected.shape:
            return f"the tool ran with the input shape {list(shape)}, not {[1, *expected.shape]}"
    megabytes = log.model_megabytes
    # The size is printed with six significant digits.
    if megabytes is not None and abs(megabytes * 1e6 - expected.model_bytes) > max(1, expected.model_bytes * 1e-5):
        return f"the tool ran a model of {megabytes * 1e6:.0f} bytes, not of {expected.model_bytes} bytes"
    return ""


def _unknown_flags(log: ToolLog, delegate: Delegate) -> str:
    """The flags that the tool does not know and that decide what it runs."""
    parts = {"cpu": "use_xnnpack", "gpu": "use_gpu", "nnapi": "nnapi", "npu": "use_npu"}
    part = parts.get(delegate.name, "external_delegate")
    without = delegate == Delegate("cpu", "builtin")  # a tool without the flag has no XNNPACK
    unknown = [flag for flag in log.unknown_flags if part in flag and not without]
    if delegate.argument == "fp32":
        unknown += [flag for flag in log.unknown_flags if "gpu_precision_loss_allowed" in flag]
    required = ("num_threads", "num_runs", "min_secs", "graph")
    unknown += [flag for flag in log.unknown_flags if flag.lstrip("-").split("=")[0] in required]
    return " ".join(unknown)


def _delegation(log: ToolLog, expected: Expected) -> Delegation | None:
    """The nodes that the requested delegate reports; None where the log has no line about it."""
    name = expected.delegate.name
    restored = log.restored and name != "cpu"  # the nodes are reported before the delegate fails
    if restored or any(_is_name_of(expected.delegate, reported) for reported in log.not_delegated):
        return Delegation(name, 0, expected.nodes, 0)
    reports = [report for report in log.delegations if _is_name_of(expected.delegate, report.delegate)]
    counted = [report for report in reports if report.nodes is not None]
    compiled = next((report for report in log.delegations if report.delegate == NPU_COMPILER), None)
    if name == "npu" and compiled and (counted or not compiled.nodes):
        return compiled  # what was compiled counts as one node for the delegate that runs it
    if counted:
        # Several lines can report the same application of a delegate; the largest one covers it completely.
        largest = max(counted, key=lambda report: report.nodes or 0)
        partitions = next((report.partitions for report in reports if report.partitions is not None), None)
        total = expected.nodes if largest.total is None else largest.total
        return Delegation(name, largest.nodes, total, partitions)
    if any(_is_name_of(expected.delegate, reported) for reported in log.fully_delegated):
        return Delegation(name, expected.nodes, expected.nodes, 1)
    return Delegation(name, None, expected.nodes, reports[0].partitions) if reports else None


def _is_name_of(delegate: Delegate, name: str) -> bool:
    if delegate.name == "external":
        return not _NAMES["cpu"].search(name)
    return bool(_NAMES[delegate.name].search(name))


def _cpu_status(delegation: Delegation | None) -> RunStatus:
    if delegation is None:
        return RunStatus("ok", "the tool does not report how many nodes XNNPACK runs")
    if delegation.nodes is None:
        note = f"XNNPACK runs some of {delegation.total} nodes, the built-in kernels the rest"
        return RunStatus("partial", note, None, delegation.total, delegation.partitions)
    return xnnpack_status(delegation.nodes, delegation.total, delegation.partitions)


def builtin_status(xnnpack: bool, total: int) -> RunStatus:
    """The status of a timed run on the CPU without XNNPACK; `xnnpack` says whether it ran nodes all the same."""
    if xnnpack:
        return RunStatus("mismatch", "XNNPACK ran nodes, though the built-in kernels were asked for")
    return RunStatus("ok", "", 0, total, 0)


def xnnpack_status(nodes: int, total: int | None, partitions: int | None) -> RunStatus:
    """The status of a timed run on the CPU, of which XNNPACK runs `nodes`."""
    if nodes == 0:
        return RunStatus("partial", "XNNPACK runs no node: the built-in kernels were timed", 0, total, 0)
    if nodes < (total or 0):
        note = f"XNNPACK runs {nodes} of {total} nodes, the built-in kernels the rest"
        return RunStatus("partial", note, nodes, total, partitions)
    return RunStatus("ok", "", nodes, total, partitions)


def _delegate_status(log: ToolLog, delegation: Delegation | None, expected: Expected) -> RunStatus:
    name = expected.delegate.name
    if log.unsupported and (delegation is None or not delegation.nodes):
        return RunStatus("fallback", f"{log.unsupported[-1]} The CPU was timed", 0, expected.nodes, 0)
    if delegation is None:
        note = f"the tool does not report that {name} runs any node; the CPU was timed"
        return RunStatus("fallback", note, None, expected.nodes)
    nodes, total, partitions = delegation.nodes, delegation.total, delegation.partitions
    if nodes == 0:
        reason = _first_error(log) if log.restored else ""
        return RunStatus("fallback", f"{name} runs no node{reason}; the CPU was timed", 0, total, 0)
    notes = ["computed by OpenGL, because the phone has no OpenCL"] if name == "gpu" and log.opengl else []
    if nodes is None or nodes < (total or 0):
        notes.insert(0, f"{name} runs {'some' if nodes is None else nodes} of {total} nodes, the CPU the rest")
        return RunStatus("partial", "; ".join(notes), nodes, total, partitions)
    return RunStatus("ok", "; ".join(notes), nodes, total, partitions)
