from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

import ecbsr_mobile
from ecbsr_mobile import images, tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Graph
from export.convert.onnx_builder import onnx_model
from export.validation import quality
from export.validation.quality import Loss, Reference
from export.validation.sample_images import Sample, samples

LUMA, RGB = "ecbsr-m4c8-x2", "ecbsr-m4c16-rgb-x3"


def reference(name: str) -> Reference:
    net = ecbsr_mobile.load(name)
    return Reference(onnx_model(net), net.architecture.radius)


def file(name: str, precision: str, image: np.ndarray) -> bytes:
    """A bundled file at the size of an image."""
    graph = tflite.read(zoo.tflite(name, precision))
    return tflite.write(tflite.at_size(graph, image.shape[1], image.shape[0]))


def with_shifted_bias(graph: Graph, shift: float) -> Graph:
    tensors = list(graph.tensors)
    index = next(node for node in graph.nodes if node.operator == "CONV_2D").inputs[2]
    tensors[index] = replace(tensors[index], data=(tensors[index].data + shift).astype(tensors[index].dtype))
    return replace(graph, tensors=tuple(tensors))


def to_8_bit_luma(result: np.ndarray) -> np.ndarray:
    pixels = np.floor(np.clip(result, 0, 1) * 255 + 0.5)
    luma = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels @ [65.481, 128.553, 24.966] / 255 + 16
    return np.floor(luma + 0.5)


@pytest.mark.parametrize("name", [LUMA, RGB])
def test_the_loss_is_that_of_scikit_image_on_the_results_of_torch(name: str) -> None:
    net = ecbsr_mobile.load(name)
    arch = net.architecture
    chosen = [replace(sample, lr=sample.lr[:50, :60]) for sample in samples(None, arch.scale, arch.colors)[:2]]
    chosen = [replace(s, hr_luma=s.hr_luma[: 50 * arch.scale, : 60 * arch.scale]) for s in chosen]
    with torch.inference_mode():
        expected = [
            net(torch.from_numpy(sample.image.transpose(2, 0, 1))[None])[0].numpy().transpose(1, 2, 0)
            for sample in chosen
        ]
    inner = slice(arch.scale, -arch.scale)

    def psnr_to_hr(result: np.ndarray, sample: Sample) -> float:
        luma = to_8_bit_luma(result)
        return peak_signal_noise_ratio(sample.hr_luma[inner, inner], luma[inner, inner], data_range=255)

    graph = with_shifted_bias(tflite.read(zoo.tflite(name, "fp32")), 0.02)
    loss = quality.measure(graph, expected, chosen)
    results = [quality.interpreter.run(graph, sample.image) for sample in chosen]
    assert loss.pictures == 2
    assert loss.psnr_float == pytest.approx(np.mean([psnr_to_hr(*pair) for pair in zip(expected, chosen, strict=True)]))
    assert loss.psnr == pytest.approx(np.mean([psnr_to_hr(*pair) for pair in zip(results, chosen, strict=True)]))
    pairs = [(first.clip(0, 1), second.clip(0, 1)) for first, second in zip(expected, results, strict=True)]
    fidelity = [peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs]
    assert loss.fidelity_db == pytest.approx(np.mean(fidelity), abs=1e-4)
    assert loss.drop_db == loss.psnr_float - loss.psnr > 0


@pytest.mark.parametrize("noise", [-3e-7, 3e-7])
def test_the_loss_in_a_file_does_not_depend_on_the_rounding_of_a_processor(noise: float) -> None:
    """Sums in another order give float results that differ by about 1e-7."""
    graph, chosen = tflite.read(zoo.tflite(LUMA, "fp32")), samples(None, 2, 1)[:2]
    expected = [quality.interpreter.run(graph, sample.image) for sample in chosen]
    exact = json.dumps(quality.measure(graph, expected, chosen).to_json())
    noisy = [np.float32(result + noise) for result in expected]
    assert json.dumps(quality.measure(graph, noisy, chosen).to_json()) == exact
    assert '"psnr_drop_db": 0.0, "fidelity_db": null' in exact


