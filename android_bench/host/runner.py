"""This machine as a device: the TFLite interpreter, each run in a process of its own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import signal
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner
from export.tflite.xnnpack_probe import delegated_nodes

from .. import models
from ..config import Case, Settings
from ..models import Model
from ..results import stats
from ..results.types import Check, Core, DeviceInfo, OperatorTime, Run, State, Tool

NAME = "host"
BUSY = 0.7  # load per core above which a run would have to share
WORKER = Path(__file__).with_name("worker.py")


class HostRunner:
    """Runs cases on this machine. Use as a context manager: leaving it removes its files."""

    def __init__(self, loaded: dict[str, Model], settings: Settings, stop: threading.Event, started: float) -> None:
        self.models = loaded
        self.settings = settings
        self.stop = stop
        self.started = started
        self.folder = tempfile.TemporaryDirectory(prefix="ecbsr-bench-")

    def __enter__(self) -> HostRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()

    def describe(self) -> DeviceInfo:
        """This machine and its runtime."""
        return DeviceInfo(
            name=NAME,
            kind="host",
            model=_cpu() or platform.processor() or platform.machine(),
            system=f"{platform.system()} {platform.release()}",
            abis=(platform.machine(),),
            cores=tuple(Core(index, _top_mhz(index)) for index in sorted(usable_cores())),
            tool=Tool("interpreter", f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"),
            notes=_busy(),
        )

    def measure(self, case: Case, number: int) -> Run:
        """One process: load, warm up, time. `number` is the round.

        Raises:
            process.Cancelled: the session is being ended.
        """
        run = Run(case, number, "failed", before=self._state())
        if case.delegate != "cpu":
            return replace(run, status="unsupported", note="this machine is timed on its CPU alone")
        try:
            model = models.stamped(self.models, case, Path(self.folder.name))
        except EcbsrError as error:
            return replace(run, note=str(error))
        limits = self.settings.limits
        command = [sys.executable, "-P", str(WORKER), str(model), str(case.threads)]
        command += [str(self.settings.iterations), str(limits.timed)]
        try:
            finished = subprocess_runner.run(command, limits.run, self.stop)
        except subprocess_runner.TimedOut:
            return replace(run, status="timeout", note=f"no end within {limits.run:g} s", after=self._state())
        return replace(_outcome(run, finished), after=self._state())

    def check(self, case: Case) -> Check:
        """Nothing to compare: this machine is the reference."""
        return Check()

    def profile(self, case: Case) -> tuple[OperatorTime, ...]:
        """Nothing: the Python runtime has no profiler."""
        return ()

    def _state(self) -> State:
        return State(round(time.monotonic() - self.started, 3))


def _outcome(run: Run, finished: subprocess_runner.Completed) -> Run:
    """What a worker that ended says."""
    errors = finished.err.decode(errors="replace").strip().splitlines()
    if finished.code < 0:
        return replace(run, status="crashed", note=f"ended by {signal.Signals(-finished.code).name}")
    if finished.code:
        return replace(run, note=f"the runtime refused it: {errors[-1] if errors else f'exit code {finished.code}'}")
    answer = json.loads(finished.out)
    _, height, width, _ = answer["input_shape"]
    if (width, height) != run.case.size:
        return replace(run, status="mismatch", note=f"it ran at {width}x{height}")
    taken, kernels = delegated_nodes(answer["nodes"])
    return replace(
        run,
        status="ok",
        note=_crowded(run.case.threads),
        median_ms=median(answer["times_ms"]),
        p95_ms=stats.percentile(answer["times_ms"], 0.95),
        iterations=len(answer["times_ms"]),
        nodes_delegated=len(taken),
        nodes_total=len(answer["nodes"]) - kernels,
        partitions=kernels,
        init_ms=answer["init_ms"],
        peak_memory_mb=answer["peak_memory_mb"],
    )


def _busy() -> tuple[str, ...]:
    cores = len(usable_cores())
    where = f"{cores} core{'s' * (cores > 1)}"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load < cores * BUSY:
        return ()
    return (f"other work was running when the bench began (load {load:.1f} on {where}): it costs time",)


def _crowded(threads: int) -> str:
    cores = len(usable_cores())
    return f"more threads than this machine's {cores} core{'s' * (cores > 1)}" if threads > cores else ""


def usable_cores() -> set[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _top_mhz(core: int) -> int | None:
    try:
        return int(Path(f"/sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq").read_text()) // 1000
    except (OSError, ValueError):
        return None
