from __future__ import annotations

import numpy as np
import pytest

from export.quantize.calibration import calibrate, sheet
from export.quantize.quantizer import quantize
from export.tflite import Graph, interpreter
from export.transforms.prelu import decompose_prelu
from export.validation.sample_images import Sample
from tests.helpers.networks import graph, observed_ranges, photo


@pytest.mark.slow
def test_calibration_beats_observed_ranges_and_is_repeatable() -> None:
    decomposed = decompose_prelu(graph(1, 2, "prelu"), "cpu")
    pixels = (photo(1, 64, 64) * 255).round().astype(np.uint8)
    sample = Sample("photo.png", pixels, np.zeros((1, 1), np.uint8), (pixels,))
    first, second = calibrate(decomposed, [sample]), calibrate(decomposed, [sample])
    assert (first.ranges, first.error_db) == (second.ranges, second.error_db)
    image = sheet([pixels]).astype(np.float32) / np.float32(255)
    expected = np.clip(interpreter.run(decomposed, image), 0, 1)

    def error(quantized: Graph) -> float:
        return float(np.mean((interpreter.run(quantized, image) - expected) ** 2))

    assert error(quantize(first.graph, first.ranges)) < error(quantize(decomposed, observed_ranges(decomposed, image)))


def test_sheet_has_one_size_for_any_image(random) -> None:
    for shape in ((9, 200, 1), (300, 5, 3), (700, 900, 3), (1, 1, 1)):
        blocks = sheet([random.integers(0, 256, shape, np.uint8)])
        assert blocks.shape[1:] == (64, shape[2])
        assert blocks.shape[0] % 64 == 0 and 64 <= blocks.shape[0] <= 24 * 64
