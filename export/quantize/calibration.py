"""Activation ranges of an int8 graph, searched on real pictures.

A range that holds every value seen spends int8's 256 steps on outliers that hardly show in the result (a
convolution reaches -6.5 where the PReLU behind it makes -1.8 of that). So the search starts from the best
of several percentiles and then moves each end of each tensor's range as long as the *result* of the
quantised network comes closer to that of the float one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tflite import Graph, interpreter
from ..validation.sample_images import Sample
from .layer_reconstruction import refit
from .quantizer import Range, activations, pinned, quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = (64, 64)  # rows and columns of one block of the calibration sheet
MOST_BLOCKS = 24
PERCENTILES = (100.0, 99.99)  # below that, pictures that were not looked at lose more than these win
STEPS = (0.9, 1.1)  # factors that an end of a range is moved by
WORTHWHILE = 0.9995  # a move must lower the error to this: less is noise of these pictures


@dataclass(frozen=True)
class Calibration:
    """The float graph to quantise, the ranges of its activations, and how they were found.

    `graph` is the one given, or the one refitted to the ranges where that is better (`refitted`); `error_db`
    is the PSNR of the quantised graph's result to the float one's on the pictures looked at.
    """

    graph: Graph
    ranges: dict[str, Range]
    refitted: bool
    pictures: tuple[str, ...]
    pixels: int
    percentile: float
    evaluations: int
    error_db: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for the recipe; `quantize.int8` adds the ranges."""
        return {
            "pictures": list(self.pictures),
            "pixels": self.pixels,
            "method": f"percentile {self.percentile:g} by channel, then search by the result's error",
            "refitted": self.refitted,
            "evaluations": self.evaluations,
            "error_db": round(self.error_db, 3),
        }


def calibrate(graph: Graph, samples: Sequence[Sample], progress: Callable[[str], None] | None = None) -> Calibration:
    """Search the ranges that `quantize` needs; the same pictures give the same ranges.

    Args:
        graph: the float graph in its target's form.
        samples: pictures, of which at most 24 blocks of 64x64 LR pixels are looked at (see `sheet`).
        progress: is told how far the search came.
    """
    search = _Search(graph, sheet([view for sample in samples for view in sample.views]))
    best, percentile = min((search.error(graph, ranges), p) for p, ranges in search.starts.items())
    ranges = dict(search.starts[percentile])
    ends = [(name, end) for name in ranges for end in (0, 1) if ranges[name][end] != 0]
    for number, (name, end) in enumerate(ends):
        if progress:
            progress(f"searching ranges, {number * 100 // len(ends)} %")
        ranges, best = search.move(ranges, best, name, end)
    fitted = refit(graph, ranges, search.image)
    fitted_error = search.error(fitted, ranges)
    refitted = fitted_error < best
    return Calibration(
        fitted if refitted else graph,
        ranges,
        refitted,
        tuple(sample.name for sample in samples),
        search.image.shape[0] * search.image.shape[1],
        percentile,
        search.evaluations,
        float(-10 * np.log10(max(min(best, fitted_error), 1e-12))),
    )


def sheet(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Up to 24 blocks of the pictures [h, w, C], one above the other: [64·n, 64, C].

    One picture runs faster than many, and its size is the same whatever was given. Half of the blocks are
    those with the most detail, which decide the ranges; the others are spread evenly over the rest.
    """
    rows, columns = BLOCK
    blocks = []
    for picture in pictures:
        for y in range(0, picture.shape[0], rows):
            for x in range(0, picture.shape[1], columns):
                block = picture[y : y + rows, x : x + columns]
                missing = [(0, full - have) for full, have in zip(BLOCK, block.shape, strict=False)]
                blocks.append(np.pad(block, [*missing, (0, 0)], mode="symmetric"))
    blocks.sort(key=_detail, reverse=True)
    sharp, rest = blocks[: MOST_BLOCKS // 2], blocks[MOST_BLOCKS // 2 :]
    spread = np.linspace(0, len(rest) - 1, min(len(rest), MOST_BLOCKS - len(sharp))).round().astype(int)
    return np.concatenate([*sharp, *(rest[i] for i in spread)])


def _detail(block: NDArray[np.uint8]) -> float:
    values = block.astype(np.float64)
    return sum(float(np.abs(np.diff(values, axis=axis)).mean()) for axis in (0, 1))


class _Search:
    """The float graph's result on the sheet, and the quantised graph's error against it."""

    def __init__(self, graph: Graph, pixels: NDArray[np.uint8]) -> None:
        self.graph = graph
        self.image = pixels.astype(np.float32) / np.float32(255)
        self.evaluations = 0
        fixed = pinned(graph)
        free = [index for index in activations(graph) if index not in fixed]
        *values, result = interpreter.activations(graph, self.image, [*free, *graph.outputs])
        self.target = np.clip(result, 0, 1)
        named = {graph.tensors[index].name: value for index, value in zip(free, values, strict=True)}
        spans = {name: _spans(value) for name, value in named.items()}
        self.starts = {p: {name: found[p] for name, found in spans.items()} for p in PERCENTILES}

    def error(self, graph: Graph, ranges: dict[str, Range]) -> float:
        """Mean square error of a quantised graph's result."""
        self.evaluations += 1
        difference = (interpreter.run(quantize(graph, ranges), self.image) - self.target).ravel()
        return float(difference @ difference) / difference.size

    def move(self, ranges: dict[str, Range], best: float, name: str, end: int) -> tuple[dict[str, Range], float]:
        """Move one end of one range inwards or outwards for as long as that helps."""
        for step in STEPS:
            while True:
                moved = list(ranges[name])
                moved[end] *= step
                candidate = {**ranges, name: (moved[0], moved[1])}
                error = self.error(self.graph, candidate)
                if error >= best * WORTHWHILE:
                    break
                ranges, best = candidate, error
        return ranges, best


def _spans(values: NDArray[np.float32]) -> dict[float, Range]:
    """For each of `PERCENTILES`, the range that leaves the rest of each channel's values out at either end.

    By channel, for one with rare but large values must not be cut because the others are many.
    """
    flat = values.reshape(-1, values.shape[-1])
    low = np.percentile(flat, [100 - p for p in PERCENTILES], axis=0).min(axis=1)
    high = np.percentile(flat, PERCENTILES, axis=0).max(axis=1)
    return {p: (float(min(a, 0)), float(max(b, 0))) for p, a, b in zip(PERCENTILES, low, high, strict=True)}
