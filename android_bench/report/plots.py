"""Positions of the marks in the report's plots: latencies with intervals, and temperatures over time.

Latencies use a logarithmic axis: equal ratios are equal distances, for every input size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from export.resolutions import Size

from ..results.answers import FRAME_RATES
from ..results.types import Results, Row, State

SERIES = {"cpu": 0, "wasm": 0, "gpu": 1, "webgpu": 1, "nnapi": 2, "npu": 3, "qnn": 3, "external": 3}
"""A delegate's series: the number of its color."""

CURVES = {"battery_celsius": "battery", "skin_celsius": "skin"}
"""A field of `State` → its name in the plot's key."""

MAX_LABELS = 7
"""Labels of an axis that do not touch on a narrow screen."""

VIEW_BOX = (1000, 100)
"""Width and height of the SVG coordinates of a temperature curve."""


@dataclass(frozen=True)
class LatencyMark:
    """One row in a latency plot. `dot` and both ends of `interval` are percent of the axis, 0 to 100."""

    index: int
    row: Row
    series: int
    dot: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class LatencyPlot:
    """All timed rows of a device by size. Positions are percent of the axis, 0 to 100.

    `frame_rates` are frames per second and `labels` milliseconds, both with their positions.
    """

    title: str
    groups: dict[Size, list[LatencyMark]]
    ticks: list[float]
    frame_rates: list[tuple[int, float]]
    labels: list[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """One temperature of a device over time.

    `field` is its name in `State`, `points` the points of an SVG polyline, `lowest` and `highest` are
    indices of states.
    """

    field: str
    label: str
    series: int
    points: str
    lowest: int
    highest: int


@dataclass(frozen=True)
class TemperaturePlot:
    """Temperatures of a device between `bottom` and `top` °C.

    `view_box` is the width and height of the curves' coordinates. `hottest` is the index of a state with the worst
    thermal status, None if the device reports none.
    """

    name: str
    title: str
    curves: list[Curve]
    bottom: int
    top: int
    minutes: float
    view_box: tuple[int, int]
    hottest: int | None


def latencies(results: Results) -> list[LatencyPlot]:
    """A plot for each device with timed rows."""
    plots = []
    for name in results.devices:
        rows = {i: row for i, row in enumerate(results.results) if row.device == name and row.median_ms}
        if rows:
            plots.append(_latencies(_title(results, name), rows))
    return plots


def _title(results: Results, name: str) -> str:
    """The model of a device, with its name where another device is of the same model."""
    models = [device.model for device in results.devices.values()]
    model = results.devices[name].model if name in results.devices else ""
    return f"{model}, {name}" if model and models.count(model) > 1 else model or name


def _latencies(title: str, rows: dict[int, Row]) -> LatencyPlot:
    low, high = _range(list(rows.values()))
    groups: dict[Size, list[LatencyMark]] = {}
    for index, row in rows.items():
        assert row.median_ms is not None
        interval = (_position(row.ci95_ms[0], low, high), _position(row.ci95_ms[1], low, high)) if row.ci95_ms else None
        series = SERIES.get(row.delegate.split(":")[0], 0)
        mark = LatencyMark(index, row, series, _position(row.median_ms, low, high), interval)
        groups.setdefault(row.size, []).append(mark)
    ticks = _ticks(low, high)
    step = math.ceil(len(ticks) / MAX_LABELS)
    return LatencyPlot(
        title,
        groups,
        ticks=[_position(tick, low, high) for tick in ticks],
        frame_rates=[(rate, _position(1000 / rate, low, high)) for rate in FRAME_RATES],
        labels=[(tick, _position(tick, low, high)) for tick in ticks[::step]],
    )


def _range(rows: Sequence[Row]) -> tuple[float, float]:
    """Minimum and maximum of the axis: the next 1, 2 or 5 times a power of ten outside all intervals and frame rates.

    The axis ends at a quarter of the smallest and four times the largest median: an interval of two or three runs can
    be so wide that nothing else would be visible.
    """
    medians = [row.median_ms for row in rows if row.median_ms]
    limits = [limit for row in rows for limit in row.ci95_ms or ()]
    frames = [1000 / rate for rate in FRAME_RATES]
    low = min(max(min(medians) / 4, min([*limits, *medians])), *frames)
    high = max(min(max(medians) * 4, max([*limits, *medians])), *frames)
    ticks = _ticks(low / 10, high * 10)
    return max(tick for tick in ticks if tick <= low), min(tick for tick in ticks if tick >= high)


def _ticks(low: float, high: float) -> list[float]:
    """All of 1, 2 and 5 times a power of ten in a range."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = (digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5))
    return [tick for tick in ticks if low <= tick <= high]


def _position(value: float, low: float, high: float) -> float:
    """Percent of the logarithmic axis from `low` to `high`, clamped to 0..100."""
    share = math.log(value / low) / math.log(high / low) if high > low else 0.5
    return 100 * min(max(share, 0), 1)


def temperatures(results: Results) -> list[TemperaturePlot]:
    """A plot for each device that reports a temperature at least twice."""
    plots = []
    for name, states in results.states.items():
        known = {part: [i for i, s in enumerate(states) if getattr(s, part) is not None] for part in CURVES}
        known = {part: indices for part, indices in known.items() if len(indices) > 1}
        if known:
            plots.append(_temperatures(name, _title(results, name), states, known))
    return plots


def _temperatures(name: str, title: str, states: Sequence[State], known: dict[str, list[int]]) -> TemperaturePlot:
    values = {part: {i: float(getattr(states[i], part)) for i in indices} for part, indices in known.items()}
    celsius = [value for by_index in values.values() for value in by_index.values()]
    bottom, top = math.floor(min(celsius)) - 1, math.ceil(max(celsius)) + 1
    seconds = [states[i].seconds for indices in known.values() for i in indices]
    start, duration = min(seconds), max(seconds) - min(seconds)
    width, height = VIEW_BOX
    curves = []
    for part, by_index in values.items():
        points = " ".join(
            f"{width * (states[i].seconds - start) / (duration or 1):.1f},{height * (top - y) / (top - bottom):.1f}"
            for i, y in by_index.items()
        )
        lowest, highest = min(by_index, key=by_index.__getitem__), max(by_index, key=by_index.__getitem__)
        curves.append(Curve(part, CURVES[part], list(CURVES).index(part), points, lowest, highest))
    thermal = {i: state.thermal_status for i, state in enumerate(states) if state.thermal_status is not None}
    hottest = max(thermal, key=thermal.__getitem__, default=None)
    return TemperaturePlot(name, title, curves, bottom, top, duration / 60, VIEW_BOX, hottest)
