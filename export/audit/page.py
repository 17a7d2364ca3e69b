"""An audit as one self-contained HTML page: the document of `ecbsr-audit --json`, the graphs, and sample crops.

Each figure on the page carries its JSON pointer into that document as `data-at`.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import images, tflite
from ecbsr_mobile.tflite.graph import short_name

from ..gpu import results as gpu_results
from ..html.rendering import render
from ..npu.results import EMULATED, STATIC, STATUSES, CompileReports, by_vendor
from ..npu.socs import QUALCOMM_SOCS, VENDORS
from ..validation.sample_crop import SampleCrop
from .batch import Audits
from .graph_svg import Backend, Drawing, draw
from .model_audit import Audit
from .targets import TITLES
from .verdicts import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..gpu.results import GpuReport
    from ..npu.results import CompileReport

AMPLIFICATION = 16
"""Factor by which differences are shown."""

_SUPPORT = {"refused": "rejected", "fatal": "rejected", "unknown": "unknown"}


@dataclass(frozen=True)
class Image:
    """A PNG as a data URI, with its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Crop:
    """One version of the sample crop and its amplified difference from the reference."""

    caption: str
    image: Image
    difference: Image | None


@dataclass(frozen=True)
class Crops:
    """All versions of the sample crop. `size` is the width and height of the LR crop."""

    size: tuple[int, int]
    reference: str
    crops: list[Crop]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Reason:
    """Why backends do not support nodes."""

    backends: str
    operator: str
    nodes: str
    text: str


@dataclass(frozen=True)
class File:
    """What the page shows of a file besides its figures. `crops` is a sentence where there are none."""

    name: str
    lights: Mapping[str, Verdict]
    operators: str
    node_count: int
    drawing: Drawing | None
    reasons: list[Reason]
    crops: Crops | str | None


def html(audits: Audits) -> str:
    """The page about all audited files."""
    document = audits.to_json()
    asked = {vendor for audit in audits.by_path.values() for vendor in by_vendor(audit.npu or {})}
    return render(
        __package__,
        "page.html.j2",
        document,
        errors=list(audits.errors.values()),
        files=[_file(path, audit, audits) for path, audit in audits.by_path.items()],
        answer=_answer(audits),
        titles=audits.titles,
        sections=_sections(audits),
        vendors={name: vendor.title for name, vendor in VENDORS.items() if name in asked},
        soc_names=QUALCOMM_SOCS,
        statuses=STATUSES,
        gpu_statuses=gpu_results.STATUSES if any(audit.gpu for audit in audits.by_path.values()) else {},
        software_gpu=gpu_results.SOFTWARE,
        static=STATIC,
        emulated=EMULATED,
        not_checked=[vendor for vendor in VENDORS if vendor not in asked],
        amplification=AMPLIFICATION,
    )


def _answer(audits: Audits) -> str:
    """In one sentence, what takes the files whole, and what does not."""
    of_files = [audit.verdicts for audit in audits.by_path.values()]
    if not of_files:
        return "No model was audited"
    if len(of_files) == 1:
        (name,) = (Path(path).name for path in audits.by_path)
        whole = [verdict.title for verdict in of_files[0] if verdict.light == "good"]
        others = [f"{verdict.title} ({verdict.word})" for verdict in of_files[0] if verdict.light in ("partial", "bad")]
        taken = f"taken whole by {', '.join(whole)}" if whole else "taken whole by none"
        return f"{name}: {taken}" + (f"; not by {', '.join(others)}" if others else "")
    counts = Counter(verdict.title for verdicts in of_files for verdict in verdicts if verdict.light == "good")
    return f"Of {len(of_files)} models, these are taken whole: " + ", ".join(
        f"{title} {counts[title]}" for title in audits.titles
    )


def _sections(audits: Audits) -> list[tuple[str, str]]:
    """The ids and names of the sections that links at the top lead to; the table of several files links to each."""
    of_one = [("graph1", "Graph"), ("delegates1", "All delegates")] if len(audits.by_path) == 1 else []
    return [*of_one, ("reading", "How to read")]


def _file(path: str, audit: Audit, audits: Audits) -> File:
    graph = tflite.read(audits.models[path])
    crop = audits.sample_crops.get(path)
    return File(
        name=Path(path).name,
        lights={verdict.title: verdict for verdict in audit.verdicts},
        operators=", ".join(f"{count} {short_name(operator)}" for operator, count in audit.operators.items()),
        node_count=len(graph.nodes),
        drawing=draw(graph, _backends(audit, len(graph.nodes))),
        reasons=[
            *_delegate_reasons(audit),
            *_compiler_reasons(audit.npu or {}),
            *_gpu_reasons(audit),
            *_invariant_reasons(audit),
        ],
        crops=_crops(crop, audit) if isinstance(crop, SampleCrop) else crop,
    )


