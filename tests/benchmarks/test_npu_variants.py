"""The variants that `benchmarks/npu_variants.py` compiles, against the float file run by the TFLite interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.tflite import interpreter
from tests.helpers.paths import ROOT


@pytest.mark.parametrize("name", zoo.RECOMMENDED["npu"])
def test_variants_of_the_same_function_give_the_same_output(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import npu_variants

    graph = tflite.read(zoo.tflite(name, "fp32"))
    image = np.random.default_rng(0).random((24, 31, 1), np.float32)
    expected = interpreter.run(graph, image)
    for activation in npu_variants.ACTIVATIONS:
        for residual in npu_variants.RESIDUALS:
            variant = npu_variants.with_residual(npu_variants.with_activation(graph, activation), residual)
            assert sum(variant.inputs[0] in node.inputs for node in variant.nodes) == 2
            assert ("PRELU" in tflite.operators(variant)) == (activation == "PRELU")
            assert ("LEAKY_RELU" in tflite.operators(variant)) == (activation == "one slope")
            same = np.abs(interpreter.run(variant, image) - expected).max() < 1e-5
            assert same == (activation != "one slope")
