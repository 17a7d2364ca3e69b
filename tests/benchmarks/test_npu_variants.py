"""The variants that `benchmarks/npu_variants.py` compiles, run by the TFLite interpreter."""

from __future__ import annotations

import numpy as np

from ecbsr_mobile import tflite
from ecbsr_mobile.tflite import interpreter
from export.npu.results import CompileReport, EmulationResult
from export.validation.difference import Difference
from export.validation.sample_images import Sample
from tests.helpers.networks import net, photo


def test_variants_of_the_same_function_give_the_same_output() -> None:
    import npu_variants

    image = (photo(1, 48, 64) * 255).round().astype(np.uint8)
    hr = image[:, :, 0].repeat(2, 0).repeat(2, 1)
    plain = net(1, 2, "prelu")
    variants = npu_variants.int8_variants(plain, [Sample("photo.png", image, hr, (image,))])
    assert list(variants) == [f"{a}, {r}" for a in npu_variants.ACTIVATIONS for r in npu_variants.RESIDUALS]
    pixels = image.astype(np.float32) / np.float32(255)
    expected = np.clip(interpreter.run(variants["PRELU, 1x1 conv"][0], pixels), 0, 1)
    for name, (graph, int8) in variants.items():
        activation, residual = name.split(", ")
        operators = tflite.operators(int8)
        assert [operator in operators for operator in ("PRELU", "LEAKY_RELU", "DEPTHWISE_CONV_2D")] == [
            activation == variant for variant in ("PRELU", "one slope", "single")
        ]
        readers = sorted(node.operator for node in int8.nodes if int8.inputs[0] in node.inputs)
        assert readers == (["ADD", "CONV_2D"] if residual == "broadcast" else ["CONV_2D", "CONV_2D"])
        float_result = np.clip(interpreter.run(graph, pixels), 0, 1)
        assert (np.abs(float_result - expected).max() < 1e-5) == (activation != "one slope")
        error = np.mean(np.square(np.clip(interpreter.run(int8, pixels), 0, 1) - float_result))
        assert -10 * np.log10(error) > 30


def test_the_best_variant_is_one_that_the_npu_runs_whole() -> None:
    import npu_variants

    def report(megabytes: float | None, psnr: float) -> CompileReport:
        status = "ok" if megabytes is not None else "partial"
        emulated = EmulationResult(fp32=Difference(1.0, psnr))
        return CompileReport(status, (96, 64), "int8", 1.0, read_mb=megabytes, write_mb=0.0, emulated=emulated)

    few, near, many, none = report(1.0, 40.0), report(1.04, 50.0), report(2.0, 60.0), report(None, 70.0)
    assert npu_variants.best_variant({"one slope, a": report(0.1, 90.0), "few": few, "many": many, "no": none}) == "few"
    assert npu_variants.best_variant({"few": few, "near": near, "many": many}) == "near"
    assert npu_variants.best_variant({"one": none, "two": none}) == "none"
