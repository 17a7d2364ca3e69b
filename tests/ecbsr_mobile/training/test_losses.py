"""Losses against scikit-image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from ecbsr_mobile import load, zoo
from ecbsr_mobile.training.crops import Crops
from ecbsr_mobile.training.losses import ROUNDING_MSE, Distillation, distillation_loss, psnr_loss
from ecbsr_mobile.training.trainer import Trainer
from tests.helpers.training import QUICK


def test_psnr_loss_is_the_negative_mean_psnr(random: np.random.Generator) -> None:
    high = random.random((3, 1, 16, 16)).astype(np.float32)
    ours = high + random.standard_normal(high.shape).astype(np.float32) * 0.1
    psnr = [peak_signal_noise_ratio(h, o, data_range=1) for h, o in zip(high, ours, strict=True)]
    loss = psnr_loss(torch.from_numpy(ours), torch.from_numpy(high))
    assert float(loss) == pytest.approx(-np.mean(psnr), abs=0.1)


def test_psnr_loss_of_rgb_is_half_that_of_luma(random: np.random.Generator) -> None:
    high, noise = random.random((3, 8, 8, 3)), random.standard_normal((3, 8, 8, 3)) * 0.1
    ours = high + noise
    rgb = [peak_signal_noise_ratio(h, o, data_range=1) for h, o in zip(high, ours, strict=True)]
    luma = [
        peak_signal_noise_ratio(rgb2ycbcr(h)[..., 0], rgb2ycbcr(o)[..., 0], data_range=255)
        for h, o in zip(high, ours, strict=True)
    ]
    loss = psnr_loss(*(torch.from_numpy(np.moveaxis(x, 3, 1)) for x in (ours, high)))
    assert float(loss) == pytest.approx(-(np.mean(rgb) + np.mean(luma)) / 2, abs=0.1)


def test_distillation_loss_is_relative_to_the_error_of_the_float_network(random: np.random.Generator) -> None:
    ours, float_result = random.random((2, 3, 1, 16, 16)).astype(np.float32)
    float_mse = np.float32([0.1, 0.2, 0.05])
    mse = [mean_squared_error(t, o) for t, o in zip(float_result, ours, strict=True)]
    loss = distillation_loss(*map(torch.from_numpy, (ours, float_result, float_mse)))
    assert float(loss) == pytest.approx(np.mean(mse / (float_mse + ROUNDING_MSE)), rel=1e-5)


def test_the_float_net_is_measured_on_whole_8_bit_images(train_images: Path) -> None:
    float_net, crops = load(zoo.DEFAULT), Crops(train_images, 2, 1, 12)
    distillation = Distillation(float_net, torch.device("cpu"))
    distillation.measure(crops)
    for (high, low), mse in zip(crops.images, distillation.mse.tolist(), strict=True):
        rounded = np.round(low / np.float32(256)) / 255  # luma is stored in units of 1/256 of an 8-bit value
        upscaled = float_net(torch.from_numpy(rounded.astype(np.float32))[None])[0].clamp(0, 1).numpy()
        assert mse == pytest.approx(mean_squared_error(high / (256 * 255), upscaled), rel=1e-4)


def test_the_loss_of_a_step_is_that_of_its_crops_and_their_images(train_images: Path) -> None:
    start, crops = load("ecbsr-m4c8-x2"), Crops(train_images, 2, 1, 12)
    trainer = Trainer(replace(QUICK, blocks=4, channels=8, int8="single", loss="distill"), start)
    trainer.prepare(crops)
    distillation = Distillation(start, torch.device("cpu"))
    distillation.measure(crops)
    low, _, chosen = trainer.batch(0)
    expected = distillation(trainer.net(low), low, chosen[:, 0]).item()
    assert float(trainer.train_step(*trainer.batch(0))) == pytest.approx(expected)
