"""Calibration: the activation ranges of an int8 graph, from its values on real images.

The range of all observed values spends int8's 256 values on outliers that hardly matter to the result: a convolution
reaches -6.5 where the PReLU after it makes -1.8 of that. So the search starts from the best of several percentiles, and
moves each minimum and maximum for as long as the network's result gets closer to the float network's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import images, metrics

from ..tflite import Graph, interpreter
from ..validation.sample_images import Sample
from .layer_reconstruction import reconstruct_layers
from .quantizer import Range, activation_indices, pinned, quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 64  # rows and columns of one block of the calibration sheet
MAX_BLOCKS = 24
PERCENTILES = (100.0, 99.99)  # lower ones cost images outside the sheet more than they gain on it
FACTORS = (0.9, 1.1)  # a minimum or maximum is moved by these
MIN_GAIN = 0.9995  # a move must lower the error to this share: smaller gains do not carry over to other images


@dataclass(frozen=True)
class Calibration:
    """Calibrated ranges.

    Attributes:
        graph: the float graph to quantize; its convolutions are reconstructed where that lowers the error.
        ranges: the range of each activation by tensor name.
        refitted: whether the convolutions were reconstructed (see `layer_reconstruction`).
        pictures: file names of the images.
        pixels: number of LR pixels of the calibration sheet.
        percentile: the percentile that the search started from.
        evaluations: number of quantized graphs that were run.
        error_db: PSNR of the quantized graph's result against the float graph's on the sheet.
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
    """Search for the ranges that `quantize` needs; the same images give the same ranges.

    Args:
        graph: a float graph with PReLU written for its target.
        samples: images, of which `sheet` chooses blocks.
        progress: called with a message at each range.
    """
    search = _Search(graph, sheet([view for sample in samples for view in sample.views]))
    best, percentile = min((search.error(graph, ranges), p) for p, ranges in search.starts.items())
    ranges = dict(search.starts[percentile])
    limits = [(name, side) for name in ranges for side in (0, 1) if ranges[name][side] != 0]
    for number, (name, side) in enumerate(limits):
        if progress:
            progress(f"calibrating ranges, {number * 100 // len(limits)} %")
        ranges, best = search.move(ranges, best, name, side)
    reconstructed = reconstruct_layers(graph, ranges, search.image)
    reconstructed_error = search.error(reconstructed, ranges)
    return Calibration(
        graph=reconstructed if reconstructed_error < best else graph,
        ranges=ranges,
        refitted=reconstructed_error < best,
        pictures=tuple(sample.name for sample in samples),
        pixels=search.image.shape[0] * search.image.shape[1],
        percentile=percentile,
        evaluations=search.evaluations,
        error_db=metrics.psnr_from_mse(max(min(best, reconstructed_error), 1e-12), 1.0),
    )


def sheet(views: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Up to 24 blocks of 64x64 pixels of images [h, w, C], one above the other: [64·n, 64, C].

    One image runs faster than many, and its size does not depend on the images. Half of the blocks are those with the
    most detail, which decide the ranges; the others are spread evenly over the rest.
    """
    blocks = []
    for view in views:
        for y in range(0, view.shape[0], BLOCK):
            for x in range(0, view.shape[1], BLOCK):
                blocks.append(images.pad_to_size(view[y : y + BLOCK, x : x + BLOCK], (BLOCK, BLOCK)))
    blocks.sort(key=images.detail, reverse=True)
    detailed, rest = blocks[: MAX_BLOCKS // 2], blocks[MAX_BLOCKS // 2 :]
    spread = np.linspace(0, len(rest) - 1, min(len(rest), MAX_BLOCKS - len(detailed))).round().astype(int)
    return np.concatenate([*detailed, *(rest[i] for i in spread)])


class _Search:
    """Runs quantized graphs on the sheet and compares them with the float graph."""

    def __init__(self, graph: Graph, pixels: NDArray[np.uint8]) -> None:
        self.graph = graph
        self.image = pixels.astype(np.float32) / np.float32(255)
        self.evaluations = 0
        fixed = pinned(graph)
        free = [index for index in activation_indices(graph) if index not in fixed]
        *values, result = interpreter.activations(graph, self.image, [*free, *graph.outputs])
        self.target = np.clip(result, 0, 1)
        named = {graph.tensors[index].name: value for index, value in zip(free, values, strict=True)}
        by_name = {name: _percentile_ranges(value) for name, value in named.items()}
        self.starts = {p: {name: by_percentile[p] for name, by_percentile in by_name.items()} for p in PERCENTILES}

    def error(self, graph: Graph, ranges: dict[str, Range]) -> float:
        """Mean squared error of a quantized graph's result, clipped to [0, 1] by its range."""
        self.evaluations += 1
        difference = (interpreter.run(quantize(graph, ranges), self.image) - self.target).ravel()
        return float(difference @ difference) / difference.size

    def move(self, ranges: dict[str, Range], best: float, name: str, side: int) -> tuple[dict[str, Range], float]:
        """Move one minimum (`side` 0) or maximum (1) for as long as that lowers the error; the ranges and the error."""
        for factor in FACTORS:
            while True:
                moved = list(ranges[name])
                moved[side] *= factor
                candidate = {**ranges, name: (moved[0], moved[1])}
                error = self.error(self.graph, candidate)
                if error >= best * MIN_GAIN:
                    break
                ranges, best = candidate, error
        return ranges, best


def _percentile_ranges(values: NDArray[np.float32]) -> dict[float, Range]:
    """The range of [H, W, C] by percentile: the widest of the channels' ranges, each without its rarest values.

    Per channel, since the large values of a channel that is seldom active must not be clipped because of the others.
    """
    flat = values.reshape(-1, values.shape[-1])
    low = np.percentile(flat, [100 - p for p in PERCENTILES], axis=0).min(axis=1)
    high = np.percentile(flat, PERCENTILES, axis=0).max(axis=1)
    return {p: (float(min(a, 0)), float(max(b, 0))) for p, a, b in zip(PERCENTILES, low, high, strict=True)}
