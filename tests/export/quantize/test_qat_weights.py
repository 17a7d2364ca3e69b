"""Weights trained for int8: the exported file computes what the simulation in PyTorch does."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from ecbsr_mobile import Picture, Settings, TfliteModel, TorchModel, evaluate, images, load, tflite, train, zoo
from ecbsr_mobile.quantization.fake_quant import activation_names, fold_steep_slopes
from ecbsr_mobile.tflite import interpreter
from ecbsr_mobile.tflite import recipe as recipes
from export.pipeline import export
from export.quantize.qat_weights import decomposed_graph, qat_ranges
from export.quantize.quantizer import quantize
from tests.helpers.int8 import bundled_image, observed, simulated
from tests.helpers.networks import CASES, graph, net, use_graph

pytestmark = pytest.mark.slow  # the float graph is converted


def pixels(result: np.ndarray) -> np.ndarray:
    return np.round(result * 255).astype(int)


@pytest.mark.parametrize("case", [*CASES, (1, 2, "prelu", "double")])
def test_the_file_gives_the_simulated_pixels(case: tuple) -> None:
    *kind, decomposition = case
    image = bundled_image(kind[0])
    weights = observed(net(*kind), decomposition).weights()
    decomposed = decomposed_graph(graph(*kind), weights)
    result = interpreter.run(quantize(decomposed, qat_ranges(decomposed, weights)), image[0].permute(1, 2, 0).numpy())
    difference = np.abs(pixels(result) - pixels(simulated(weights, image)))
    assert np.mean(difference <= 1) >= 0.999
    assert np.mean(difference == 0) > 0.8
    # The result is that of int8: it differs from the float network's by more than rounding.
    float_result = weights.net(image)[0].numpy().transpose(1, 2, 0)
    assert 20 < -10 * np.log10(np.mean((result - np.clip(float_result, 0, 1)) ** 2)) < 70


def test_export_uses_trained_int8_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = fold_steep_slopes(net(1, 2, "prelu"))
    weights, image = observed(plain).weights(), bundled_image(1)
    plain.int8 = {weights.decomposition: weights}
    use_graph(monkeypatch, graph(1, 2, "prelu"))
    (file,) = export(plain, tmp_path, precisions=["int8"], sizes=["200x150"], max_drop=20).files
    exported = tflite.read(file.path.read_bytes())
    recipe = recipes.read(exported)
    assert recipe["calibration"]["method"] == "learned in training"
    assert len(recipe["calibration"]["ranges"]) == len(activation_names(plain.architecture, weights.decomposition))
    result = interpreter.run(exported, image[0].permute(1, 2, 0).numpy())
    assert np.mean(pixels(result) == pixels(simulated(weights, image))) > 0.999


def test_the_psnr_of_int8_training_is_that_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And higher than before training; resuming changes nothing."""
    for folder, paths in (("train", zoo.pictures()[:2]), ("val", zoo.pictures()[4:5])):
        for path in paths:
            images.write(Picture(images.read(path).rgb()[:120, :120]), tmp_path / folder / path.name)
    plain, image = net(1, 2, "prelu"), bundled_image(1)
    shape = asdict(plain.architecture)
    del shape["residual"]  # a network that is trained has one
    settings = Settings(**shape, int8="single", steps=40, batch=8, patch=24, validate_every=20, ema_decay=0.5)
    folders = tmp_path / "train", tmp_path / "val"
    reports = []
    done = train(*folders, tmp_path / "out", settings, plain, on_report=reports.append)
    assert done.best_psnr > evaluate(TorchModel(plain), folders[1])[0].psnr + 0.5  # its weights were random
    trained = load(tmp_path / "out" / "best.safetensors")
    assert torch.equal(trained(image), plain(image))
    use_graph(monkeypatch, graph(1, 2, "prelu"))
    (file,) = export(trained, tmp_path, precisions=["int8"], sizes=["60x60"], max_drop=30).files
    score = evaluate(TfliteModel(file.path), folders[1])[0]
    assert abs(score.psnr - done.best_psnr) < 0.01
    again = train(*folders, tmp_path / "out", settings, plain, resume=True)
    assert again == reports[-1]
