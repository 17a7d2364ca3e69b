"""Every model for every SoC, side by side on this machine's cores."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.files import write_bytes

from .. import resolutions, tflite
from ..validation.sample_crop import SampleCrop
from .compiler import SECONDS, compile_for
from .emulator import emulate
from .qualcomm_sdk import Toolchain, toolchain
from .results import CompileReport, CompileReports, EmulationResult
from .socs import SOCS

OPEN_SIZE = resolutions.SIZES["540p"]
"""What a model that leaves its size open is compiled for."""

Notice = Callable[[str], None]
Progress = Callable[[Sequence[Any], str], Iterable[Any]]


def compile_models(
    models: Mapping[str, bytes],
    socs: Sequence[str] = tuple(SOCS),
    shown: Mapping[str, SampleCrop | str] | None = None,
    keep: str | os.PathLike[str] | None = None,
    seconds: float = SECONDS,
    notice: Notice = lambda _text: None,
    progress: Progress = lambda items, _label: items,
) -> Mapping[str, CompileReports]:
    """What Qualcomm's compiler makes of each model for each SoC.

    Args:
        models: name (a path) → the bytes of a `.tflite` of fixed size (see `sized`).
        socs: as `asked.SOCS` names them.
        shown: what the emulation is compared with, by the models' names, or why there is nothing; None to
            emulate nothing.
        keep: a folder for the compiled files, named like MODEL-SM8650.tflite.
        seconds: given to each compilation.
        notice: is told the licence before the first program is called.
        progress: iterates over the work and shows how far it came.

    Raises:
        UsageError: two models whose compiled files would have one name.
        EcbsrError: the compiler is not here or does not load, or a compiled file cannot be written.
    """
    names = [Path(name).stem for name in models]
    if keep is not None and len(set(names)) < len(names):
        raise UsageError("two of the models have one name, and so would their compiled files; keep them separately")
    found: dict[str, dict[str, CompileReport]] = {name: {} for name in models}
    with toolchain() as tools:
        notice(tools.notice)
        stop = threading.Event()
        pool = ThreadPoolExecutor(max_workers=cores())
        try:
            work = [
                (
                    name,
                    soc,
                    pool.submit(_one, tools, soc, models[name], shown.get(name) if shown else None, seconds, stop),
                )
                for name in models
                for soc in socs
            ]
            for name, soc, future in progress(work, "compiling"):
                found[name][soc], compiled = future.result()
                if keep is not None and compiled is not None:
                    write_bytes(Path(keep) / f"{Path(name).stem}-{soc}.tflite", compiled)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return found


def cores() -> int:
    """How many processes run at once: the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sized(model: bytes, size: resolutions.Size | None = None) -> bytes:
    """The model at a size of the LR input; without one at its own, or 960x540 where it leaves that open.

    Raises:
        EcbsrError: it cannot be given that size.
    """
    graph = tflite.read(model)
    if size is None and not any(tensor.dynamic for tensor in graph.tensors):
        return model
    return tflite.write(tflite.at_size(graph, *(size or OPEN_SIZE)))


def _one(
    tools: Toolchain, soc: str, model: bytes, shown: SampleCrop | str | None, seconds: float, stop: threading.Event
) -> tuple[CompileReport, bytes | None]:
    verdict, compiled = _compiled(tools, soc, model, seconds, stop)
    if shown is None or compiled is None:
        return verdict, compiled
    return replace(verdict, emulated=_emulated(tools, soc, compiled, model, shown, seconds, stop)), compiled


def _compiled(
    tools: Toolchain, soc: str, model: bytes, seconds: float, stop: threading.Event
) -> tuple[CompileReport, bytes | None]:
    with tempfile.TemporaryDirectory(prefix="ecbsr-npu-") as folder:
        return compile_for(tools, soc, model, Path(folder), seconds, stop)


def _emulated(
    tools: Toolchain,
    soc: str,
    compiled: bytes,
    model: bytes,
    shown: SampleCrop | str,
    seconds: float,
    stop: threading.Event,
) -> EmulationResult:
    if isinstance(shown, str):
        return EmulationResult(note=shown)
    if shown.model != model:
        verdict, small = _compiled(tools, soc, shown.model, seconds, stop)
        if small is None:
            return EmulationResult(note=f"at the tile's size, {verdict.status}: {verdict.note}")
        compiled = small
    try:
        with tempfile.TemporaryDirectory(prefix="ecbsr-npu-") as folder:
            return emulate(tools, compiled, shown, Path(folder), stop)
    except (EcbsrError, subprocess_runner.TimedOut) as error:
        return EmulationResult(note=str(error))
