"""The int8 network in torch against the file that the TFLite interpreter runs, and what training makes of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ecbsr_mobile import (
    EcbsrError,
    Picture,
    PlainNet,
    Settings,
    TfliteModel,
    TorchModel,
    UsageError,
    evaluate,
    images,
    load,
    save,
    train,
    zoo,
)
from ecbsr_mobile.network import Int8Weights
from ecbsr_mobile.quantization.fake_quant import FakeQuantNet, activation_names, fold_steep_slopes
from export import recipe as recipes
from export import tflite
from export.pipeline import export
from export.quantize.qat_weights import decomposition_for, qat_ranges, with_qat_weights
from export.quantize.quantizer import quantize
from export.tflite import interpreter
from export.transforms.prelu import decompose_prelu
from tests.helpers import networks
from tests.helpers.networks import CASES, net, use_graph


def photo(colors: int) -> torch.Tensor:
    """A bundled picture of 8 bits, [1, colors, 150, 200]."""
    rgb = images.read(zoo.pictures()[0]).rgb()[:150, :200]
    planes = rgb if colors == 3 else images.luma(rgb).round()[:, :, None]
    return torch.from_numpy(planes.transpose(2, 0, 1).astype(np.float32))[None] / 255


def pixels(result: np.ndarray) -> np.ndarray:
    return np.round(result * 255).astype(int)


def simulated(weights: Int8Weights, image: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return FakeQuantNet(weights.net, weights.decomposition, weights.ranges)(image)[0].numpy().transpose(1, 2, 0)


def observed(case: tuple) -> Int8Weights:
    """The int8 form of the test network, with ranges as a picture has them."""
    learned = FakeQuantNet(fold_steep_slopes(net(*case[:3])), decomposition_for(case[3]))
    learned.observe(photo(case[0]))
    return learned.weights()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_file_gives_the_simulated_pixels(case) -> None:
    weights, image = observed(case), photo(case[0])
    formed = decompose_prelu(with_qat_weights(networks.graph(*case[:3]), weights.net), case[3])
    result = interpreter.run(quantize(formed, qat_ranges(formed, weights)), image[0].permute(1, 2, 0).numpy())
    apart = np.abs(pixels(result) - pixels(simulated(weights, image)))
    assert np.mean(apart <= 1) >= 0.999
    assert np.mean(apart == 0) > 0.8
    # It is int8, not float: most of the values between are not those of the float network.
    float_result = weights.net(image)[0].numpy().transpose(1, 2, 0)
    assert 20 < -10 * np.log10(np.mean((result - np.clip(float_result, 0, 1)) ** 2)) < 70


@pytest.mark.parametrize("activation", ["prelu", "relu", "leaky"])
def test_without_steep_is_the_same_function(activation) -> None:
    plain = net(1, 2, activation).double()
    other = fold_steep_slopes(plain).double()
    x = torch.rand(1, 1, 20, 20, dtype=torch.float64)
    assert (other(x) - plain(x)).abs().max() < 1e-6
    if activation == "prelu":
        assert max(act.weight.max().item() for act in other.acts) <= 1 < max(a.weight.max().item() for a in plain.acts)
    plain.float()


def test_ranges_learn_to_hold_what_matters() -> None:
    """From ranges four times too wide and twice too narrow, training comes back near the observed ones' error."""
    image = photo(1)[:, :, :96, :96].contiguous(memory_format=torch.channels_last)
    plain = net(1, 2, "prelu")
    wanted = plain(image).clamp(0, 1)

    def error(learned: FakeQuantNet) -> float:
        with torch.no_grad():
            return float(F.mse_loss(learned(image), wanted))

    good = FakeQuantNet(fold_steep_slopes(plain))
    good.observe(image)
    for factor in (4.0, 0.5):
        learned = FakeQuantNet(fold_steep_slopes(plain), ranges=good.ranges.detach() * factor)
        before = error(learned)
        optimizer = torch.optim.Adam([learned.ranges], lr=0.02)
        for _ in range(150):
            optimizer.zero_grad()
            F.mse_loss(learned(image), wanted).backward()
            optimizer.step()
        assert error(learned) < 0.5 * before


def test_gradients_pass_the_rounding() -> None:
    """Against finite differences of the float network, which the int8 one follows from afar."""
    image = photo(1)[:, :, :64, :64].contiguous(memory_format=torch.channels_last)
    plain = fold_steep_slopes(net(1, 2, "prelu")).requires_grad_(True)
    learned = FakeQuantNet(plain)
    learned.observe(image)
    target = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    gradients = []
    for forward in (learned, plain):
        plain.zero_grad()
        F.mse_loss(forward(image), target).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in plain.parameters()]))
    assert F.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.95


