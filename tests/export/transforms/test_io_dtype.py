from __future__ import annotations

import numpy as np
import pytest

from ecbsr_mobile.errors import UsageError
from export.quantize.quantizer import quantize
from export.tflite import interpreter
from export.transforms.io_dtype import with_io_dtype
from export.transforms.prelu import decompose_prelu
from tests.helpers.networks import graph, observed_ranges, photo

pytestmark = pytest.mark.slow  # the graphs come from TensorFlow


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_other_io_dtypes_give_the_same_result(kind) -> None:
    decomposed = decompose_prelu(graph(1, 2, "prelu"), "cpu")
    quantized = quantize(decomposed, observed_ranges(decomposed, photo(1)))
    other = with_io_dtype(quantized, kind)
    assert {other.tensors[index].dtype.name for index in (*other.inputs, *other.outputs)} == {kind}
    result, expected = interpreter.run(other, photo(1)), interpreter.run(quantized, photo(1))
    assert np.abs(result - expected).max() < 1e-6
    if kind == "uint8":
        pixels = interpreter.stored(other.tensors[other.inputs[0]], np.float32([0, 1 / 255, 1]))
        assert pixels.tolist() == [0, 1, 255]


def test_an_unknown_io_dtype_is_refused() -> None:
    with pytest.raises(UsageError, match="io_dtype 'int16' is not known; use one of int8, uint8, float32"):
        with_io_dtype(graph(1, 2, "prelu"), "int16")
