"""The report's plots: latencies with intervals, temperatures over time, operators' shares.

Latencies stand on a logarithmic axis, so that the ratio of two dots is their distance at every size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from export.html_components import figure, size_name

from ..results.types import Results, Row, State

SERIES = {"cpu": 0, "gpu": 1, "nnapi": 2, "external": 3}
CURVES = {"battery_celsius": "battery", "skin_celsius": "skin"}  # a state's part → its name in the key
RATES = {60: 1000 / 60, 30: 1000 / 30}  # frames per second → milliseconds


def latencies(found: Results, device: str) -> str:
    """Every timed row of a device as a dot with its interval, by size."""
    rows = [(index, row) for index, row in enumerate(found.results) if row.device == device and row.median_ms]
    if not rows:
        return ""
    low, high = _range([row for _, row in rows])
    lines = ""
    for size in dict.fromkeys(row.size for _, row in rows):
        lines += f"<div class='group'>{size_name(size)}</div>"
        lines += "".join(_line(row, index, low, high) for index, row in rows if row.size == size)
    title = found.devices[device].model or device
    return (
        f"<h2>Latency on {escape(title)}</h2><div class='card'><p class='soft'>Median of the runs, its 95 % interval "
        "as a bar, milliseconds on a logarithmic axis. The two stronger lines are 60 and 30 frames per second.</p>"
        f"<div class='plot latency'>{lines}<div class='axis-name'></div>{_axis(low, high)}<div></div></div></div>\n"
    )


def _range(rows: Sequence[Row]) -> tuple[float, float]:
    """The ends of the axis: the next steps of 1, 2, 5 outside all intervals, but not far from the medians.

    The interval of two or three runs may be so wide that nothing else could be seen.
    """
    medians = [row.median_ms for row in rows if row.median_ms]
    limits = [limit for row in rows for limit in row.ci95_ms or ()]
    low = max(min(medians) / 4, min([*limits, *medians]))
    high = min(max(medians) * 4, max([*limits, *medians]))
    ticks = _ticks(low / 10, high * 10)
    return max(tick for tick in ticks if tick <= low), min(tick for tick in ticks if tick >= high)


def _ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5))
    return [step for step in steps if low <= step <= high]


def _place(value: float, low: float, high: float) -> float:
    """Percent of the axis's length, from 0 to 100."""
    part = math.log(value / low) / math.log(high / low) if high > low else 0.5
    return 100 * min(max(part, 0), 1)


def _line(row: Row, index: int, low: float, high: float) -> str:
    assert row.median_ms is not None
    median = figure(row.median_ms, "results", index, "median_ms")
    kind = SERIES.get(row.delegate.split(":")[0], 0)
    threads = f" · {row.threads} thread{'s' * (row.threads > 1)}" if row.delegate == "cpu" else ""
    mark = "" if row.status == "ok" else f" <span class='status {row.status}'>{row.status}</span>"
    marks = "".join(f"<i style='left:{_place(tick, low, high):.2f}%'></i>" for tick in _ticks(low, high))
    for milliseconds in RATES.values():
        if low < milliseconds < high:
            marks += f"<i class='rate' style='left:{_place(milliseconds, low, high):.2f}%'></i>"
    if row.ci95_ms:
        left, right = (_place(limit, low, high) for limit in row.ci95_ms)
        marks += f"<span class='range' style='left:{left:.2f}%;width:{right - left:.2f}%'></span>"
    marks += f"<span class='dot' style='left:{_place(row.median_ms, low, high):.2f}%'></span>"
    return (
        f"<div class='name'>{escape(row.model)} · {escape(row.delegate)}{threads}{mark}</div>"
        f"<div class='track s{kind}'>{marks}</div><div class='value'>{median} ms</div>"
    )


def _axis(low: float, high: float) -> str:
    ticks = _ticks(low, high)
    step = max(1, math.ceil(len(ticks) / 7))  # labels that do not touch on a phone
    labels = "".join(f"<span style='left:{_place(tick, low, high):.2f}%'>{tick:g}</span>" for tick in ticks[::step])
    return f"<div class='axis'>{labels}</div>"


def temperatures(found: Results) -> str:
    """Battery and skin temperature of each phone over the session."""
    cards = ""
    for name, states in found.states.items():
        lines = {part: [i for i, state in enumerate(states) if getattr(state, part) is not None] for part in CURVES}
        known = {part: places for part, places in lines.items() if len(places) > 1}
        if known:
            title = found.devices[name].model if name in found.devices else name
            cards += f"<div class='card time'><h3>{escape(title or name)}</h3>{_curves(name, states, known)}</div>"
    return f"<h2>Temperature over time</h2><div class='cards'>{cards}</div>\n" if cards else ""


def _curves(name: str, states: Sequence[State], lines: dict[str, list[int]]) -> str:
    def at(place: int, part: str) -> float:
        return float(getattr(states[place], part))

    def shown(place: int, part: str) -> str:
        return figure(getattr(states[place], part), "states", name, place, part)

    times = [states[place].seconds for places in lines.values() for place in places]
    values = [at(place, part) for part, places in lines.items() for place in places]
    start, minutes = min(times), (max(times) - min(times)) / 60
    bottom, top = math.floor(min(values)) - 1, math.ceil(max(values)) + 1
    shapes = key = ""
    for part, places in lines.items():
        kind = list(CURVES).index(part)
        points = (
            f"{1000 * (states[i].seconds - start) / (60 * minutes or 1):.1f},"
            f"{100 * (top - at(i, part)) / (top - bottom):.1f}"
            for i in places
        )
        shapes += f"<polyline class='s{kind}' points='{' '.join(points)}'/>"
        low, high = (pick(places, key=lambda i, part=part: at(i, part)) for pick in (min, max))  # type: ignore[misc]
        key += f"<span><b class='s{kind}'>{CURVES[part]}</b> {shown(low, part)} to {shown(high, part)} °C</span>"
    statuses = [i for i, state in enumerate(states) if state.thermal_status is not None]
    worst = max(statuses, key=lambda i: at(i, "thermal_status"), default=None)
    said = "no thermal status" if worst is None else f"thermal status at most {shown(worst, 'thermal_status')}"
    return (
        f"<div class='key'>{key}<span>{said}</span></div>"
        f"<div class='ends'><span>{top} °C</span></div>"
        f"<svg viewBox='0 0 1000 100' preserveAspectRatio='none' role='img' aria-label='temperature'>{shapes}</svg>"
        f"<div class='ends'><span>{bottom} °C</span><span>{minutes:.1f} minutes</span></div>"
    )


def profiles(found: Results) -> str:
    """Each operator's share of the time, where a profile was taken."""
    cards = ""
    for index, row in enumerate(found.results):
        if not row.profile:
            continue
        lines = ""
        for place, one in enumerate(row.profile):
            at = ("results", index, "profile", place)
            lines += (
                f"<div class='name'>{figure(one.count, *at, 'count')} × {escape(one.operator)}</div><div class='track "
                f"s0'><span class='share' style='width:{100 * min(one.share, 1):.1f}%'></span></div>"
                f"<div class='value'>{figure(one.ms, *at, 'ms')} ms</div>"
            )
        title = f"{row.model} at {size_name(row.size)} on {row.device} by {row.delegate}"
        cards += f"<div class='card'><h3>{escape(title)}</h3><div class='plot'>{lines}</div></div>"
    if not cards:
        return ""
    return f"<details><summary>Where the time goes</summary><div class='cards'>{cards}</div></details>\n"