def _backends(audit: Audit, node_count: int) -> list[Backend]:
    """Support by node: of XNNPACK as measured if possible, of other delegates by the table, of NPUs as compiled."""

    def backend(name: str, default: str, others: Mapping[int, str]) -> Backend:
        return Backend(name, {**dict.fromkeys(range(node_count), default), **others})

    backends = []
    measured = audit.measured if audit.measured is not None and audit.measured.loads else None
    if measured is not None:
        backends.append(backend("CPU, measured here", "rejected", dict.fromkeys(measured.nodes, "supported")))
    for delegate in audit.delegates:
        if delegate.name not in TITLES or (measured is not None and delegate.name == "xnnpack"):
            continue
        refused = {refusal.node: _SUPPORT[refusal.verdict] for refusal in delegate.refused}
        backends.append(backend(TITLES[delegate.name], "supported" if delegate.loads else "rejected", refused))
    asked: dict[str, CompileReport | GpuReport] = dict(audit.npu or {})
    if audit.gpu is not None and audit.gpu.status not in ("no_adapter", "no_fp16"):
        asked["ML Drift, asked here"] = audit.gpu
    for name, report in asked.items():
        refused = dict.fromkeys((op.node for op in report.refused), "rejected")
        backends.append(backend(name, "unknown" if report.taken is None else "supported", refused))
    return backends


def _delegate_reasons(audit: Audit) -> list[Reason]:
    """Each reason once per delegate and operator, with its nodes."""
    nodes: dict[tuple[str, str, str], list[str]] = {}
    for delegate in audit.delegates:
        for refusal in delegate.refused:
            key = (delegate.title, short_name(refusal.operator), f"{refusal.reason} [{refusal.source}]")
            nodes.setdefault(key, []).append(str(refusal.node))
    return [Reason(title, operator, ", ".join(numbers), text) for (title, operator, text), numbers in nodes.items()]


def _compiler_reasons(reports: CompileReports) -> list[Reason]:
    """Each reason once per node, with its SoCs."""
    socs: dict[tuple[str, str, str], list[str]] = {}
    for soc, report in reports.items():
        notes = [report.note, report.emulated.note if report.emulated else ""]
        keys = [("", "", note) for note in notes if note]
        keys += [(short_name(op.operator), str(op.node), op.reason) for op in report.refused]
        for key in keys:
            socs.setdefault(key, []).append(soc)
    return [Reason(", ".join(names), operator, node, text) for (operator, node, text), names in socs.items()]


def _gpu_reasons(audit: Audit) -> list[Reason]:
    refused = audit.gpu.refused if audit.gpu else ()
    return [Reason("ML Drift, asked here", short_name(op.operator), str(op.node), op.reason) for op in refused]


def _invariant_reasons(audit: Audit) -> list[Reason]:
    return [
        Reason("integer invariant", short_name(broken.operator), str(broken.node), f"{broken.reason} [{broken.source}]")
        for broken in audit.invariants
    ]


def _crops(sample: SampleCrop, audit: Audit) -> Crops:
    low = sample.lr.repeat(sample.scale, 0).repeat(sample.scale, 1).astype(np.float64)
    height, width, _ = sample.result.shape
    bicubic = images.resize_bicubic(sample.lr.astype(np.float64), (width, height))
    this_file = "this file, on this machine's CPU"
    computed = [(f"emulated: {', '.join(socs)}", pixels) for socs, pixels in _emulated(audit.npu or {})]
    if audit.gpu is not None and audit.gpu.pixels is not None:
        computed.append((f"GPU: {audit.gpu.adapter}, {audit.gpu.precision}", audit.gpu.pixels))
    if sample.fp32 is None:
        reference, base = "this file's result", sample.result
        compared = [("bicubic", bicubic), *computed]
        crops = [_crop(this_file, sample.result)]
    else:
        reference, base = "the fp32 model's result", sample.fp32
        compared = [("bicubic", bicubic), (this_file, sample.result), *computed]
        crops = [_crop("fp32, on this machine", sample.fp32)]
    crops = [_crop("low resolution", low), *crops, *(_crop(caption, pixels, base) for caption, pixels in compared)]
    return Crops((sample.lr.shape[1], sample.lr.shape[0]), reference, crops, sample.notes)


def _emulated(reports: CompileReports) -> list[tuple[list[str], NDArray[np.float64]]]:
    """Each distinct result of the emulation, with its SoCs."""
    groups: list[tuple[list[str], NDArray[np.float64]]] = []
    for soc, report in reports.items():
        pixels = report.emulated.pixels if report.emulated else None
        if pixels is None:
            continue
        same = next((socs for socs, others in groups if np.array_equal(others, pixels)), None)
        if same is None:
            groups.append(([soc], pixels))
        else:
            same.append(soc)
    return groups


def _crop(caption: str, pixels: NDArray[np.float64], base: NDArray[np.float64] | None = None) -> Crop:
    difference = None if base is None else _png(np.abs(pixels - base) * AMPLIFICATION)
    return Crop(caption, _png(pixels), difference)


def _png(pixels: NDArray[np.float64]) -> Image:
    """Pixels [H, W, 1 or 3] in 0..255, rounded and clipped."""
    from PIL import Image as PillowImage

    values = images.round_to(pixels, np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Image(f"data:image/png;base64,{data}", values.shape[1], values.shape[0])
