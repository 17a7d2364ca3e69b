"""Query the GPU delegate about several models: what it takes, and what it computes for a crop of a bundled image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite.graph import Graph, folded_constants, short_name
from ecbsr_mobile.tflite.partitioning import partitions
from ecbsr_mobile.utils.progress import Progress
from ecbsr_mobile.utils.text import MAX_NOTE

from ..resolutions import of_input, sized
from ..validation.difference import difference
from ..validation.sample_crop import SampleCrop
from .accelerator import TIMEOUT_SECONDS, Adapter, Answer, Query, find_adapter, run
from .accelerator_log import AcceleratorLog
from .results import INSTALL, GpuReport, RefusedOp
from .single_nodes import single_node

CUT = "is taken, but outside of the largest partition, and the delegate takes only that one"
NO_REASON = "refused without a reason"
NOT_FOLDED = "is folded into a constant only if the whole model is taken"


def query_models(
    models: Mapping[str, bytes],
    precision: str = "fp32",
    crops: Mapping[str, SampleCrop | str] | None = None,
    seconds: float = TIMEOUT_SECONDS,
    progress: Progress = lambda items, _label: items,
    adapter: Adapter | str | None = None,
) -> dict[str, GpuReport]:
    """Ask the GPU delegate about each model.

    Args:
        models: path → bytes of a `.tflite` file; one of dynamic size is asked about at 960x540.
        precision: what the GPU computes in, one of `results.PRECISIONS`.
        crops: path → the sample crop to run and compare with, or why there is none; None: nothing is run.
        seconds: time limit of each model.
        progress: wraps the work to show progress.
        adapter: the result of `find_adapter`, if it is known.

    Returns:
        path → report.
    """
    adapter = adapter or find_adapter()
    reports = {}
    for path, model in progress(list(models.items()), "asking the GPU delegate"):
        crop = crops.get(path, "it was not run") if crops is not None else None
        reports[path] = _report(model, precision, crop, adapter, seconds)
    return reports


def _report(
    model: bytes, precision: str, crop: SampleCrop | str | None, adapter: Adapter | str, seconds: float
) -> GpuReport:
    if isinstance(adapter, str):
        return GpuReport("no_adapter", precision, note=f"{adapter}; {INSTALL}")
    empty = GpuReport("no_fp16", precision, adapter.name, adapter.software)
    if precision == "fp16" and not adapter.fp16:
        return replace(empty, note="it would compute in fp32")
    try:
        model = sized(model)
    except EcbsrError as error:
        return replace(empty, status="failed", note=str(error))
    graph = tflite.read(model)
    queries = [Query(model)]
    if isinstance(crop, SampleCrop):
        stored = crop.io.input.store(crop.lr.astype(np.float32) / np.float32(255))
        queries = [*([] if crop.model == model else queries), Query(crop.model, (stored,))]
    answers = run(queries, precision, adapter.environment, seconds)
    report = replace(_opened(empty, graph, answers[0]), size=of_input(graph), total=len(graph.nodes))
    if report.status in ("partial", "refused"):
        report = replace(report, refused=_refused(graph, answers[0].log, precision, adapter, seconds))
    if crop is None or report.status not in ("ok", "partial"):
        return report
    if isinstance(crop, str):
        return replace(report, note=f"no crop was run: {crop}")
    return _with_result(report, crop, answers[-1])


def _opened(empty: GpuReport, graph: Graph, answer: Answer) -> GpuReport:
    """The report on opening a model, without the refused operators."""
    log = answer.log
    if answer.failure is not None:
        status, note = answer.failure
        return replace(
            empty, status=status, note=f"{note}{f'; its first error: {log.error}' if log.error else ''}"[:MAX_NOTE]
        )
    if log.program_error or not answer.opens:
        return replace(empty, status="failed", note=log.program_error or log.error or answer.error)
    if answer.whole:
        return replace(empty, status="ok", taken=len(graph.nodes), partitions=log.partitions)
    if not log.taken:
        return replace(empty, status="refused", taken=0, partitions=0)
    return replace(empty, status="partial", taken=log.taken, partitions=log.partitions)


def _refused(
    graph: Graph, log: AcceleratorLog, precision: str, adapter: Adapter, seconds: float
) -> tuple[RefusedOp, ...]:
    """The operators that stay on the CPU, each with the reason that the delegate gives for it alone.

    The log of the whole model has each reason once, and no numbers of nodes.
    """
    named = {operator for operator, _ in log.refused}
    numbers = [number for number, node in enumerate(graph.nodes) if node.operator in named]
    queries = [Query(tflite.write(single_node(graph, number))) for number in numbers]
    answers = run(queries, precision, adapter.environment, seconds) if queries else []
    reasons: dict[int, str] = {}
    for number, answer in zip(numbers, answers, strict=False):
        operator = graph.nodes[number].operator
        given = [reason for name, reason in answer.log.refused if name == operator]
        if given or not answer.whole:
            reasons[number] = (given or [""])[0] or NO_REASON
    if ("DEQUANTIZE", "") in log.refused:
        constants = set(folded_constants(graph))
        reasons |= {n: NOT_FOLDED for n, node in enumerate(graph.nodes) if not constants.isdisjoint(node.outputs)}
    groups = partitions(graph, [number not in reasons for number in range(len(graph.nodes))])
    largest = max(groups, key=len, default=())
    if len(largest) == log.taken:
        reasons |= {number: CUT for group in groups if group != largest for number in group}
    return tuple(_refused_op(graph, number, reasons[number]) for number in sorted(reasons))


def _refused_op(graph: Graph, number: int, reason: str) -> RefusedOp:
    node = graph.nodes[number]
    name = graph.tensors[node.outputs[0]].label if node.outputs else ""
    return RefusedOp(number, short_name(node.operator), name, reason)


def _with_result(report: GpuReport, crop: SampleCrop, answer: Answer) -> GpuReport:
    """The report with the result for the crop, compared with the CPU and with the float network."""
    if answer.output is None or answer.log.program_error:
        status, why = answer.failure or ("failed", answer.log.program_error or answer.error or answer.log.error)
        return replace(report, status=status, note=f"the crop: {why}"[:MAX_NOTE])
    pixels = np.clip(crop.io.output.load(crop.io.output.array(answer.output), np.float64), 0, 1) * 255
    height, width = crop.lr.shape[:2]
    return replace(
        report,
        cpu=difference(pixels, crop.result),
        fp32=None if crop.fp32 is None else difference(pixels, crop.fp32),
        crop_size=(width, height),
        pixels=pixels,
    )
