"""Fine-tuning an int8 network, with the float network's results on sample images as targets; needs no HR."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import images
from ecbsr_mobile.utils.one_thread import one_thread
from ecbsr_mobile.utils.progress import Notify, with_percent

from ..validation.sample_images import Sample
from .distillation import expected_loss, targets

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ecbsr_mobile.architecture import Architecture
    from ecbsr_mobile.network import Int8Weights, PlainNet
    from ecbsr_mobile.quantization.fake_quant import FakeQuantNet

BATCH = 8
PATCH = 32  # LR pixels along a side of a crop
PARTS = 2  # parts of a batch whose gradients are computed side by side, on however many cores there are
WARMUP_STEPS = 50
EMA_DECAY = 0.98  # of the weights that are validated: rounding makes single steps noisy
VALIDATIONS = 12
PATIENCE = 5  # validations without a gain after which the rest of the steps is left out
HELD_OUT = 3  # every third image is validated on, not learned from

LEARNING_RATE = 1e-3
"""Largest change of a weight in a step, relative to the root mean square of its tensor, for five layers of 16 channels;
it falls with the square root of channels times layers."""

SLOPE_RATE, RANGE_RATE = 0.1, 0.1
"""The same of slopes, relative to 1, and of the ranges of tensors, relative to the learning rate. The ranges of single
channels stay as calibrated: crops do not contain the rare values that decide them."""


@dataclass(frozen=True, eq=False)
class FinetuneResult:
    """Fine-tuned weights and ranges.

    Attributes:
        weights: the best that were validated; the initial ones if none is better.
        steps: the optimizer step that they are from; 0 for the initial ones.
        taken: number of steps taken.
        loss_db: expected loss on the held-out images before fine-tuning and of `weights`, in dB.
        pictures: file names of the held-out images.
        interrupted: whether Ctrl-C ended it.
    """

    weights: Int8Weights
    steps: int
    taken: int
    loss_db: tuple[float, float]
    pictures: tuple[str, ...]
    interrupted: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values for the recipe."""
        return {
            "steps": self.steps,
            "taken": self.taken,
            "crops_per_step": BATCH,
            "held_out": list(self.pictures),
            "expected_loss_db": [round(loss, 4) for loss in self.loss_db],
            **({"interrupted": True} if self.interrupted else {}),
        }


def default_steps(architecture: Architecture) -> int:
    """Steps of fine-tuning that suit a network: the larger it is, the longer each takes."""
    return max(400, min(3000, round(2000 * (1e4 / architecture.multiplications) ** 0.3 / 100) * 100))


