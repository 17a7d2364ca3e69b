"""Positions in the report's plots."""

from __future__ import annotations

import math

import pytest

from android_bench.config import Case
from android_bench.report import plots
from android_bench.results import aggregate
from android_bench.results.types import DeviceInfo, Results, Row, Run, State

PHONE = DeviceInfo("R58M", "phone", "A phone")


def row(*times: float, delegate: str = "cpu", device: str = "R58M", size: tuple[int, int] = (480, 270)) -> Row:
    case = Case("model", "int8", device, delegate, 1, size)
    return aggregate.row(case, [Run(case, k, "ok", "", ms, ms) for k, ms in enumerate(times)], len(times), None, ())


def latency(*rows: Row) -> plots.LatencyPlot:
    (plot,) = plots.latencies(Results(rows, {"R58M": PHONE}))
    return plot


def test_equal_ratios_are_equal_distances() -> None:
    plot = latency(*(row(ms, ms * 1.001, ms * 0.999) for ms in (2.0, 4.0, 8.0, 32.0)))
    first, second, third, last = (mark.dot for marks in plot.groups.values() for mark in marks)
    assert second - first == pytest.approx(third - second)
    assert last - third == pytest.approx(2 * (second - first))
    assert first == pytest.approx(dict(plot.labels)[2.0])
    sixty, thirty = (last + (last - third) * math.log(1000 / rate / 32) / math.log(32 / 8) for rate in (60, 30))
    assert dict(plot.frame_rates) == pytest.approx({60: sixty, 30: thirty})


def test_all_marks_are_on_the_axis() -> None:
    plot = latency(row(0.03, 0.09), row(5.0, 6.0, 7.0), row(900.0))
    marks = [mark for marks in plot.groups.values() for mark in marks]
    for mark in marks:
        assert all(0 <= position <= 100 for position in (mark.dot, *(mark.interval or ())))
    assert marks[2].interval is None
    assert (plot.ticks[0], plot.ticks[-1]) == pytest.approx((0, 100))
    assert len(plot.labels) <= plots.MAX_LABELS


def test_rows_are_grouped_by_size_with_their_indices_and_colors() -> None:
    rows = (
        row(3.0, device="other"),
        row(4.0),
        row(5.0, delegate="nnapi:some-npu", size=(960, 540)),
        row(6.0, delegate="gpu"),
    )
    groups = latency(*rows).groups
    assert [(mark.index, mark.series) for mark in groups[480, 270]] == [(1, 0), (3, 1)]
    assert [(mark.index, mark.series) for mark in groups[960, 540]] == [(2, 2)]


def test_a_device_without_times_has_no_plot() -> None:
    assert plots.latencies(Results((row(3.0, device="other"),), {"R58M": PHONE})) == []


def test_two_phones_of_one_model_have_different_titles() -> None:
    devices = {"R58M": PHONE, "R59N": DeviceInfo("R59N", "phone", "A phone"), "X": DeviceInfo("X", "phone", "Another")}
    warm = (State(0, battery_celsius=30.0), State(9, battery_celsius=31.0))
    results = Results(tuple(row(2.0, device=name) for name in devices), devices, states=dict.fromkeys(devices, warm))
    titles = ["A phone, R58M", "A phone, R59N", "Another"]
    assert [plot.title for plot in plots.latencies(results)] == titles
    assert [plot.title for plot in plots.temperatures(results)] == titles


def test_temperature_curves_span_the_time_and_stay_inside() -> None:
    states = (State(10, 30.0), State(70, 33.5, thermal_status=2), State(130, None), State(250, 31.0, 40.0))
    (plot,) = plots.temperatures(Results((), {"R58M": PHONE}, states={"R58M": states, "silent": (State(0), State(1))}))
    (curve,) = plot.curves  # a single skin temperature is no curve
    assert (plot.title, curve.label, curve.lowest, curve.highest, plot.hottest) == ("A phone", "battery", 0, 1, 1)
    assert (plot.bottom, plot.top, plot.minutes) == (29, 35, 4.0)
    points = [tuple(map(float, point.split(","))) for point in curve.points.split()]
    assert [x for x, _ in points] == [0, 250, 1000]
    assert [y for _, y in points] == pytest.approx([100 * (35 - celsius) / 6 for celsius in (30, 33.5, 31)], abs=0.05)


def test_temperatures_at_the_same_moment_are_no_error() -> None:
    states = (State(5, 30.0), State(5, 31.0))
    (plot,) = plots.temperatures(Results((), {}, states={"R58M": states}))
    assert (plot.title, plot.minutes) == ("R58M", 0)
