"""Find an adapter for LiteRT's GPU accelerator, and run models with it in a process of its own."""

from __future__ import annotations

import glob
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile import tflite
from ecbsr_mobile.utils import limited, subprocess_runner
from ecbsr_mobile.utils.guard import TemporaryFolder
from ecbsr_mobile.utils.limited import Limits
from ecbsr_mobile.utils.signals import signal_name
from ecbsr_mobile.utils.text import MAX_NOTE, last_line, printable

from . import accelerator_log
from .accelerator_log import AcceleratorLog
from .accelerator_worker import ANSWERS

WORKER = Path(__file__).with_name("accelerator_worker.py")
TIMEOUT_SECONDS = 300.0  # a bundled model at 96x64 takes 2 s on a software adapter
# Drivers of real GPUs reserve far more addresses than they use.
LIMITS = Limits(memory_bytes=8 * 2**30, address_space=False)

DRIVERS = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
"""Environment variables that name Vulkan drivers; the second is the older name."""

SYSTEM_DRIVERS = ("/usr/share/vulkan/icd.d/*.json", "/usr/local/share/vulkan/icd.d/*.json", "/etc/vulkan/icd.d/*.json")
SWIFTSHADER = "vk_swiftshader_icd.json"
"""SwiftShader's driver file, which Chromium has in its folder, beside a Vulkan loader."""

CHROMIUM = (
    "/usr/lib/chromium",
    "/usr/lib/chromium-browser",
    "/usr/lib64/chromium-browser",
    "/opt/google/chrome",
    "~/.cache/ms-playwright/chromium-*/chrome-linux*",
    "~/.cache/puppeteer/chrome/*/chrome-linux*",
)


@dataclass(frozen=True)
class Adapter:
    """A GPU that the accelerator uses.

    Attributes:
        name: as the driver reports it.
        software: whether a CPU emulates it.
        fp16: whether it computes in 16 bits where that is allowed.
        environment: the variables that select it.
    """

    name: str
    software: bool
    fp16: bool
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Query:
    """A model to open, and to run.

    Attributes:
        model: the bytes of the file.
        inputs: the stored values of its inputs; without them it is not run.
        runs: how many runs to time, after a warm-up.
        seconds: no timed run starts later, except for the first.
    """

    model: bytes
    inputs: tuple[np.ndarray, ...] = ()
    runs: int = 0
    seconds: float = 60.0


@dataclass(frozen=True, eq=False)
class Answer:
    """What the accelerator did with a model.

    Attributes:
        opens: whether it opens, on the GPU alone (`whole`) or together with the CPU.
        whole: whether all of it runs on the GPU.
        log: what the log says about it.
        output: the bytes of its first output; None where it was not run.
        milliseconds: the time of each timed run.
        error: why it does not open or run, in LiteRT's words; "" where it does.
        failure: what ended the process at this model, as (a key of `STATUSES`, a sentence); None where nothing did.
    """

    opens: bool
    whole: bool
    log: AcceleratorLog
    output: bytes | None = None
    milliseconds: tuple[float, ...] = ()
    error: str = ""
    failure: tuple[str, str] | None = None


def run(
    queries: Sequence[Query],
    precision: str,
    environment: Mapping[str, str],
    seconds: float = TIMEOUT_SECONDS,
    stop: threading.Event | None = None,
) -> list[Answer]:
    """Open and run models one after the other in one process; the list ends with the first that ends the process.

    Raises:
        Canceled: `stop` was set meanwhile.
    """
    with TemporaryFolder("ecbsr-gpu-") as name:
        folder = Path(name)
        models = [_write(query, number, folder) for number, query in enumerate(queries)]
        (folder / "job.json").write_text(json.dumps({"precision": precision, "models": models}), encoding="utf-8")
        command = [sys.executable, "-P", str(WORKER), "job.json"]
        try:
            code, _, errors = limited.run(command, folder, seconds, LIMITS, {**os.environ, **environment}, stop)
            failure = None if code == 0 else _failure(code, errors)
        except subprocess_runner.TimedOut:
            failure = ("timeout", f"ended after {seconds:g} s")
        return _answers(folder, queries, failure)


