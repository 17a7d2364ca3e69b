"""Calibration: the ranges of an int8 network, from its values on real images, before anything is learned.

Channels are scaled to use their tensor's range (see `ecbsr_mobile.quantization.channel_scales`), and the best of a few
choices is taken. Edges in drawings and screens reach beyond those of photographs, which alone would have them clipped,
so a drawing is among the images (`sample_images.drawings`): all but its rarest values fit into the ranges. Saturated
colors reach further, too, and are rare in photographs: flat areas of any color are never clipped
(`channel_scales.flat_colors`).

But in "double", the range of all observed values spends int8's 256 values on outliers that hardly matter to the
result: a convolution reaches -6.5 where the PReLU after it makes -1.8 of that. So a search starts from the best of
these choices, another from the best of several percentiles, and each moves each minimum and maximum for as long as the
network's result gets closer to the float network's. Where they end about equal, photographs do not decide, and what is
better for drawings is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import images
from ecbsr_mobile.tflite import Graph, interpreter
from ecbsr_mobile.utils.progress import Notify, with_percent

from ..validation.sample_images import Sample, as_tensors
from .distillation import Target, expected_loss
from .qat_weights import decomposed_graph, qat_ranges
from .quantizer import Range, free_activations, quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ecbsr_mobile.architecture import PReLUDecomposition
    from ecbsr_mobile.network import Int8Weights, PlainNet

BLOCK = 64  # rows and columns of one block of the calibration sheet
MAX_BLOCKS = 24
PERCENTILES = (100.0, 99.99)  # lower ones cost images outside the sheet more than they gain on it
FACTORS = (0.9, 1.1)  # a minimum or maximum is moved by these
WORTH_A_SEARCH = 1.3  # a search does not make up for an expected loss this many times the least
ABOUT_EQUAL = 1.1  # among results that lose at most this many times as much as the best, drawings decide
MIN_GAIN = 0.9995  # a move must lower the error to this share: smaller gains do not carry over to other images

DRAWING_WEIGHT = 0.04  # of an error in drawings: the float network's own is so much larger there

ROWS_AT_ONCE = 4 * BLOCK  # of the sheet, whose activations are in memory together
KEPT = 16  # extreme values of a channel; the sheet has 10 beyond the lower percentile


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibrated weights and ranges.

    Attributes:
        weights: the network, equal to the float one, with the ranges of its activations.
        method: how the ranges were found.
        evaluations: number of quantized graphs that were run.
        loss_db: the expected loss of PSNR; see `distillation.expected_loss`.
    """

    weights: Int8Weights
    method: str
    evaluations: int
    loss_db: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for the recipe."""
        return {"method": self.method, "evaluations": self.evaluations, "expected_loss_db": round(self.loss_db, 4)}


def int8_of(graph: Graph, weights: Int8Weights) -> Graph:
    """The int8 graph of weights and ranges; `graph` is the converted float graph of the architecture."""
    decomposed = decomposed_graph(graph, weights)
    return quantize(decomposed, qat_ranges(decomposed, weights))


def graph_loss(graph: Graph, measured: Sequence[Target]) -> float:
    """The expected loss of a graph, in dB; see `distillation.expected_loss`."""
    import torch

    def run(image: Tensor) -> Tensor:
        result = interpreter.run(graph, image[0].permute(1, 2, 0).numpy())
        return torch.from_numpy(result.transpose(2, 0, 1))[None].clamp_(0, 1)

    return expected_loss(run, measured)


def calibrate(
    net: PlainNet,
    decomposition: PReLUDecomposition,
    graph: Graph,
    samples: Sequence[Sample],
    measured: Sequence[Target],
    progress: Notify | None = None,
) -> Calibration:
    """The best ranges of a float network; the same images give the same ranges.

    Args:
        net: the float network.
        decomposition: how PReLU is written.
        graph: its converted float graph.
        samples: typical images.
        measured: the float network's results on `samples`.
        progress: called with a message at each range of a search.
    """
    starts = observe(net, decomposition, graph, samples, measured)
    return starts[0] if decomposition == "double" else search(starts, graph, samples, measured, progress)


def observe(
    net: PlainNet,
    decomposition: PReLUDecomposition,
    graph: Graph,
    samples: Sequence[Sample],
    measured: Sequence[Target],
) -> list[Calibration]:
    """The best ranges of each kind before a search, the best kind first; see `calibrate`."""
    kinds = [_equalized(net, decomposition, samples)]
    if decomposition != "double":
        kinds.append(_percentiles(net, decomposition, graph, samples))
    starts = []
    for choices in kinds:
        losses = [graph_loss(int8_of(graph, weights), measured) for _, weights in choices]
        method, weights = choices[losses.index(min(losses))]
        starts.append(Calibration(weights, method, len(choices), min(losses)))
    return sorted(starts, key=lambda start: start.loss_db)


def _equalized(
    net: PlainNet, decomposition: PReLUDecomposition, samples: Sequence[Sample]
) -> list[tuple[str, Int8Weights]]:
    """Networks with scaled channels, each with the ranges of some choice."""
    import torch

    from ecbsr_mobile.network import Int8Weights
    from ecbsr_mobile.quantization import channel_scales as channels
    from ecbsr_mobile.quantization.fake_quant import FakeQuantNet, fold_steep_slopes

    activation = net.architecture.activation
    plain = fold_steep_slopes(net).requires_grad_(False).eval()
    statistics = channels.channel_statistics(plain, as_tensors([sample for sample in samples if not sample.drawing]))
    drawings = as_tensors([sample for sample in samples if sample.drawing])
    # Channels before a native PRELU share one scale, so that photographs would lose 0.1 dB more.
    if drawings and not (activation == "prelu" and decomposition == "native"):
        of_drawings = channels.channel_statistics(plain, drawings)
        statistics = [layer.with_drawings(other) for layer, other in zip(statistics, of_drawings, strict=True)]
    flat = channels.limits_of_flat_colors(plain)
    statistics = [layer.with_values(limits) for layer, limits in zip(statistics, flat, strict=True)]
    starts = []
    if activation == "leaky" or (activation == "prelu" and decomposition != "double"):
        addends = activation == "prelu" and decomposition == "single"
        for clipped, power in product(channels.PARTLY_CLIPPED_SHARES, channels.PARTLY_POWERS):
            scaled = deepcopy(plain)
            ranges = channels.equalize_partly(scaled, statistics, clipped, power, addends)
            method = f"channels equalized to the power {power:g}, {clipped * 100:g} % of their smallest values clipped"
            starts.append((method, Int8Weights(decomposition, scaled, torch.tensor(ranges))))
        return starts
    choices: list[dict[str, float]] = [{"clipped": clipped} for clipped in channels.RELU_CLIPPED_SHARES]
    if activation == "prelu":
        pairs = product(channels.CLIPPED_SHARES, channels.NOISE_RATIOS)
        choices = [{"clipped": clipped, "noise_ratio": ratio} for clipped, ratio in pairs]
    for choice in choices:
        student = FakeQuantNet(deepcopy(plain), decomposition)
        student.equalize(statistics, **choice)
        method = f"channels equalized, {choice['clipped'] * 100:g} % of their values clipped at each end"
        if "noise_ratio" in choice:
            method += f", the activation's scale for up to {choice['noise_ratio']:g} times the noise"
        starts.append((method, student.weights()))
    return starts


def _percentiles(
    net: PlainNet, decomposition: PReLUDecomposition, graph: Graph, samples: Sequence[Sample]
) -> list[tuple[str, Int8Weights]]:
    import torch

    from ecbsr_mobile.network import Int8Weights
    from ecbsr_mobile.quantization.fake_quant import fold_steep_slopes

    plain = fold_steep_slopes(net).requires_grad_(False).eval()
    decomposed = decomposed_graph(graph, Int8Weights(decomposition, plain, torch.empty(0, 2)))
    free = free_activations(decomposed)
    extremes = [_Extremes() for _ in free]
    image = _sheet_image(_sheets(samples))
    for top in range(0, len(image), ROWS_AT_ONCE):  # the activations of a large network take gigabytes
        values = interpreter.activations(decomposed, image[top : top + ROWS_AT_ONCE], free)
        for extreme, value in zip(extremes, values, strict=True):
            extreme.add(value.reshape(-1, value.shape[-1]))
    flat = _limits_of_flat_colors(decomposed)
    by_percentile = {
        percentile: [_wider(each.limits(percentile), limits) for each, limits in zip(extremes, flat, strict=True)]
        for percentile in PERCENTILES
    }
    return [
        (f"percentile {percentile:g} by channel", Int8Weights(decomposition, plain, torch.tensor(rows).reshape(-1, 2)))
        for percentile, rows in by_percentile.items()
    ]


def _limits_of_flat_colors(decomposed: Graph) -> list[Range]:
    """The range that each free activation has on flat images of any color, at their sides, too.

    Corners do not count; see `channel_scales.limits_of_flat_colors`, which computes the same of the network.
    """
    from ecbsr_mobile.quantization.channel_scales import flat_colors

    free = free_activations(decomposed)
    colors = flat_colors(decomposed.tensors[decomposed.inputs[0]].shape[3]).numpy()
    extremes = [_Extremes() for _ in free]
    for axis in (0, 1):
        lines, reach = _along(decomposed, axis)
        image = np.repeat(np.expand_dims(colors, axis), 2 * reach + 1, axis)
        values = interpreter.activations(lines, image, free)
        for extreme, value in zip(extremes, values, strict=True):
            extreme.add(value.reshape(-1, value.shape[-1]))
    return [extreme.limits(100.0) for extreme in extremes]


def _along(graph: Graph, axis: int) -> tuple[Graph, int]:
    """The graph for lines of pixels along `axis`, and how far a pixel reaches along its line.

    Kernels are summed across the lines, so a line gives what an image of equal lines gives, far from their ends; lines
    beside each other are independent.
    """
    tensors, reach = list(graph.tensors), 0
    for node in graph.nodes:
        if node.operator in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernels = tensors[node.inputs[1]]
            assert kernels.data is not None
            across = 2 - axis  # kernels are [outputs, height, width, inputs]
            center = kernels.shape[across] // 2
            summed = np.zeros_like(kernels.data)
            np.moveaxis(summed, across, 0)[center] = kernels.data.sum(across, dtype=np.float64)
            tensors[node.inputs[1]] = replace(kernels, data=summed)
            reach += kernels.shape[axis + 1] // 2
    return replace(graph, tensors=tuple(tensors)), reach


def _wider(one: Range, other: Range) -> Range:
    return min(one[0], other[0]), max(one[1], other[1])


def search(
    starts: Sequence[Calibration],
    graph: Graph,
    samples: Sequence[Sample],
    measured: Sequence[Target],
    progress: Notify | None = None,
) -> Calibration:
    """The best that searches from `starts` find; of results that are about equal, the one that keeps drawings best.

    `starts` are those of `observe`; for the others, see `calibrate`.
    """
    limit = WORTH_A_SEARCH * starts[0].loss_db
    found = [
        _searched(start, graph, samples, measured, progress) if start.loss_db <= limit else start for start in starts
    ]
    least = min(result.loss_db for result in found)
    drawings = [target for sample, target in zip(samples, measured, strict=True) if sample.drawing]

    def loss(result: Calibration) -> float:
        return graph_loss(int8_of(graph, result.weights), drawings) if drawings else result.loss_db

    best = min((result for result in found if result.loss_db <= ABOUT_EQUAL * least), key=loss)
    return replace(best, evaluations=sum(result.evaluations for result in found))


def _searched(
    start: Calibration,
    graph: Graph,
    samples: Sequence[Sample],
    measured: Sequence[Target],
    progress: Notify | None,
) -> Calibration:
    """Move each end of each range for as long as the result gets closer to the float network's.

    The result never has a larger expected loss than `start`, and clips no flat color that `start` does not clip.
    """
    import torch

    weights = start.weights
    decomposed = decomposed_graph(graph, weights)
    sheets = _sheets(samples)
    image = _sheet_image(sheets)
    target = np.clip(interpreter.run(decomposed, image), 0, 1)
    weight = _row_weights(sheets, len(target))
    evaluations = start.evaluations

    def error(rows: list[list[float]]) -> float:
        nonlocal evaluations
        evaluations += 1
        ranges = qat_ranges(decomposed, replace(weights, ranges=torch.tensor(rows).reshape(-1, 2)))
        difference = interpreter.run(quantize(decomposed, ranges), image) - target
        # Not a dot product: BLAS splits its sum among threads, and so a move could be taken on one machine only.
        return float((np.square(difference, dtype=np.float64) * weight).sum())

    rows = weights.ranges.tolist()
    best = error(rows)
    needed = _limits_of_flat_colors(decomposed)
    ends = [(row, side) for row in range(len(rows)) for side in (0, 1) if rows[row][side] != 0]
    for number, (row, side) in enumerate(ends):
        if progress:
            progress(with_percent("calibrating ranges", number, len(ends)))
        for factor in FACTORS:
            while True:
                moved = [list(limits) for limits in rows]
                moved[row][side] *= factor
                if abs(moved[row][side]) < min(abs(needed[row][side]), abs(rows[row][side])):
                    break
                moved_error = error(moved)
                if moved_error >= best * MIN_GAIN:
                    break
                rows, best = moved, moved_error
    searched = replace(weights, ranges=torch.tensor(rows).reshape(-1, 2))
    loss = graph_loss(int8_of(graph, searched), measured)
    if loss >= start.loss_db:
        return replace(start, evaluations=evaluations)
    return Calibration(searched, f"{start.method}, then a search by the result's error", evaluations, loss)


def _sheet_image(sheets: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """The sheets of `_sheets`, one below the other, in [0, 1]."""
    return np.concatenate(sheets).astype(np.float32) / np.float32(255)


def _row_weights(sheets: Sequence[NDArray[np.uint8]], rows: int) -> NDArray[np.float64]:
    """The weight [rows, 1, 1] of each row of a result for `_sheet_image`: that of drawings is `DRAWING_WEIGHT`."""
    photographs, *drawings = map(len, sheets)
    weights = np.repeat([1.0, *(DRAWING_WEIGHT for _ in drawings)], [photographs, *drawings])
    return np.repeat(weights, rows // len(weights))[:, None, None]


def _sheets(samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
    """The sheet of the photographs, and that of the drawings where there are some."""
    kinds = [[view for sample in samples if sample.drawing == drawing for view in sample.views] for drawing in (0, 1)]
    return [sheet(views) for views in kinds if views]


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


class _Extremes:
    """The largest and smallest values of each channel, of which the rarest are left out."""

    def __init__(self) -> None:
        self.count = 0
        self.lowest = self.highest = np.zeros((0, 0), np.float32)

    def add(self, values: NDArray[np.float32]) -> None:
        """Add the values [n, C] of some pixels."""
        both = [values] if self.count == 0 else [self.lowest, self.highest, values]
        ordered = np.sort(np.concatenate(both), axis=0)
        kept = min(KEPT, len(values))
        self.count += len(values)
        self.lowest, self.highest = ordered[:kept], ordered[-kept:]

    def limits(self, percentile: float) -> Range:
        """The widest of the channels' ranges, each with this share of its values, in percent.

        Per channel, since the large values of a channel that is seldom active must not be clipped because of the
        others.
        """
        rare = min(round(self.count * (1 - percentile / 100)), len(self.lowest) - 1)
        low, high = float(self.lowest[rare].min()), float(self.highest[-1 - rare].max())
        return _rounded(min(low, 0.0)), _rounded(max(high, 0.0))


def _rounded(limit: float) -> float:
    """Four digits: the last bits of a convolution depend on the processor."""
    return float(f"{limit:.4g}")
