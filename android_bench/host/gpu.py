"""One run on the GPU of this machine, with LiteRT's WebGPU accelerator: ML Drift, the GPU delegate of phones."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache
from statistics import median

import numpy as np

from ecbsr_mobile import tflite
from export.gpu import accelerator
from export.gpu.accelerator import Adapter, Query

from ..config import Limits
from ..results.types import Run

find_adapter = cache(accelerator.find_adapter)  # the machine's GPU does not change


def measure(run: Run, model: bytes, iterations: int, limits: Limits, stop: threading.Event) -> Run:
    """Time a model on the GPU of this machine; a software adapter is refused.

    As on phones, the GPU computes in float16 where it can, and `ok` requires that it says that it takes every node.

    Raises:
        Canceled: the session is being stopped.
    """
    adapter = find_adapter()
    reason = unsupported_reason(adapter)
    if reason or isinstance(adapter, str):
        return replace(run, status="unsupported", note=reason)
    from .worker import random_input  # imports LiteRT

    graph = tflite.read(model)
    tensors = [graph.tensors[index] for index in graph.inputs]
    inputs = tuple(random_input(tensor.shape, tensor.dtype, seed=0) for tensor in tensors)
    fp32 = run.case.parsed_delegate.argument == "fp32"
    precision = "fp16" if adapter.fp16 and not fp32 else "fp32"
    query = Query(model, inputs, iterations, limits.timed)
    (answer,) = accelerator.run([query], precision, adapter.environment, limits.run, stop)
    if answer.failure is not None:
        return replace(run, status=answer.failure[0], note=answer.failure[1])
    log, total = answer.log, len(graph.nodes)
    if not answer.opens or log.program_error or not answer.milliseconds:
        return replace(run, note=log.program_error or answer.error or log.error)
    taken = total if answer.whole else log.taken or 0
    run = replace(run, nodes_delegated=taken, nodes_total=total, partitions=log.partitions)
    if not taken:
        return replace(run, status="fallback", note="the GPU delegate takes no node; the CPU was timed")
    notes = [f"computed in {precision} by {adapter.name}"]
    if not answer.whole:
        notes.append(f"gpu runs {taken} of {total} nodes, the CPU the rest")
    return replace(
        run,
        status="ok" if answer.whole else "partial",
        note="; ".join(notes),
        median_ms=median(answer.milliseconds),
        p95_ms=float(np.quantile(answer.milliseconds, 0.95)),
        iterations=len(answer.milliseconds),
    )


def unsupported_reason(adapter: Adapter | str) -> str:
    """Why the adapter gives no time; "" for a real GPU."""
    if isinstance(adapter, str):
        return f"this machine has no GPU that LiteRT can use: {adapter}"
    if adapter.software:
        return f"this machine's only adapter is {adapter.name}, a software one: its times are not a GPU's"
    return ""