@pytest.mark.parametrize("name", [LUMA, RGB])
@pytest.mark.parametrize("size", [(40, 31), (300, 170)])
def test_a_float_file_passes_and_a_wrong_one_does_not(name: str, size: tuple[int, int], random) -> None:
    """At a size that is compared as a whole, and at one of which two corners are."""
    image = random.random((size[1], size[0], 1 if name == LUMA else 3), np.float32)
    onnx = reference(name)
    assert quality.check_float(file(name, "fp32", image), onnx, image, "file") < 1e-5
    wrong = tflite.write(with_shifted_bias(tflite.read(file(name, "fp32", image)), 1e-3))
    with pytest.raises(EcbsrError, match=r"file is \d.*from onnxruntime's result.*the conversion went wrong"):
        quality.check_float(wrong, onnx, image, "file")
    assert quality.float_error(wrong, onnx, image)[0] > 1e-5


def test_a_file_of_another_scale_does_not_pass(random) -> None:
    image = random.random((20, 30, 1), np.float32)
    other = file("ecbsr-m4c16-x3", "fp32", image)
    assert quality.float_error(other, reference(LUMA), image)[0] == float("inf")
    with pytest.raises(EcbsrError, match="file is inf from onnxruntime's result"):
        quality.check_float(other, reference(LUMA), image, "file")


def test_an_int8_file_must_be_as_near_as_it_was_measured() -> None:
    image = samples(None, 2, 1)[0].image
    data, onnx = file(LUMA, "int8", image), reference(LUMA)
    assert 0 < quality.check_int8(data, onnx, image, 50.0, "file") < 0.2
    wrong = tflite.write(with_shifted_bias(tflite.read(data), 20_000))  # int32
    with pytest.raises(EcbsrError, match=r"file is 0\.\d+ \(root mean square\) from onnxruntime's result"):
        quality.check_int8(wrong, onnx, image, 50.0, "file")


@pytest.mark.parametrize(("drop", "passes"), [(-0.2, True), (0.25, True), (0.2501, False), (float("nan"), False)])
def test_the_quality_gate(drop: float, passes: bool) -> None:
    loss = Loss(psnr_float=30.25, psnr=30.25 - drop, fidelity_db=40.0, pictures=5)
    if passes:
        quality.check_drop(loss, 0.25, "net in int8")
        return
    with pytest.raises(EcbsrError, match=r"net in int8 loses .* dB .* on 5 images\), more than the 0.25 dB allowed"):
        quality.check_drop(loss, 0.25, "net in int8")


def test_a_file_that_is_nearer_to_hr_than_to_its_network_is_warned_of() -> None:
    loss = Loss(psnr_float=10.0, psnr=10.3, fidelity_db=17.0, pictures=5)
    quality.check_drop(loss, 0.25, "net in int8")
    assert "net in int8 is only 17.0 dB from the float network" in (quality.far_warning(loss, "net in int8") or "")
    assert quality.far_warning(replace(loss, fidelity_db=30.0), "net in int8") is None
    assert quality.far_warning(replace(loss, fidelity_db=None), "net in int8") is None


def test_a_network_below_bicubic_is_warned_of() -> None:
    sample = samples(None, 2, 1)[0]
    height, width = sample.hr_luma.shape
    enlarged = to_8_bit_luma(images.resize_bicubic(sample.image, (width, height)))[2:-2, 2:-2]
    bicubic = peak_signal_noise_ratio(sample.hr_luma[2:-2, 2:-2], enlarged, data_range=255)
    result = images.resize_bicubic(sample.image, (width, height))
    hr = sample.hr_luma[:, :, None].astype(np.float32) / 255
    below, above = result + 0.05 * (result - hr), result - 0.05 * (result - hr)
    assert f"where bicubic gives {bicubic:.2f} dB" in (quality.below_bicubic_warning([below], [sample]) or "")
    assert quality.below_bicubic_warning([above], [sample]) is None


def test_a_refused_file_is_told_what_would_lose_less() -> None:
    loss = Loss(psnr_float=30.25, psnr=29.25, fidelity_db=40.0, pictures=5)
    with pytest.raises(EcbsrError, match=r"nothing was written; try this, or allow more \(--max-drop\)"):
        quality.check_drop(loss, 0.25, "net in int8", lambda: ["try this"])
