"""The report: one self-contained page about a session, without scripts and without anything from elsewhere.

It is a view of `Results` alone: each figure on it carries, as `data-at`, its place in `results.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from export.html_components import figure, flat, size_name, table

from ..results.baseline import Comparison
from ..results.types import STATUSES, TIMED, DeviceInfo, Results, Row
from . import plots

Place = tuple[str, int]
"""The first steps of a row's place in `results.json`."""


def html(found: Results, compared: Sequence[Comparison] = ()) -> str:
    """The page about a session; `compared` adds a section about an earlier one."""
    style = files("export").joinpath("page.css").read_text(encoding="utf-8")
    sections = [
        _problems(found),
        _baseline(compared),
        _side_by_side(found),
        *(plots.latencies(found, device) for device in found.devices),
        _devices(found),
        _rows(found),
        plots.temperatures(found),
        plots.profiles(found),
        _models(found),
        _method(found),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>Super-resolution, milliseconds per frame</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{_head(found)}{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def _head(found: Results) -> str:
    devices = ", ".join(escape(device.model or name) for name, device in found.devices.items())
    rounds = figure(found.settings.get("rounds"), "settings", "rounds")
    runs = figure(found.settings.get("iterations"), "settings", "iterations")
    return (
        f"<h1>Milliseconds per frame</h1>\n<p class='soft'>{devices or 'no device'} · started "
        f"{escape(found.started)} · {rounds} processes per row, in shuffled order, of {runs} timed frames each</p>\n"
    )


def _problems(found: Results) -> str:
    """What a reader must know before any figure: refusals, fallbacks, and rows without a figure."""
    lines = [f"<b>{escape(name)}</b>: {escape(text)}" for name, text in found.failures.items()]
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for row in found.results:
        if row.status != "ok":
            key = (row.status, row.device, row.delegate, row.note or STATUSES[row.status])
            alike.setdefault(key, []).append(f"{row.model} at {size_name(row.size)}")
    for (status, device, delegate, reason), rows in alike.items():
        where = escape(f"{device}, {delegate}: {reason} – {'; '.join(dict.fromkeys(rows))}")
        lines.append(f"<span class='status {status}'>{status}</span> on {where}")
    body = f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>" if lines else "<p>Nothing: every row is ok.</p>"
    return f"<section id='problems' class='card'><h3>Refused, fell back or failed</h3>{body}</section>\n"


def _baseline(compared: Sequence[Comparison]) -> str:
    if not compared:
        return ""
    rows = [
        [
            escape(one.label),
            figure(one.before_ms, "baseline", index, "before_ms"),
            figure(one.now_ms, "baseline", index, "now_ms"),
            _ratio(one, index),
            "<span class='status failed'>slower</span>" if one.failed else "",
        ]
        for index, one in enumerate(compared)
    ]
    header = ["row", "then, ms", "now, ms", "now / then (95 %)", ""]
    return f"<h2>Against the baseline</h2><div class='card scroll'>{table(header, rows, texts=1)}</div>\n"


def _ratio(one: Comparison, index: int) -> str:
    if one.ratio is None:
        return escape(one.note)
    at = ("baseline", index)
    limits = [figure(limit, *at, "ci95", place) for place, limit in enumerate(one.ci95 or ())]
    return figure(one.ratio, *at, "ratio") + (f" ({' – '.join(limits)})" if limits else "")


def _side_by_side(found: Results) -> str:
    """One line per model, size and thread count; one column per device and delegate."""
    columns = list(dict.fromkeys((row.device, row.delegate) for row in found.results))
    lines: dict[tuple[str, tuple[int, int]], dict[tuple[str, str], list[str]]] = {}
    for index, row in enumerate(found.results):
        cells = lines.setdefault((row.model, row.size), {})
        cells.setdefault((row.device, row.delegate), []).append(_cell(row, index))
    header = ["model", "size", *(f"{_title(found, device)} · {delegate}" for device, delegate in columns)]
    body = [
        [escape(model), size_name(size), *("".join(cells.get(column, [])) for column in columns)]
        for (model, size), cells in lines.items()
    ]
    return f"<h2>Side by side</h2><div class='card scroll'>{table(header, body, texts=2)}</div>\n"


def _title(found: Results, device: str) -> str:
    """The device's model, or its address where another device is of the same model; "host" for this machine."""
    models = [one.model for one in found.devices.values()]
    known = found.devices.get(device)
    return known.model if known and known.kind == "phone" and known.model and models.count(known.model) == 1 else device


def _cell(row: Row, index: int) -> str:
    at = ("results", index)
    status = "" if row.status == "ok" else f"<span class='status {row.status}'>{row.status}</span>"
    median = f"{figure(row.median_ms, *at, 'median_ms')} ms " if row.median_ms is not None else ""
    small = [_interval(row, at)] if median else []
    if row.delegate == "cpu":
        small.append(f"{figure(row.threads, *at, 'threads')} thread{'s' * (row.threads > 1)}")
    if row.nodes_delegated is not None:
        taken, total = (
            figure(row.nodes_delegated, *at, "nodes_delegated"),
            figure(row.nodes_total, *at, "nodes_total"),
        )
        small.append(f"{taken} of {total} nodes")
    return f"<div class='cell'>{median}{status}{''.join(f'<small>{one}</small>' for one in small)}</div>"


def _interval(row: Row, at: Place) -> str:
    if row.ci95_ms is None:
        return "one run: no interval"
    return f"{figure(row.ci95_ms[0], *at, 'ci95_ms', 0)} – {figure(row.ci95_ms[1], *at, 'ci95_ms', 1)}"


def _devices(found: Results) -> str:
    cards = "".join(_device(name, device) for name, device in found.devices.items())
    return f"<h2>Devices</h2><div class='cards'>{cards}</div>\n" if cards else ""


def _device(name: str, device: DeviceInfo) -> str:
    facts: list[tuple[str, str]] = [
        ("address", escape(name)),
        ("chip", escape(device.soc)),
        ("system", escape(device.system)),
        ("build", f"<code>{escape(device.fingerprint)}</code>" if device.fingerprint else ""),
        ("ABIs", escape(", ".join(device.abis))),
        ("cores", _cores(name, device)),
    ]
    if device.tool:
        facts.append(("tool", escape(f"{device.tool.kind} {device.tool.version}")))
        facts.append(("its SHA-256", f"<code>{escape(device.tool.sha256)}</code>" if device.tool.sha256 else ""))
    facts += [("note", escape(note)) for note in device.notes]
    return f"<div class='card device'><h3>{escape(device.model or name)}</h3>{_list(facts)}</div>"


def _cores(name: str, device: DeviceInfo) -> str:
    alike: dict[int | None, list[int]] = {}
    for place, core in enumerate(device.cores):
        alike.setdefault(core.max_mhz, []).append(place)
    known = {mhz: figure(mhz, "devices", name, "cores", places[0], "max_mhz") for mhz, places in alike.items()}
    return ", ".join(f"{len(places)}" + (f" × {known[mhz]} MHz" if mhz else "") for mhz, places in alike.items())


def _list(facts: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{value}</dd>' for name, value in facts if value)}</dl>"


def _rows(found: Results) -> str:
    header = ["model", "precision", "size", "device", "delegate", "status", "threads", "median ms", "95 % interval"]
    header += ["p95 ms", "fps", "runs", "nodes taken", "partitions", "start ms", "memory MB", "output", "note"]
    body = [_row(row, index) for index, row in enumerate(found.results)]
    content = table(header, body, texts=6, notes=1)
    return f"<details><summary>Every row</summary><div class='card scroll'>{content}</div></details>\n"


def _row(row: Row, index: int) -> list[str]:
    at = ("results", index)

    def value(name: str) -> str:
        return figure(getattr(row, name), *at, name)

    nodes = f"{value('nodes_delegated') or '?'} of {value('nodes_total') or '?'}" if row.nodes_total else ""
    return [
        escape(row.model),
        escape(row.precision),
        size_name(row.size),
        escape(row.device),
        escape(row.delegate),
        f"<span class='status {row.status}'>{row.status}</span>",
        value("threads"),
        value("median_ms"),
        _interval(row, at) if row.median_ms is not None else "",
        *(value(name) for name in ("p95_ms", "fps", "runs")),
        nodes,
        *(value(name) for name in ("partitions", "init_ms", "peak_memory_mb")),
        _check(row, at),
        escape(row.note),
    ]


def _check(row: Row, at: Place) -> str:
    if row.check is None:
        return ""
    if row.check.largest is None:
        return escape("not compared" if row.check.note else "")
    if row.check.psnr_db is None:
        return "identical"
    largest = figure(row.check.largest, *at, "check", "largest")
    return f"{figure(row.check.psnr_db, *at, 'check', 'psnr_db')} dB, differs by at most {largest}"


def _models(found: Results) -> str:
    cards = "".join(_model(name, facts) for name, facts in found.models.items())
    return f"<h2>Models</h2><div class='cards'>{cards}</div>\n" if cards else ""


def _model(name: str, facts: dict[str, Any]) -> str:
    operators = ", ".join(f"{count} {operator}" for operator, count in (facts.get("operators") or {}).items())
    known = [
        ("precision", escape(str(facts.get("precision", "")))),
        ("operators", escape(operators)),
        ("SHA-256", f"<code>{escape(str(facts.get('sha256', '')))}</code>"),
    ]
    recipe = facts.get("recipe") or {}
    parts = [(keys, figure(value, "models", name, "recipe", *keys)) for keys, value in flat(recipe)]
    loss = [(" ".join(keys), value) for keys, value in parts if keys[0] == "loss"]
    rest = [(" ".join(keys), value) for keys, value in parts if keys[0] != "loss"]
    if not recipe:
        loss = [("recipe", "the file carries none")]
    more = f"<details><summary>recipe</summary>{_list(rest)}</details>" if rest else ""
    return f"<div class='card model'><h3>{escape(name)}</h3>{_list(loss + known)}{more}</div>"


def _method(found: Results) -> str:
    meanings = "".join(
        f"<dt><span class='status {name}'>{name}</span></dt><dd>{escape(text)}</dd>" for name, text in STATUSES.items()
    )
    figures = f"Only {', '.join(TIMED)} carry a figure."
    return (
        f"<h2>How to read this</h2><div class='card'><p>{escape(found.method)}</p><p>{figures} Sizes are those of the "
        f"low-resolution input.</p><dl>{meanings}</dl></div>\n"
    )