def finetune(
    net: PlainNet,
    start: Int8Weights,
    samples: Sequence[Sample],
    steps: int,
    progress: Notify | None = None,
    held_out: Sequence[Sample] | None = None,
    rate: float = LEARNING_RATE,
) -> FinetuneResult:
    """Train int8 weights with fake quantization to give the float network's results.

    The same input gives the same weights: each operation runs on one thread, and the batch is split in `PARTS` wherever
    it runs. Ctrl-C ends it with the best so far.

    Args:
        net: the float network; not changed.
        start: calibrated weights and ranges.
        samples: images; random crops of their LR views are trained on.
        steps: largest number of optimizer steps.
        progress: called with a message at each percent.
        held_out: images to validate on; None for every third of `samples`, which is then not trained on.
        rate: see `LEARNING_RATE`.
    """
    import torch

    from ecbsr_mobile.quantization.fake_quant import FakeQuantNet

    learned = samples
    if held_out is None:
        held_out, learned = _split(samples)
    with one_thread(), ThreadPoolExecutor(PARTS) as pool:
        measured = targets(net, held_out)
        student = FakeQuantNet(deepcopy(start.net), start.decomposition, start.ranges, start.channel_ranges)
        student = student.requires_grad_(True).to(memory_format=torch.channels_last)
        if student.channel_ranges is not None:
            student.channel_ranges.requires_grad_(False)
        average = deepcopy(student).requires_grad_(False)
        initial = best = expected_loss(student, measured)
        result, best_step, taken, without_gain, interrupted = start, 0, 0, 0, False
        crops = _Crops([view for sample in learned for view in sample.views])
        optimizer = _Adam(_units(student))
        validate_every = max(1, steps // VALIDATIONS)
        try:
            for step in range(steps):
                if progress and step * 100 // steps > (step - 1) * 100 // steps:
                    gained = f"expected loss {initial:.3f} → {best:.3f} dB"
                    progress(with_percent("fine-tuning", step, steps, gained))
                _set_gradients(student, net, crops.batch(step), pool)
                optimizer.step(rate * _share_of_rate(step, steps, student.architecture))
                _average(average, student, step)
                taken = step + 1
                if taken % validate_every == 0 or taken == steps:
                    loss = expected_loss(average, measured)
                    without_gain += 1
                    if loss < best:
                        result, best, best_step, without_gain = average.weights(), loss, taken, 0
                    # The first steps, at the full rate, can cost more than they gain.
                    if without_gain >= PATIENCE and taken > steps // 2:
                        break
        except KeyboardInterrupt as interrupt:
            if interrupt.args and interrupt.args[0] != signal.SIGINT:
                raise  # whoever sends SIGTERM does not wait for the rest
            interrupted = True
    pictures = tuple(sample.name for sample in held_out)
    return FinetuneResult(result, best_step, taken, (initial, best), pictures, interrupted)


def _split(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Images to validate on and images to learn from; fewer than three are all used for both."""
    if len(samples) < HELD_OUT:
        return list(samples), list(samples)
    held_out = [sample for number, sample in enumerate(samples) if number % HELD_OUT == HELD_OUT - 1]
    return held_out, [sample for number, sample in enumerate(samples) if number % HELD_OUT != HELD_OUT - 1]


def _units(student: FakeQuantNet) -> list[tuple[Tensor, Tensor]]:
    """Each parameter that is learned, and the units of its values' learning rates, which it is broadcast with.

    The unit of a weight is the typical size of its row times that of its column, so that a network learns the same
    however its channels are scaled.
    """
    import torch

    units: list[tuple[Tensor, Tensor]] = []
    for weight, bias, slope in student.net.layers():
        squares = weight.detach().square().mean((2, 3)) + 1e-12
        rows, columns = squares.mean(1, keepdim=True), squares.mean(0, keepdim=True)
        unit = (rows * columns / squares.mean()).sqrt()
        units += [(weight, unit[:, :, None, None]), (bias, unit.log().mean(1).exp())]
        if slope is not None:
            units.append((slope, torch.tensor(SLOPE_RATE)))
    if student.channel_ranges is None and len(student.ranges):
        unit = RANGE_RATE * student.ranges.detach().abs().amax(1, keepdim=True)
        units.append((student.ranges, unit))
    else:
        student.ranges.requires_grad_(False)
    return units


class _Adam:
    """Adam with a learning rate per value (D. Kingma and J. Ba, ICLR 2015)."""

    def __init__(self, units: Sequence[tuple[Tensor, Tensor]]) -> None:
        self.units = units
        self.moments = [(parameter.detach() * 0, parameter.detach() * 0) for parameter, _ in units]
        self.steps = 0

    def step(self, rate: float) -> None:
        """Change each value by up to about `rate` times its unit."""
        import torch

        self.steps += 1
        with torch.no_grad():
            for (parameter, unit), (mean, square) in zip(self.units, self.moments, strict=True):
                assert parameter.grad is not None
                mean.lerp_(parameter.grad, 0.1)
                square.lerp_(parameter.grad.square(), 0.001)
                size = (square / (1 - 0.999**self.steps)).sqrt_() + 1e-15
                parameter.sub_(rate / (1 - 0.9**self.steps) * unit * mean / size)


def _share_of_rate(step: int, steps: int, architecture: Architecture) -> float:
    """Rises for `WARMUP_STEPS`, then falls to 0: half a cosine; smaller for larger networks."""
    size = architecture.channels * (architecture.blocks + 1) / (16 * 5)
    warmup = min(1.0, (step + 1) / WARMUP_STEPS)
    return min(1.0, size**-0.5) * warmup * 0.5 * (1 + math.cos(math.pi * step / steps))


def _set_gradients(student: FakeQuantNet, net: PlainNet, batch: Tensor, pool: ThreadPoolExecutor) -> None:
    """Set the gradients of the mean squared distance to the float network's results on a batch.

    The parts run side by side, and are summed in a fixed order.
    """
    import torch

    parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]

    def gradients(image: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            target = net(image).clamp_(0, 1)
        error: Tensor = torch.nn.functional.mse_loss(student(image), target)
        return torch.autograd.grad(error, parameters)

    parts = list(pool.map(gradients, torch.split(batch, BATCH // PARTS)))
    for parameter, *of_parts in zip(parameters, *parts, strict=True):
        parameter.grad = sum(of_parts[1:], start=of_parts[0]) / PARTS


def _average(average: FakeQuantNet, student: FakeQuantNet, step: int) -> None:
    import torch

    decay = min(EMA_DECAY, (step + 1) / (step + 10))
    with torch.no_grad():
        for mean, value in zip(average.parameters(), student.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)


class _Crops:
    """Random crops of 8-bit images [h, w, C], flipped and rotated; a batch depends only on its number."""

    def __init__(self, views: Sequence[NDArray[np.uint8]]) -> None:
        self.images = [images.pad_to_size(view, (PATCH, PATCH)) for view in views]
        areas = np.array([image.shape[0] * image.shape[1] for image in self.images], np.float64)
        self.chances = areas / areas.sum()

    def batch(self, number: int) -> Tensor:
        """[`BATCH`, C, `PATCH`, `PATCH`] in [0, 1], channels last."""
        import torch

        random = np.random.default_rng(number)
        chosen = []
        for index in random.choice(len(self.images), BATCH, p=self.chances):
            image = self.images[index]
            top, left = (int(random.integers(side - PATCH + 1)) for side in image.shape[:2])
            crop = image[top : top + PATCH, left : left + PATCH]
            transform = int(random.integers(8))
            chosen.append(np.rot90(crop[:, ::-1] if transform & 4 else crop, transform & 3))
        values = np.stack(chosen).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        return torch.from_numpy(values).contiguous(memory_format=torch.channels_last)
