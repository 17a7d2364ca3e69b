"""Scores against published ones, and their means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile import EcbsrError, Picture, Score, TorchModel, evaluate, images, load, upscale, zoo
from ecbsr_mobile.dataset import Pair
from ecbsr_mobile.evaluation import mean, score
from ecbsr_mobile.layers import bias_of


@pytest.mark.parametrize(("scale", "set5", "set14"), [(2, 37.18, 32.81), (4, 30.87, 27.81)])
def test_published_weights_have_the_published_scores(
    checkpoints: Path, benchmark_sets: Path, scale: int, set5: float, set14: float
) -> None:
    with pytest.warns(UserWarning):
        net = load(checkpoints / f"etds_ecbsr_m4c16_x{scale}_rgb_fused.pth")
    for name, published in (("Set5", set5), ("Set14", set14)):
        score, _ = evaluate(TorchModel(net), benchmark_sets / name)
        assert score.psnr == pytest.approx(published, abs=0.03)


def test_a_set_has_the_arithmetic_mean_of_each_score() -> None:
    scores = [Score("a", 1, 30.0, 0.8, 28.0, 0.7), Score("b", 1, 34.0, 0.9, 30.0, 0.8)]
    assert mean("set", scores) == Score("set", 2, 32.0, pytest.approx(0.85), 29.0, pytest.approx(0.75))


def test_a_flat_image_and_a_narrow_one_do_not_decide_the_mean_of_a_set(tmp_path: Path) -> None:
    cat = images.read(zoo.pictures()[0]).pixels
    hr = {"cat": cat[:64, :64], "black": np.zeros((32, 32, 3), np.uint8), "narrow": cat[:64, :14]}
    for name, pixels in hr.items():
        images.write(Picture(pixels), tmp_path / f"{name}.png")
    model = TorchModel(load("ecbsr-m4c8-x2"))
    whole, (black, first, narrow) = evaluate(model, tmp_path)
    assert black.bicubic_psnr == 100 and np.isnan(narrow.ssim)
    assert whole.bicubic_psnr == pytest.approx((100 + first.bicubic_psnr + narrow.bicubic_psnr) / 3)
    assert whole.ssim == pytest.approx((first.ssim + black.ssim) / 2)


def test_a_network_its_name_and_its_file_are_models(tmp_path: Path) -> None:
    images.write(images.read(zoo.pictures()[0]), tmp_path / "p.png")
    net = load("ecbsr-m4c8-x2")
    expected = evaluate(TorchModel(net), tmp_path)
    assert evaluate(net, tmp_path) == expected
    path = zoo.tflite("ecbsr-m4c8-x2", "int8")
    assert evaluate(path, tmp_path) == evaluate("ecbsr-m4c8-x2-int8", tmp_path) != expected


def test_an_image_without_a_pixel_inside_the_border_is_named(tmp_path: Path) -> None:
    cat = images.read(zoo.pictures()[0]).pixels
    images.write(Picture(cat[:64, :64]), tmp_path / "cat.png")
    images.write(Picture(cat[:4, :64]), tmp_path / "flat.png")
    failures: list[str] = []
    whole, _ = evaluate(TorchModel(load("ecbsr-m4c8-x2")), tmp_path, failures=failures)
    assert whole.pictures == 1
    assert failures == [
        f"{tmp_path / 'flat.png'}: is smaller than 6x6 pixels, too small to be measured at x2; remove it"
    ]


def test_results_that_are_no_pixels_are_refused() -> None:
    cat = images.read(zoo.pictures()[0])
    net = load("ecbsr-m4c8-x2")
    bias_of(net.convolutions[0])[0] = float("nan")
    model = TorchModel(net)
    with pytest.raises(EcbsrError, match="ecbsr-m4c8-x2 gives infinities or NaN for this image; check its weights"):
        upscale(cat.pixels, model)
    with pytest.raises(EcbsrError, match="infinities or NaN"):
        score(model, Pair("cat", cat.pixels[:64, :64], cat.pixels[:32, :32]))


def test_a_set_is_named_by_its_folder_however_that_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.write(Picture(images.read(zoo.pictures()[0]).pixels[:32, :32]), tmp_path / "Set1" / "a.png")
    (tmp_path / "Set1" / "below").mkdir()
    model = TorchModel(load("ecbsr-m4c8-x2"))
    for place, folder in (("Set1", "."), ("Set1/below", "..")):
        monkeypatch.chdir(tmp_path / place)
        assert evaluate(model, folder)[0].name == "Set1"
