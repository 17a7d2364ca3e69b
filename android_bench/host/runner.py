"""Runs cases on this machine with LiteRT, each run in a process of its own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite.xnnpack_probe import delegated_nodes
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.guard import TemporaryFolder
from ecbsr_mobile.utils.scheduling import usable_cores
from ecbsr_mobile.utils.signals import signal_name
from ecbsr_mobile.utils.text import last_line

from .. import output_check
from ..benchmark_tool.run_status import builtin_status, xnnpack_status
from ..config import HOST, HOST_DELEGATES, Case, Options
from ..models import Model, resized_file
from ..results import explanations
from ..results.types import Check, Core, DeviceInfo, Energy, OperatorTime, Run, State, Tool
from . import gpu

BUSY = 0.7  # load average per core from which on other programs slow the runs down
WORKER = Path(__file__).with_name("worker.py")


class HostRunner:
    """Runs cases on this machine. A context manager: leaving it removes its files."""

    def __init__(self, models: Mapping[str, Model], options: Options, stop: threading.Event, started: float) -> None:
        self.models = models
        self.options = options
        self.stop = stop
        self.started = started
        self.folder = TemporaryFolder("ecbsr-bench-")

    def __enter__(self) -> HostRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()

    def describe(self) -> DeviceInfo:
        """This machine and its TFLite runtime."""
        return DeviceInfo(
            name=HOST,
            kind="host",
            model=_cpu_model() or platform.processor() or platform.machine(),
            system=f"{platform.system()} {platform.release()}",
            abis=(platform.machine(),),
            cores=tuple(Core(index, _max_mhz(index)) for index in sorted(usable_cores())),
            tool=Tool("interpreter", f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"),
            notes=(*_load_notes(), *_left_out(self.options)),
            cpu_flags=explanations.flags(_cpu_info()),
        )

    def measure(self, case: Case, number: int) -> Run:
        """Run one process, which loads the model, warms up and times it. `number` is the round, from 1.

        Raises:
            Canceled: the session is being stopped.
        """
        run = Run(case, number, "failed", before=self._state())
        delegate = case.parsed_delegate
        if delegate.name not in HOST_DELEGATES:
            return replace(run, status="unsupported", note="this machine runs models on its CPU and its GPU only")
        try:
            model = resized_file(self.models, case, Path(self.folder.name))
        except EcbsrError as error:
            return replace(run, note=str(error))
        limits = self.options.limits
        if delegate.name == "gpu":
            timed = gpu.measure(run, model.read_bytes(), self.options.iterations, limits, self.stop)
            return replace(timed, after=self._state())
        command = [sys.executable, "-P", str(WORKER), str(model), str(case.threads)]
        command += [str(self.options.iterations), str(limits.timed), *filter(None, [delegate.argument])]
        try:
            ended = subprocess_runner.run(command, limits.run, self.stop)
        except subprocess_runner.TimedOut:
            return replace(run, status="timeout", note=f"not finished within {limits.run:g} s", after=self._state())
        shape = tflite.image_input(tflite.read(model)).shape
        return replace(_with_outcome(run, ended, shape), after=self._state())

    def check(self, case: Case) -> Check:
        """No comparison, because this machine is the reference; a note where the model is much worse than bicubic."""
        try:
            model = self.models[case.model]
            _, notes = output_check.read_io(model.path.read_bytes(), model.graph, self.options.limits.run, self.stop)
        except EcbsrError as error:
            return Check(note=f"not compared: {error}")
        return Check(note="; ".join(notes))

    def profile(self, case: Case) -> tuple[OperatorTime, ...]:
        """No operator times, because the Python runtime has no profiler."""
        return ()

    def energy(self, case: Case) -> Energy:
        """No energy, because this machine has no fuel gauge that measures it."""
        return Energy(note="no figure: it is measured on phones")

    def _state(self) -> State:
        return State(round(time.monotonic() - self.started, 3))


def _with_outcome(run: Run, ended: subprocess_runner.Completed, shape: tuple[int, ...]) -> Run:
    """The run with the figures that its process printed, or with the reason why there are none.

    `shape` is that of the input which it was to run with.
    """
    if ended.code < 0:
        return replace(run, status="crashed", note=f"ended by {signal_name(-ended.code)}")
    if ended.code:
        return replace(run, note=f"the runtime rejected it: {last_line(ended.err, f'exit code {ended.code}')}")
    output = json.loads(ended.out)
    if output["input_shape"] != list(shape):
        note = f"it ran with the input shape {output['input_shape']}, not {list(shape)}"
        return replace(run, status="mismatch", note=note)
    nodes, kernels = delegated_nodes(output["nodes"])
    if run.case.parsed_delegate.argument == "builtin":
        status = builtin_status(bool(nodes), len(output["nodes"]) - kernels)
    else:
        status = xnnpack_status(len(nodes), len(output["nodes"]) - kernels, kernels)
    notes = [status.note, _threads_note(run.case.threads)]
    times = output["times_ms"]
    return replace(
        run,
        status=status.status,
        note="; ".join(note for note in notes if note),
        median_ms=median(times),
        p95_ms=float(np.quantile(times, 0.95)),
        iterations=len(times),
        nodes_delegated=status.delegated,
        nodes_total=status.total,
        partitions=status.partitions,
        init_ms=output["init_ms"],
        peak_memory_mb=output["peak_memory_mb"],
    )


def _load_notes() -> tuple[str, ...]:
    cores = len(usable_cores())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load < cores * BUSY:
        return ()
    where = f"{cores} core{'s' * (cores > 1)}"
    return (f"other programs were running when the benchmark began (load {load:.1f} on {where}) and slow it down",)


def _left_out(options: Options) -> tuple[str, ...]:
    """A note about what of the options is for phones only."""
    default = Options()
    delegates = [str(delegate) for delegate in options.delegates if delegate.name not in HOST_DELEGATES]
    out = delegates if len(delegates) < len(options.delegates) else []  # without both, each has a row of its own
    names = ("cores", "tool", "tool_sha256", "qnn", "profile")
    out += [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) != getattr(default, name)]
    out += ["--cooldown"] if options.limits.cooldown != default.limits.cooldown else []
    out += ["--check (it is the reference)"] if options.check else []
    return (f"left out on this machine, because for phones only: {', '.join(out)}",) if out else ()


def _threads_note(threads: int) -> str:
    cores = len(usable_cores())
    return f"more threads than this machine's {cores} core{'s' * (cores > 1)}" if threads > cores else ""


def _cpu_model() -> str:
    lines = _cpu_info().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _cpu_info() -> str:
    """The content of Linux's /proc/cpuinfo; "" elsewhere."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _max_mhz(core: int) -> int | None:
    try:
        return int(Path(f"/sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq").read_text()) // 1000
    except (OSError, ValueError):
        return None
