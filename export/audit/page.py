"""An audit as one self-contained page: what `ecbsr-audit --json` prints, drawn, with crops of a picture.

It looks as the bench's report does. Each figure on it carries, as `data-at`, its place in that document.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import images

from .. import tflite
from ..html_components import figure, flat, size_name, table
from ..npu.results import EMULATED, STATIC, STATUSES, CompileReport, Difference
from ..npu.socs import NOT_CHECKED, SOCS
from ..tflite.graph import printable
from .batch import Audits
from .delegate_audit import DelegateAudit
from .graph_svg import Backend, picture
from .model_audit import Audit

if TYPE_CHECKING:
    from numpy.typing import NDArray

AMPLIFIED = 16
"""Factor by which differences are shown."""

_WHAT = {"refused": "refuses", "fatal": "refuses", "unknown": "unknown"}


def html(audits: Audits) -> str:
    """The page about the files."""
    look = (("export", "page.css"), ("export.audit", "page.css"))
    style = "".join(files(package).joinpath(name).read_text(encoding="utf-8") for package, name in look)
    count = f"{len(audits.by_path)} model{'s' * (len(audits.by_path) != 1)}"
    body = "".join(_file(audits, index, path) for index, path in enumerate(audits.by_path))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>Audit of {count}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>Who takes which operator</h1>\n<p class='soft'>{count} · no phone was asked</p>\n"
        f"{_errors(audits)}{_overview(audits)}{body}{_method(audits)}</main>\n</body>\n</html>\n"
    )


def _errors(audits: Audits) -> str:
    lines = "".join(f"<li>{escape(error)}</li>" for error in audits.errors.values())
    return f"<section id='errors' class='card'><h3>Not audited</h3><ul>{lines}</ul></section>\n" if lines else ""


def _overview(audits: Audits) -> str:
    """One line per file, one column per delegate and SoC."""
    if not audits.by_path:
        return ""
    delegates = list(dict.fromkeys(one.name for found in audits.by_path.values() for one in found.delegates))
    socs = list(dict.fromkeys(soc for found in audits.by_path.values() for soc in found.npu or {}))
    rows = []
    for index, (path, found) in enumerate(audits.by_path.items()):
        by_name = {one.name: one for one in found.delegates}
        cells = [_taken(by_name[name], index) if name in by_name else "" for name in delegates]
        npu = found.npu or {}
        cells += [_verdict(npu[soc], index, soc) if soc in npu else "" for soc in socs]
        rows.append([escape(Path(path).name), *cells])
    content = table(["model", *delegates, *socs], rows, texts=1)
    return f"<h2>Side by side</h2><div class='card scroll'>{content}</div>\n"


def _taken(one: DelegateAudit, index: int) -> str:
    at = ("files", index, "audit", one.name)
    if not one.loads:
        return "<span class='status failed'>fails</span>"
    return f"{figure(one.taken, *at, 'taken')}/{figure(one.total, *at, 'total')}"


def _verdict(one: CompileReport, index: int, soc: str) -> str:
    at = ("files", index, "npu", "qualcomm", soc)
    taken = "" if one.taken is None else f"{figure(one.taken, *at, 'taken')}/{figure(one.total, *at, 'total')} "
    return f"{taken}<span class='status {one.status}'>{one.status}</span>"


def _file(audits: Audits, index: int, path: str) -> str:
    found = audits.by_path[path]
    graph = tflite.read(audits.models[path])
    counts = ", ".join(f"{count} {printable(operator)}" for operator, count in found.operators.items())
    legend = (
        "<span class='takes'>■</span> takes · <span class='refuses'>■</span> does not, or fails on it · □ not known"
    )
    return (
        f"<section class='file'><h2>{escape(Path(path).name)}</h2><p class='soft'>{escape(counts)}</p>"
        f"<div class='card'><h3>The graph</h3><p class='soft'>{legend}</p>"
        f"<div class='scroll'>{picture(graph, _takers(found))}</div></div>"
        f"<div class='card scroll'><h3>By delegate</h3>{_delegates(found, index)}</div>"
        f"{_npu(found, index)}{_reasons(found)}{_crops(audits, path)}{_recipe(found, index)}</section>\n"
    )


def _takers(found: Audit) -> list[Backend]:
    total = sum(found.operators.values())
    takers = []
    if found.measured is not None and found.measured.loads:
        nodes = dict.fromkeys(range(total), "refuses") | dict.fromkeys(found.measured.nodes, "takes")
        takers.append(Backend("XNNPACK, measured", nodes))
    for one in found.delegates:
        if takers and one.name == "xnnpack":
            continue
        nodes = dict.fromkeys(range(total), "takes" if one.loads else "refuses")
        takers.append(Backend(one.name, nodes | {left.node: _WHAT[left.verdict] for left in one.refused}))
    for soc, verdict in (found.npu or {}).items():
        known = verdict.taken is not None
        nodes = dict.fromkeys(range(total), "takes" if known else "unknown")
        takers.append(Backend(soc, nodes | {left.node: "refuses" for left in verdict.refused}))
    return takers


def _delegates(found: Audit, index: int) -> str:
    rows = []
    for one in found.delegates:
        at = ("files", index, "audit", one.name)
        rows.append(
            [escape(one.title), "by the table", _taken(one, index)]
            + [figure(getattr(one, name), *at, name) for name in ("partitions", "accepted", "unknown")]
        )
        if one.name == "xnnpack" and found.measured is not None:
            here = (*at, "measured")
            taken = (
                f"{figure(len(found.measured.nodes), *here, 'taken')}/{figure(found.measured.total, *here, 'total')}"
            )
            partitions = figure(found.measured.partitions, *here, "partitions")
            says = taken if found.measured.loads else "<span class='status failed'>fails</span>"
            rows.append([escape(one.title), "measured here", says, partitions, "", ""])
    return table(["delegate", "how known", "takes", "partitions", "accepts", "not verified"], rows, texts=2)


def _npu(found: Audit, index: int) -> str:
    if found.npu is None:
        return ""
    header = ["SoC", "sold as", "status", "arithmetic", "takes", "partitions", "read MB", "write MB", "spill MB"]
    header += ["compiled s", "dB to CPU", "largest", "dB to fp32", "largest"]
    rows = []
    for soc, one in found.npu.items():
        at = ("files", index, "npu", "qualcomm", soc)
        told = one.to_json()
        values = [
            figure(told[name], *at, name) for name in ("partitions", "read_mb", "write_mb", "spill_mb", "seconds")
        ]
        taken = "" if one.taken is None else f"{figure(one.taken, *at, 'taken')}/{figure(one.total, *at, 'total')}"
        status = f"<span class='status {one.status}'>{one.status}</span>"
        seen = one.emulated
        cells = [
            *_difference(seen.cpu if seen else None, *at, "emulated"),
            *_difference(seen.fp32 if seen else None, *at, "emulated", "fp32"),
        ]
        rows.append([soc, SOCS.get(soc, ""), status, one.arithmetic, taken, *values, *cells])
    sizes = ", ".join(size_name(size) for size in dict.fromkeys(one.size for one in found.npu.values() if one.size))
    said = (
        f"Compiled for {sizes or 'no size'}. MB: {STATIC}. dB and largest difference, of 255: {EMULATED}. "
        f"No time of any phone is among these. Not checked: {', '.join(NOT_CHECKED)}."
    )
    content = table(header, rows, texts=4)
    return f"<div class='card scroll'><h3>By Qualcomm's own compiler</h3>{content}<p class='soft'>{said}</p></div>"


def _difference(found: Difference | None, *at: str | int) -> list[str]:
    if found is None:
        return ["", ""]
    told = found.to_json()
    psnr = "equal" if told["psnr_db"] is None else figure(told["psnr_db"], *at, "psnr_db")
    return [psnr, figure(told["max_abs_diff"], *at, "max_abs_diff")]


def _reasons(found: Audit) -> str:
    """Why nodes are left, each reason once with who gives it and for which nodes."""
    given: dict[tuple[str, str, str], list[str]] = {}
    for one in found.delegates:
        for left in one.refused:
            key = (one.title, printable(left.operator), f"{left.reason} [{left.source}]")
            given.setdefault(key, []).append(str(left.node))
    alike: dict[tuple[str, str, str], list[str]] = {}
    for soc, verdict in (found.npu or {}).items():
        notes = [verdict.note, verdict.emulated.note if verdict.emulated else ""]
        for note in filter(None, notes):
            alike.setdefault(("", "", note), []).append(soc)
        for gone in verdict.refused:
            alike.setdefault((printable(gone.operator), str(gone.node), gone.reason), []).append(soc)
    rows = [[escape(who), escape(what), ", ".join(nodes), escape(why)] for (who, what, why), nodes in given.items()]
    rows += [
        [escape(", ".join(socs)), escape(operator), node, escape(why)] for (operator, node, why), socs in alike.items()
    ]
    for finding in found.invariants:
        why = f"{finding.reason} [{finding.source}]"
        rows.append(
            ["an invariant of integer models", escape(printable(finding.operator)), str(finding.node), escape(why)]
        )
    if not rows:
        return ""
    content = table(["who", "operator", "nodes", "why"], rows, texts=4, notes=1)
    return f"<details><summary>Why not: {len(rows)} reasons</summary><div class='card scroll'>{content}</div></details>"


def _crops(audits: Audits, path: str) -> str:
    shown = audits.sample_crops.get(path)
    if shown is None:
        return ""
    if isinstance(shown, str):
        return f"<div class='card'><h3>A picture's tile</h3><p>Nothing is shown: {escape(shown)}.</p></div>"
    found = audits.by_path[path]
    height, width, _ = shown.result.shape
    base, name = (shown.result, "this file's") if shown.fp32 is None else (shown.fp32, "fp32's")
    bicubic = images.resize_bicubic(shown.tile.astype(np.float64), (width, height))
    parts = [
        ("low resolution", shown.tile.repeat(shown.scale, 0).repeat(shown.scale, 1).astype(np.float64), False),
        ("bicubic", bicubic, True),
        *([] if shown.fp32 is None else [("fp32, on this machine", shown.fp32, False)]),
        ("this file, on this machine's CPU", shown.result, shown.fp32 is not None),
        *((f"emulated: {', '.join(socs)}", pixels, True) for socs, pixels in _emulated(found)),
    ]
    figures = "".join(_crop(caption, pixels, base if compared else None) for caption, pixels, compared in parts)
    tile = f"{shown.tile.shape[1]}x{shown.tile.shape[0]}"
    return (
        f"<div class='card'><h3>A picture's tile</h3><p class='soft'>{tile} pixels of a bundled picture, reduced. "
        f"Below each crop its difference from {name}, {AMPLIFIED} times as strong. Emulated: {EMULATED}.</p>"
        f"<div class='crops'>{figures}</div></div>"
    )


def _emulated(found: Audit) -> Iterable[tuple[list[str], NDArray[np.float64]]]:
    """Each different result of the emulation, with the SoCs that have it."""
    groups: list[tuple[list[str], NDArray[np.float64]]] = []
    for soc, verdict in (found.npu or {}).items():
        pixels = verdict.emulated.pixels if verdict.emulated else None
        if pixels is None:
            continue
        same = next((socs for socs, others in groups if np.array_equal(others, pixels)), None)
        if same is None:
            groups.append(([soc], pixels))
        else:
            same.append(soc)
    return groups


def _crop(caption: str, pixels: NDArray[np.float64], base: NDArray[np.float64] | None) -> str:
    shown = _image(pixels, caption)
    if base is not None:
        shown += _image(np.abs(pixels - base) * AMPLIFIED, f"difference: {caption}")
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


def _image(pixels: NDArray[np.float64], label: str) -> str:
    from PIL import Image

    stored = images.round_to(pixels, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(stored[:, :, 0] if stored.shape[2] == 1 else stored).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f"width='{stored.shape[1]}' height='{stored.shape[0]}'"
    return f"<img alt='{escape(label)}' {size} src='data:image/png;base64,{data}'>"


def _recipe(found: Audit, index: int) -> str:
    if not found.recipe:
        return "<div class='card'><h3>Recipe</h3><p>None: the file does not say how it was made.</p></div>"
    known = _flat(found.recipe, ("files", index, "recipe"))
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in known)
    return f"<details><summary>Recipe</summary><div class='card'><dl>{lines}</dl></div></details>"


def _flat(recipe: dict[str, Any], at: Sequence[str | int]) -> Iterable[tuple[str, str]]:
    for keys, value in flat(recipe):
        yield " ".join(keys), figure(value, *at, *keys)


def _method(audits: Audits) -> str:
    meanings = "".join(
        f"<dt><span class='status {name}'>{name}</span></dt><dd>{escape(text)}</dd>" for name, text in STATUSES.items()
    )
    asked = any(found.npu is not None for found in audits.by_path.values())
    return (
        "<h2>How to read this</h2><div class='card'><p>Delegates are judged by a table with its sources "
        "(<code>export/audit/delegates/</code>), XNNPACK also by the runtime of this machine.</p>"
        + (f"<p>An NPU's own compiler was asked on this machine:</p><dl>{meanings}</dl>" if asked else "")
        + "</div>\n"
    )