def _write(query: Query, number: int, folder: Path) -> dict[str, Any]:
    """Write the files of a query: its entry in the job."""
    (folder / f"{number}.tflite").write_bytes(query.model)
    inputs = [f"{number}-{index}.bin" for index in range(len(query.inputs))]
    for name, values in zip(inputs, query.inputs, strict=True):
        np.ascontiguousarray(values).tofile(folder / name)
    files = {"file": f"{number}.tflite", "inputs": inputs, "output": f"{number}-output.bin"}
    return {**files, "runs": query.runs, "seconds": query.seconds}


def _failure(code: int, errors: bytes) -> tuple[str, str]:
    if code < 0:
        return "crashed", f"ended by {signal_name(-code)}"
    return "failed", last_line(errors, f"exit code {code}")[:MAX_NOTE]


def _answers(folder: Path, queries: Sequence[Query], failure: tuple[str, str] | None) -> list[Answer]:
    logs = accelerator_log.parse(limited.content(folder / "err"))
    answers = []
    for number, line in enumerate(limited.content(folder / ANSWERS).splitlines()[: len(queries)]):
        try:
            said = json.loads(line)
            opens, whole, error = bool(said["opens"]), bool(said["whole"]), printable(said.get("error", ""), MAX_NOTE)
        except (ValueError, KeyError, TypeError):  # cut off
            break
        output, times = folder / f"{number}-output.bin", tuple(said.get("milliseconds", ()))
        log, values = logs.get(number, AcceleratorLog()), output.read_bytes() if output.exists() else None
        answers.append(Answer(opens, whole, log, values, times, error))
    if len(answers) < len(queries):
        log = logs.get(len(answers), AcceleratorLog())
        answers.append(Answer(False, False, log, failure=failure or ("failed", "the process ended without an answer")))
    return answers


def find_adapter() -> Adapter | str:
    """The adapter of this machine, a real GPU before a software one; or why there is none."""
    reason = "no Vulkan driver is installed"
    for environment in _environments():
        query = Query(tflite.write(_sum_of_2049()), (np.ones((1, 1, 1, 4), np.float32),))
        (answer,) = run([query], "fp16", environment)
        if answer.log.adapter is not None and answer.whole and answer.output is not None:
            values = np.frombuffer(answer.output, np.float32)
            return Adapter(answer.log.adapter, answer.log.software, not bool((values == 2049).all()), environment)
        reason = answer.failure[1] if answer.failure else answer.log.error or "the accelerator does not say why"
    return reason


def _environments() -> list[dict[str, str]]:
    """The environments in which to look for an adapter, the first choice first."""
    system = any(name in os.environ for name in DRIVERS) or any(map(glob.glob, SYSTEM_DRIVERS))
    environments: list[dict[str, str]] = [{}] if system or sys.platform != "linux" else []
    for pattern in CHROMIUM:
        for folder in sorted(glob.glob(os.path.expanduser(pattern))):
            driver = os.path.join(folder, SWIFTSHADER)
            if os.path.exists(driver):
                libraries = [folder, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
                environments.append({**dict.fromkeys(DRIVERS, driver), "LD_LIBRARY_PATH": ":".join(libraries)})
    return environments


def _sum_of_2049() -> tflite.Graph:
    """A graph that adds 2048 to its input: for 1, the result is 2049, which float16 rounds to 2048."""
    options = schema.AddOptionsT(0, False)
    shape, kind = (1, 1, 1, 4), np.dtype(np.float32)
    large = np.full(shape, 2048, np.float32)
    tensors = (
        tflite.Tensor("one", shape, kind),
        tflite.Tensor("large", shape, kind, large),
        tflite.Tensor("sum", shape, kind),
    )
    return tflite.Graph(tensors, (tflite.Node("ADD", (0, 1), (2,), 1, options),), (0,), (2,))