def test_int8_weights_survive_a_file(tmp_path: Path) -> None:
    weights, path = observed((1, 2, "prelu", "cpu")), tmp_path / "w.safetensors"
    plain = PlainNet(net(1, 2, "prelu").architecture)
    plain.load_state_dict(net(1, 2, "prelu").state_dict())
    plain.int8 = {weights.decomposition: weights}
    save(plain, path)
    back = load(path)
    assert set(back.int8) == {"depthwise"}
    np.testing.assert_array_equal(simulated(back.int8["depthwise"], photo(1)), simulated(weights, photo(1)))
    assert torch.equal(back(photo(1)), plain(photo(1)))
    plain.int8 = {weights.decomposition: Int8Weights(weights.decomposition, weights.net, weights.ranges[:-1])}
    save(plain, path)
    with pytest.raises(EcbsrError, match="int8 ranges do not fit"):
        load(path)


@pytest.mark.slow
def test_export_takes_what_was_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = observed((1, 2, "prelu", "cpu"))
    plain = fold_steep_slopes(net(1, 2, "prelu"))
    plain.int8 = {weights.decomposition: weights}
    use_graph(monkeypatch, networks.graph(1, 2, "prelu"))
    (file,) = export(plain, tmp_path, precisions=["int8"], sizes=["200x150"], max_drop=20).files
    graph = tflite.read(file.path.read_bytes())
    recipe = recipes.read(graph)
    assert recipe["calibration"]["method"] == "learned in training"
    assert len(recipe["calibration"]["ranges"]) == len(activation_names(plain.architecture, weights.decomposition))
    result = interpreter.run(graph, photo(1)[0].permute(1, 2, 0).numpy())
    assert np.mean(pixels(result) == pixels(simulated(weights, photo(1)))) > 0.999


@pytest.mark.slow
def test_training_for_int8_ends_in_a_file_of_the_same_quality(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The validation's PSNR is the exported file's, and better than before training; resuming changes nothing."""
    for folder, paths in (("train", zoo.pictures()[:2]), ("val", zoo.pictures()[4:5])):
        for path in paths:
            images.write(Picture(images.read(path).rgb()[:120, :120]), tmp_path / folder / path.name)
    arch = asdict(net(1, 2, "prelu").architecture)
    settings = Settings(**arch, int8="depthwise", steps=40, batch=8, patch=24, validate_every=20, ema_decay=0.5)
    folders = tmp_path / "train", tmp_path / "val"
    reports = []
    done = train(*folders, tmp_path / "out", settings, net(1, 2, "prelu"), on_report=reports.append)
    assert done.best_psnr > evaluate(TorchModel(net(1, 2, "prelu")), folders[1])[0].psnr + 0.5  # it was random
    kept = load(tmp_path / "out" / "best.safetensors")
    assert torch.equal(kept(photo(1)), net(1, 2, "prelu")(photo(1)))
    use_graph(monkeypatch, networks.graph(1, 2, "prelu"))
    (file,) = export(kept, tmp_path, precisions=["int8"], sizes=["60x60"], max_drop=30).files
    score = evaluate(TfliteModel(file.path), folders[1])[0]
    assert abs(score.psnr - done.best_psnr) < 0.01
    again = train(*folders, tmp_path / "out", settings, net(1, 2, "prelu"), resume=True)
    assert again == reports[-1]


def test_training_for_int8_says_what_it_needs(tmp_path: Path) -> None:
    for path in zoo.pictures()[:1]:
        images.write(Picture(images.read(path).rgb()[:80, :80]), tmp_path / "data" / path.name)
    with pytest.raises(UsageError, match="starts from trained float weights"):
        train(tmp_path / "data", tmp_path / "data", tmp_path / "out", Settings(int8="depthwise", steps=1))
    with pytest.raises(UsageError, match="are ecbsr-m2c8-x2, not ecbsr-m4c16-x2"):
        train(
            tmp_path / "data", tmp_path / "data", tmp_path / "out", Settings(int8="native", steps=1), net(1, 2, "prelu")
        )
    with pytest.raises(UsageError, match="leave out fake_quant_ratio and bf16"):
        Settings(int8="native", bf16=True)
