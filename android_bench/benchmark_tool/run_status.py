"""Whether a run of the tool may be believed: from its log and exit code to a status.

The tool lies silently: it times the CPU with exit code 0 where a delegate is not there, and prints
timings after a failed inference. A figure counts only with all of: exit code 0, a complete timed block,
the delegate's own word that it took nodes, and the file that was meant.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from ..config import Delegate
from .log_parser import ToolLog

_NAMES = {
    "cpu": re.compile("xnnpack", re.IGNORECASE),
    "gpu": re.compile("gpu|litert_cl|opencl|webgpu|mldrift|ml_drift", re.IGNORECASE),
    "nnapi": re.compile("nnapi", re.IGNORECASE),
}
"""How delegates call themselves in the tool's lines; an external one has any name but XNNPACK's."""

SIGNALS_FROM = 128  # a shell's exit code for a program that a signal ended is 128 + the signal's number


@dataclass(frozen=True)
class Expected:
    """What a run should have been: the delegate, the pushed file, its nodes, and (height, width, channels)."""

    delegate: Delegate
    model_bytes: int
    nodes: int
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class RunStatus:
    """A status of `results.STATUSES`, the reason, and what the delegate took (None: it did not say)."""

    status: str
    note: str = ""
    taken: int | None = None
    total: int | None = None
    partitions: int | None = None


def judge(log: ToolLog, code: int, expected: Expected) -> RunStatus:
    """The verdict on a run that ended by itself with exit code `code`."""
    failed = _failure(log, code)
    if failed:
        return failed
    wrong = _mismatch(log, expected)
    if wrong:
        return RunStatus("mismatch", wrong)
    missing = _unknown_flags(log, expected.delegate)
    if missing:
        return RunStatus("unsupported", f"the tool does not know {missing}")
    evidence = _evidence(log, expected)
    if expected.delegate.name == "cpu":
        return _cpu(evidence)
    return _accelerator(log, evidence, expected)


def _failure(log: ToolLog, code: int) -> RunStatus | None:
    if code > SIGNALS_FROM and code - SIGNALS_FROM in set(signal.Signals):
        return RunStatus("crashed", f"ended by {signal.Signals(code - SIGNALS_FROM).name}{_said(log)}")
    if code:
        return RunStatus("failed", f"exit code {code}{_said(log)}")
    if log.timed is None or not log.complete:
        return RunStatus("failed", f"exit code 0, but no complete timed block{_said(log)}")
    if any("Benchmarking failed" in line for line in log.errors):
        return RunStatus("failed", f"exit code 0, but the tool says that it failed{_said(log)}")
    return None


def _said(log: ToolLog) -> str:
    lines = [line for line in log.errors if "Benchmarking failed" not in line] or list(log.errors)
    return f": {lines[0]}" if lines else ""


def _mismatch(log: ToolLog, expected: Expected) -> str:
    height, width, channels = expected.shape
    for shape in log.input_shapes[:1]:
        if shape[1:] != (height, width, channels):
            return f"the tool ran with the input shape {list(shape)}, not {[1, height, width, channels]}"
    megabytes = log.model_megabytes
    # Printed with six significant digits.
    if megabytes is not None and abs(megabytes * 1e6 - expected.model_bytes) > max(1, expected.model_bytes * 1e-5):
        return f"the tool ran a model of {megabytes * 1e6:.0f} bytes, not the one of {expected.model_bytes} bytes"
    return ""


def _unknown_flags(log: ToolLog, delegate: Delegate) -> str:
    """The flags that choose the delegate, among those that the tool did not take."""
    word = {"cpu": "", "gpu": "use_gpu", "nnapi": "nnapi", "external": "external_delegate"}[delegate.name]
    unknown = [flag for flag in log.unconsumed if word and word in flag]
    needed = ("num_threads", "num_runs", "min_secs", "graph")
    unknown += [flag for flag in log.unconsumed if flag.lstrip("-").split("=")[0] in needed]
    return " ".join(unknown)


def _evidence(log: ToolLog, expected: Expected) -> RunStatus | None:
    """What the delegate that was asked for said it took; None where it said nothing."""
    if any(_is(expected.delegate, name) for name in log.not_executed):
        return RunStatus("", taken=0, total=expected.nodes, partitions=0)
    known = [one for one in log.replaced if _is(expected.delegate, one.delegate)]
    counted = [one for one in known if one.taken is not None]
    if counted:
        # Lines of one and the same application repeat the figures; the largest is the whole.
        best = max(counted, key=lambda one: one.taken or 0)
        partitions = next((one.partitions for one in known if one.partitions is not None), None)
        return RunStatus("", taken=best.taken, total=best.total, partitions=partitions)
    if any(_is(expected.delegate, name) for name in log.wholly):
        return RunStatus("", taken=expected.nodes, total=expected.nodes, partitions=1)
    return RunStatus("", total=expected.nodes, partitions=known[0].partitions) if known else None


def _is(delegate: Delegate, name: str) -> bool:
    if delegate.name == "external":
        return not _NAMES["cpu"].search(name)
    return bool(_NAMES[delegate.name].search(name))


def _cpu(evidence: RunStatus | None) -> RunStatus:
    if evidence is None or evidence.taken is None:
        partitions = evidence.partitions if evidence else None
        return RunStatus("ok", "the tool did not say how many nodes XNNPACK took", partitions=partitions)
    note = "XNNPACK took no node: the built-in kernels were timed" if evidence.taken == 0 else ""
    return RunStatus("ok", note, evidence.taken, evidence.total, evidence.partitions)


def _accelerator(log: ToolLog, evidence: RunStatus | None, expected: Expected) -> RunStatus:
    name = expected.delegate.name
    if log.unsupported and (evidence is None or not evidence.taken):
        return RunStatus("fallback", f"{log.unsupported[-1]} The CPU was timed", 0, expected.nodes, 0)
    if evidence is None:
        return RunStatus("fallback", f"no sign that {name} took any node; the CPU was timed", None, expected.nodes)
    if evidence.taken == 0:
        return RunStatus("fallback", f"{name} took no node; the CPU was timed", 0, evidence.total, 0)
    if evidence.taken is None or evidence.taken < (evidence.total or 0):
        taken = "some" if evidence.taken is None else str(evidence.taken)
        note = f"{name} took {taken} of {evidence.total} nodes, the CPU the rest"
        return RunStatus("partial", note, evidence.taken, evidence.total, evidence.partitions)
    return RunStatus("ok", "", evidence.taken, evidence.total, evidence.partitions)
