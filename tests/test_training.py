"""Data and training: pairs of every layout, exact resume, learning that can be measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecbsr_mobile import EcbsrError, Picture, Settings, TorchModel, UsageError, evaluate, images, load, train, zoo
from ecbsr_mobile.data import Crops, pairs
from ecbsr_mobile.training import Report

QUICK = Settings(blocks=1, channels=4, steps=20, batch=4, patch=12, validate_every=10, average=0.9)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for path in zoo.pictures()[:3]:
        images.write(Picture(images.read(path).rgb()[:121, :97]), folder / path.name)
    return folder


@pytest.fixture(scope="module")
def val(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("val")
    images.write(Picture(images.read(zoo.pictures()[4]).rgb()[:60, :60]), folder / "a.png")
    return folder


def test_layouts_give_the_same_pairs(pictures: Path, tmp_path: Path) -> None:
    alone = list(pairs(pictures, 2))
    assert all(p.hr.shape == (120, 96, 3) and p.lr.shape == (60, 48, 3) for p in alone)
    for base, suffix in ((tmp_path / "a", ""), (tmp_path / "b" / "x2", "x2")):
        for pair in alone:
            images.write(Picture(pair.hr), base / "HR" / pair.name)
            images.write(Picture(pair.lr), base / "LR" / f"{Path(pair.name).stem}{suffix}.png")
    for folder in (tmp_path / "a", tmp_path / "b"):
        for ours, expected in zip(pairs(folder, 2), alone, strict=True):
            np.testing.assert_array_equal(ours.lr, expected.lr)
            np.testing.assert_array_equal(ours.hr, expected.hr)
    with pytest.raises(EcbsrError, match="LR folder of another scale"):
        list(pairs(tmp_path / "a", 3))
    (tmp_path / "a" / "LR" / alone[0].name).unlink()
    with pytest.raises(EcbsrError, match=f"no LR picture for {alone[0].name}"):
        list(pairs(tmp_path / "a", 2))


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("scale", [2, 4])
def test_crops_belong_together(pictures: Path, colors: int, scale: int) -> None:
    crops = Crops(pictures, scale, colors, 12)
    low, high = crops.batch(seed=3, step=5, size=16)
    assert low.shape == (16, colors, 12, 12)
    assert high.shape == (16, colors, 12 * scale, 12 * scale)
    means = high.reshape(16, colors, 12, scale, 12, scale).mean(axis=(3, 5))
    assert np.abs(means - low).mean() < 0.02
    again, _ = crops.batch(seed=3, step=5, size=16)
    np.testing.assert_array_equal(again, low)
    assert not np.array_equal(crops.batch(seed=3, step=6, size=16)[0], low)


def test_training_beats_the_network_it_starts_from(pictures: Path, val: Path, tmp_path: Path) -> None:
    reports: list[Report] = []
    settings = replace(QUICK, steps=300, validate_every=100, rate=3e-3, average=0.95, channels=8)
    last = train(pictures, val, tmp_path / "run", settings, on_report=reports.append)
    assert [r.step for r in reports] == [100, 200, 300]
    assert reports[-1].loss < reports[0].loss
    best = load(tmp_path / "run" / "best.safetensors")
    whole, _ = evaluate(TorchModel(best), val)
    assert whole.psnr == pytest.approx(last.best_psnr, abs=1e-3)
    assert whole.psnr > 20


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_resumed_equals_uninterrupted(pictures: Path, val: Path, tmp_path: Path, average: float) -> None:
    settings = replace(QUICK, average=average)
    train(pictures, val, tmp_path / "whole", settings)

    class Cut(Exception):
        pass

    def cut(step: int, _loss: float) -> None:
        if step == 13:
            raise Cut

    with pytest.raises(Cut):
        train(pictures, val, tmp_path / "cut", settings, on_step=cut)
    train(pictures, val, tmp_path / "cut", settings, resume=True)
    whole, cut_off = (torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("whole", "cut"))
    for part in ("net", "averaged"):
        for name, value in whole[part].items():
            assert torch.equal(value, cut_off[part][name]), name
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    assert [json.loads(line)["psnr"] for line in logs[0]] == [json.loads(line)["psnr"] for line in logs[1]]


def test_starts_from_another_scale(pictures: Path, val: Path, tmp_path: Path) -> None:
    start = load(zoo.DEFAULT)
    settings = replace(QUICK, scale=3, blocks=4, channels=16, steps=1, rate=1e-9, average=0.0)
    train(pictures, val, tmp_path / "run", settings, start=start)
    net = load(tmp_path / "run" / "best.safetensors")
    for ours, expected in zip(net.convs[:-1], start.convs[:-1], strict=True):
        assert torch.allclose(ours.weight, expected.weight, atol=1e-5)


def test_refusals(pictures: Path, val: Path, tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match="no such folder"):
        train(tmp_path / "none", val, tmp_path / "run", QUICK)
    with pytest.raises(EcbsrError, match="smaller than a crop"):
        train(pictures, val, tmp_path / "run", replace(QUICK, patch=500))
    with pytest.raises(EcbsrError, match="no such checkpoint"):
        train(pictures, val, tmp_path / "run", QUICK, resume=True)
    assert not (tmp_path / "run").exists()
    train(pictures, val, tmp_path / "run", QUICK)
    with pytest.raises(EcbsrError, match="holds a training run already"):
        train(pictures, val, tmp_path / "run", QUICK)
    with pytest.raises(UsageError, match="seed 0, not 1"):
        train(pictures, val, tmp_path / "run", replace(QUICK, seed=1), resume=True)
    (tmp_path / "run" / "last.ckpt").write_bytes(b"damaged")
    with pytest.raises(EcbsrError, match="damaged"):
        train(pictures, val, tmp_path / "run", QUICK, resume=True)
    shutil.copy(pictures / zoo.pictures()[0].name, tmp_path / "file.png")
    with pytest.raises(EcbsrError, match="is a file, not a folder"):
        train(tmp_path / "file.png", val, tmp_path / "other", QUICK)
    with pytest.raises(UsageError, match="steps 0"):
        replace(QUICK, steps=0)


@pytest.mark.parametrize(("scale", "set5", "set14"), [(2, 37.18, 32.81), (4, 30.87, 27.81)])
def test_published_weights_score_what_was_published(
    checkpoints: Path, benchmark_sets: Path, scale: int, set5: float, set14: float
) -> None:
    with pytest.warns(UserWarning):
        net = load(checkpoints / f"etds_ecbsr_m4c16_x{scale}_rgb_fused.pth")
    for name, published in (("Set5", set5), ("Set14", set14)):
        score, _ = evaluate(TorchModel(net), benchmark_sets / name)
        assert score.psnr == pytest.approx(published, abs=0.03)


def test_rounding_while_training_makes_ranges_small(pictures: Path, val: Path, tmp_path: Path) -> None:
    """Measured on the network that comes out: how far its convolutions' results reach."""
    start = load(zoo.DEFAULT)
    settings = replace(QUICK, blocks=4, channels=16, steps=40, rate=3e-4, average=0.5, validate_every=40, patch=24)
    low = torch.from_numpy(Crops(pictures, 2, 1, 40).batch(9, 9, 8)[0])
    widths = {}
    for rounded in (0.0, 1.0):
        train(pictures, val, tmp_path / str(rounded), replace(settings, rounded=rounded), start=start)
        net = load(tmp_path / str(rounded) / "best.safetensors")
        y, widths[rounded] = low, 0.0
        for conv, act in zip(net.convolutions[:-1], net.acts, strict=True):
            y = conv(y)
            widths[rounded] += float(y.amax() - y.amin())
            y = act(y)
    assert widths[1.0] < widths[0.0]
