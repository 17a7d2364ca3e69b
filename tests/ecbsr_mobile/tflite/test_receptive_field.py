"""Receptive fields, compared with the pixels of the output that a changed pixel of the input changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ecbsr_mobile.tflite import Graph, at_size, input_size, is_channels_first, write
from ecbsr_mobile.tflite.receptive_field import ReceptiveField, receptive_field
from export.transforms.fp16 import with_fp16_constants
from tests.helpers import upscalers
from tests.helpers.litert import interpreter
from tests.helpers.tflite_models import plain_network

FIELDS: dict[str, tuple[Callable[[], Graph], ReceptiveField]] = {
    "plain": (lambda: plain_network(blocks=2), ReceptiveField(4, 1)),
    "fp16 weights": (lambda: with_fp16_constants(plain_network(blocks=2)), ReceptiveField(4, 1)),
    "dilated": (upscalers.dilated, ReceptiveField(6, 1)),
    "strided": (upscalers.strided, ReceptiveField(6, 2)),
    "pooled": (upscalers.pooled, ReceptiveField(6, 2)),
    "space to depth": (upscalers.space_to_depth, ReceptiveField(3, 2)),
    "unshuffle": (upscalers.unshuffle_6d, ReceptiveField(3, 2)),
    "6-D shuffle": (upscalers.DOUBLING["6-D shuffle"], ReceptiveField(1, 1)),
    "NCHW": (upscalers.DOUBLING["NCHW"], ReceptiveField(1, 1)),
    "transposed convolution": (upscalers.DOUBLING["transposed convolution"], ReceptiveField(0, 1)),
    "mixed colors": (upscalers.mixed_colors, ReceptiveField(1, 1)),
    "bilinear": (lambda: upscalers.resized("RESIZE_BILINEAR", half_pixel=True), ReceptiveField(1, 1)),
    "bilinear x3": (
        lambda: upscalers.resized("RESIZE_BILINEAR", half_pixel=True, size=(96, 144)),
        ReceptiveField(1, 1),
    ),
    "space to depth, mean": (upscalers.space_to_depth_with_mean, ReceptiveField(None, 2)),
    "mean": (lambda: upscalers.globally_pooled(by_mean=True), ReceptiveField(None, 1)),
    "aligned corners": (
        lambda: upscalers.resized("RESIZE_BILINEAR", half_pixel=False, aligned=True),
        ReceptiveField(None, 1),
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_field_is_the_expected_one(name: str) -> None:
    make, expected = FIELDS[name]
    assert receptive_field(make()) == expected


@pytest.mark.parametrize("name", [name for name, (_, field) in FIELDS.items() if field.radius is not None])
def test_no_pixel_outside_of_the_field_changes(name: str) -> None:
    make, field = FIELDS[name]
    assert field.radius is not None
    graph = at_size(make(), *input_size(make()))
    runner = interpreter(write(graph))
    detail = runner.get_input_details()[0]
    axes = (2, 3) if is_channels_first(graph) else (1, 2)
    random = np.random.default_rng(0)
    image = random.random(detail["shape"], np.float32)
    reach = 0
    for y, x in ((0, 0), (10, 13), (11, 18)):
        results = []
        for change in (0, 3):
            changed = image.copy()
            place = [slice(None)] * 4
            place[axes[0]], place[axes[1]] = slice(y, y + 1), slice(x, x + 1)
            changed[tuple(place)] += change
            runner.set_tensor(detail["index"], changed)
            runner.invoke()
            results.append(runner.get_tensor(runner.get_output_details()[0]["index"]).copy())
        places = np.nonzero(results[0] != results[1])
        scale = results[0].shape[axes[0]] // image.shape[axes[0]]
        reach = max(reach, np.abs(places[axes[0]] // scale - y).max(), np.abs(places[axes[1]] // scale - x).max())
    assert reach <= field.radius
    assert reach >= field.radius - 2  # it is not much wider than needed, either
