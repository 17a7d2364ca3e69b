from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from ecbsr_mobile import tflite
from export.quantize.quantizer import quantize
from export.transforms.io_dtype import with_io_dtype
from export.transforms.prelu import decompose_prelu
from tests.helpers.networks import graph, observed_ranges, photo

pytestmark = pytest.mark.slow  # the graphs come from TensorFlow


def litert(graph: tflite.Graph, image: np.ndarray) -> np.ndarray:
    """The result of LiteRT for an input of the graph's own data type, [h, w, C]."""
    sized = tflite.at_size(graph, image.shape[1], image.shape[0])
    return Interpreter(model_content=tflite.write(sized)).get_signature_runner()(image=image[None])["upscaled"][0]


def test_every_io_dtype_gives_the_same_result() -> None:
    decomposed = decompose_prelu(graph(1, 2, "prelu"), "single")
    quantized = quantize(decomposed, observed_ranges(decomposed, photo(1)))
    pixels = np.round(photo(1) * 255).astype(np.uint8)
    expected = litert(quantized, (pixels ^ 0x80).view(np.int8)).view(np.uint8) ^ 0x80
    np.testing.assert_array_equal(litert(with_io_dtype(quantized, "uint8"), pixels), expected)
    result = litert(with_io_dtype(quantized, "float32"), photo(1))
    np.testing.assert_allclose(result * 255, expected, atol=1e-3)
    assert with_io_dtype(quantized, "int8") is quantized
