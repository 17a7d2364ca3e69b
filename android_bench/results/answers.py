"""The answer of a benchmark, before its tables: for each target, how fast the fastest model is."""

from __future__ import annotations

from dataclasses import dataclass

from export.lights import Light

from . import stats
from .types import DeviceInfo, Results, Row

FRAME_RATES = (60, 30)
"""Frames per second from which on a light is good, and partial: a frame every 16.7 ms, or every 33.3 ms."""

_NAMES = {
    "cpu": "CPU", "gpu": "GPU", "nnapi": "NNAPI", "npu": "NPU", "qnn": "Qualcomm NPU", "external": "external delegate",
    "wasm": "WebAssembly (CPU)", "webgpu": "WebGPU",
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """How fast one target is.

    Attributes:
        target: the device and its delegate, for people.
        light: by `FRAME_RATES`; unknown where there is no latency.
        word: the light in words.
        text: the figures, or why there are none.
        row: index of the row that it is about.
    """

    target: str
    light: Light
    word: str
    text: str
    row: int


def answers(results: Results) -> tuple[Answer, ...]:
    """An answer for each device and delegate: its fastest row at the largest size that was timed."""
    targets: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(results.results):
        targets.setdefault((row.device, row.delegate), []).append(index)
    return tuple(_answer(results, indices) for indices in targets.values())


def device_title(results: Results, name: str) -> str:
    """The model of a device, or its name if another device is of the same model; "this machine" for the host.

    The host of an imported file is another machine, or this one at another time.
    """
    models = [device.model for device in results.devices.values()]
    device = results.devices.get(name, DeviceInfo())
    if device.kind == "host" and not device.imported:
        return "this machine"
    return device.model if device.model and models.count(device.model) == 1 else name


def delegate_title(delegate: str) -> str:
    """The name of a delegate for people: "GPU", "NNAPI (google-edgetpu)"."""
    name, _, rest = delegate.partition(":")
    title = _NAMES.get(name, name)
    return f"{title} ({rest})" if rest else title


def _answer(results: Results, indices: list[int]) -> Answer:
    rows = results.results
    target = f"{device_title(results, rows[indices[0]].device)}, {delegate_title(rows[indices[0]].delegate)}"
    timed = [index for index in indices if rows[index].median_ms]
    if not timed:
        row = rows[indices[0]]
        return Answer(target, "unknown", row.status, row.note or "no latency", indices[0])
    area = max(_area(rows[index]) for index in timed)
    best = min((index for index in timed if _area(rows[index]) == area), key=lambda index: rows[index].median_ms or 0)
    row = rows[best]
    assert row.median_ms is not None
    # As the table has it: the rate of a median that is rounded can differ from the rounded rate in the last digit.
    (latency,), (rate,) = stats.column([row.median_ms]), stats.column([row.fps or 1000 / row.median_ms])
    light, word = _rated(float(rate))
    threads = f", {row.threads_text}" if row.delegate == "cpu" else ""
    text = f"{latency} ms, {rate} frames per second at {row.size_text} ({row.model}{threads})"
    return Answer(target, light, word, text if row.status == "ok" else f"{text}; {row.status}", best)


def _rated(rate: float) -> tuple[Light, str]:
    high, low = FRAME_RATES
    if rate >= high:
        return "good", f"{high} fps or more"
    if rate >= low:
        return "partial", f"{low} fps or more"
    return "bad", f"below {low} fps"


def _area(row: Row) -> int:
    return row.size[0] * row.size[1]
