from __future__ import annotations

import numpy as np
import pytest

from export.quantize.layer_reconstruction import reconstruct_layers
from export.quantize.quantizer import quantize
from export.tflite import Graph, interpreter
from export.transforms.prelu import decompose_prelu
from tests.helpers.networks import graph, observed_ranges, photo


@pytest.mark.slow
def test_reconstruction_lowers_the_error_of_coarse_scales() -> None:
    decomposed = decompose_prelu(graph(3, 3, "leaky"), "npu")
    image = photo(3, 64, 64)
    coarse = {name: (16 * low, 16 * high) for name, (low, high) in observed_ranges(decomposed, image).items()}
    expected = np.clip(interpreter.run(decomposed, image), 0, 1)

    def error(floats: Graph) -> float:
        return float(np.mean((interpreter.run(quantize(floats, coarse), image) - expected) ** 2))

    assert error(reconstruct_layers(decomposed, coarse, image)) < 0.9 * error(decomposed)
