"""Steps: what the optimizers and fake quantization do to a network, and a GPU against a CPU."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecbsr_mobile import ECBSR, Settings, UsageError, load
from ecbsr_mobile.network import PlainNet
from ecbsr_mobile.quantization.qparams import LEAKY_SLOPES
from ecbsr_mobile.training.crops import Crops
from ecbsr_mobile.training.gpu_crops import GpuCrops
from ecbsr_mobile.training.settings import DEFAULT_LR, Optimizer
from ecbsr_mobile.training.trainer import Trainer
from tests.helpers.training import QUICK


def trained(settings: Settings, crops: Crops, start: PlainNet | None = None) -> tuple[Trainer, float]:
    """A trainer after all its steps, and the mean loss of the second half."""
    trainer = Trainer(settings, start)
    trainer.prepare(crops)
    losses = [float(trainer.train_step(*trainer.batch(step))) for step in range(settings.steps)]
    return trainer, float(np.mean(losses[settings.steps // 2 :]))


@pytest.mark.slow
def test_soap_learns_faster_than_adam(train_images: Path) -> None:
    crops = Crops(train_images, 2, 1, 12)
    losses = {
        optimizer: trained(replace(QUICK, optimizer=optimizer, lr=lr, channels=8, steps=200), crops)[1]
        for optimizer, lr in DEFAULT_LR.items()
    }
    assert losses["soap"] < 0.9 * losses["adam"]


@pytest.mark.slow
def test_fake_quantization_makes_ranges_small(train_images: Path) -> None:
    """Measured on the trained network: the ranges of its convolutions' results."""
    start = load("ecbsr-m4c8-x2")  # its ranges are small; here those of every other channel become eight times as wide
    for conv, following in pairwise(start.convolutions):
        conv.weight[::2] *= 8
        conv.bias[::2] *= 8
        following.weight[:, ::2] /= 8
    settings = replace(QUICK, blocks=4, channels=8, steps=120, lr=1e-3, ema_decay=0.9, patch=24)
    crops = Crops(train_images, 2, 1, 24)
    low = torch.from_numpy(crops.batch(9, 9, 8)[0])
    widths = {}
    for ratio in (0.0, 1.0):
        net = trained(replace(settings, fake_quant_ratio=ratio), crops, start)[0].model()
        y, widths[ratio] = low, 0.0
        for conv, act in zip(net.convolutions[:-1], net.acts, strict=True):
            y = conv(y)
            widths[ratio] += float(y.amax() - y.amin())
            y = act(y)
    assert widths[1.0] < widths[0.0]


def test_the_average_starts_with_the_first_step_and_decays(train_images: Path) -> None:
    """Like TensorFlow's ExponentialMovingAverage with num_updates, but without the weights before the first step."""
    trainer = Trainer(replace(QUICK, ema_decay=0.25))
    trainer.prepare(Crops(train_images, 2, 1, 12))
    expected: list[torch.Tensor] = []
    for decay in (0.0, 2 / 11, 3 / 12, 0.25, 0.25):  # (1 + n)/(10 + n), then ema_decay
        trainer.train_step(*trainer.batch(trainer.step))
        weights = [parameter.detach().clone() for parameter in trainer.net.parameters()]
        expected = [decay * a + (1 - decay) * w for a, w in zip(expected or weights, weights, strict=True)]
        for average, value in zip(trainer.ema.parameters(), expected, strict=True):
            torch.testing.assert_close(average.detach(), value)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_slopes_stay_in_what_an_int8_leaky_relu_can_have(train_images: Path, optimizer: Optimizer) -> None:
    settings = replace(QUICK, activation="leaky", optimizer=optimizer)
    start = ECBSR(settings.blocks, settings.channels, activation="leaky").collapse()
    start.acts[0].weight.fill_(-0.5)
    trainer = Trainer(settings, start)
    trainer.prepare(Crops(train_images, 2, 1, 12))
    for step in range(2):
        trainer.train_step(*trainer.batch(step))
    assert all(LEAKY_SLOPES[0] <= float(act.weight.item()) <= LEAKY_SLOPES[1] for act in trainer.model().acts)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"fake_quant_ratio": 0.5}, {"optimizer": "soap"}, {"colors": 3, "loss": "psnr"}])
def test_a_step_that_cuts_its_crops_itself_is_the_same(train_images: Path, options: dict[str, Any]) -> None:
    """As a trainer on a GPU does."""
    settings = replace(QUICK, **options)
    crops = Crops(train_images, 2, settings.colors, 12)
    cutting, given = Trainer(settings), Trainer(settings)
    for trainer in (cutting, given):
        trainer.prepare(crops)
    cutting._gpu_crops = GpuCrops(crops, torch.device("cpu"))
    for step in range(3):
        low, high, chosen = given.batch(step)
        assert torch.equal(cutting.train_step(chosen), given.train_step(low, high, chosen))


def test_int8_training_refuses_what_it_cannot_start_from() -> None:
    with pytest.raises(UsageError, match="starts from trained float weights"):
        Trainer(Settings(int8="single"))
    with pytest.raises(UsageError, match="are ecbsr-m1c4-x2, not ecbsr-m4c16-x2"):
        Trainer(Settings(int8="native"), ECBSR(1, 4).collapse())


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"colors": 3}, "ecbsr-m1c4-rgb-x2.* 3 colors, not 1; train with --colors 3"),
        ({"blocks": 3}, "ecbsr-m3c4-x2.* larger .*ecbsr-m2c8-x2.*--blocks 3 --channels 8 or more"),
        ({"channels": 9}, "ecbsr-m1c9-x2.* larger .*--blocks 2 --channels 9 or more, or learn from them"),
    ],
)
def test_weights_of_which_nothing_could_be_used_are_refused(start: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Trainer(Settings(blocks=2, channels=8), ECBSR(**{"blocks": 1, "channels": 4, **start}).collapse())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    ("options", "loss_tolerance", "tolerance"),
    [
        ({"fake_quant_ratio": 0.5}, 0.01, 1e-3),
        ({"colors": 3, "loss": "psnr"}, 0.01, 1e-3),
        # Nearly equal eigenvalues, and values near the middle between two integers, are decided differently.
        ({"optimizer": "soap", "loss": "psnr", "lr": 1e-3}, 0.05, 1e-2),
        ({"int8": "single", "loss": "distill"}, 0.25, 1e-2),
    ],
    ids=["adam", "rgb", "soap", "int8"],
)
def test_steps_on_a_gpu_equal_those_on_a_cpu(
    train_images: Path, options: dict[str, Any], loss_tolerance: float, tolerance: float
) -> None:
    """Twenty steps; those of a float network are replayed from a CUDA graph, except for the first ones."""
    settings = replace(QUICK, **options)
    crops = Crops(train_images, 2, settings.colors, 12)
    start = ECBSR(1, 4, 2, settings.colors).collapse() if settings.int8 else None
    gpu, cpu = Trainer(settings, start, torch.device("cuda")), Trainer(settings, start)
    for trainer in (gpu, cpu):
        trainer.prepare(crops)
    for step in range(20):
        with torch.backends.cudnn.flags(allow_tf32=False):
            ours = gpu.train_step(*gpu.batch(step))
        expected = cpu.train_step(*cpu.batch(step))
        assert float(ours) == pytest.approx(float(expected), rel=loss_tolerance)
    for average, expected in zip(gpu.ema.parameters(), cpu.ema.parameters(), strict=True):
        torch.testing.assert_close(average.cpu(), expected, rtol=1e-2, atol=tolerance)
