from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import interpreter
from export.transforms.fp16 import with_fp16_constants
from tests.helpers.networks import graph

pytestmark = pytest.mark.slow  # the graphs come from TensorFlow


@pytest.mark.parametrize("case", [(1, 2, "prelu"), (3, 3, "leaky"), (3, 4, "relu")])
def test_fp16_constants_are_the_float_ones_rounded(case, random) -> None:
    plain = graph(*case)
    half = with_fp16_constants(plain)
    tensors = [
        tensor if tensor.data is None else replace(tensor, data=tensor.data.astype(np.float16).astype(np.float32))
        for tensor in plain.tensors
    ]
    rounded = replace(plain, tensors=tuple(tensors))
    assert tflite.operators(half).keys() - {"DEQUANTIZE"} == tflite.operators(plain).keys()
    assert len(tflite.write(half)) < len(tflite.write(plain))
    image = random.random((24, 31, case[0]), np.float32)
    expected, result = interpreter.run(rounded, image), interpreter.run(half, image)
    assert np.abs(result - expected).max() < 1e-5 * max(1, np.abs(expected).max())


def test_a_weight_beyond_the_range_of_float16_is_refused() -> None:
    plain = graph(3, 4, "relu")
    index = plain.nodes[0].inputs[1]
    huge = replace(plain.tensors[index], data=plain.tensors[index].data * np.float32(1e8))
    tensors = (*plain.tensors[:index], huge, *plain.tensors[index + 1 :])
    with pytest.raises(EcbsrError, match="beyond float16's range"):
        with_fp16_constants(replace(plain, tensors=tensors))
