"""Fine-tuning an int8 network, with the float network's results on the calibration images as targets; needs no HR."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import images

from ..validation.sample_images import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ecbsr_mobile.architecture import PReLUDecomposition
    from ecbsr_mobile.network import Int8Weights, PlainNet
    from ecbsr_mobile.quantization.fake_quant import FakeQuantNet

BATCH = 8
PATCH = 32  # LR pixels along a side of a crop
LEARNING_RATE = 4e-3
FULL_RATE_STEPS = 2000  # shorter runs get a proportionally lower rate: they would not recover from the first steps
OBSERVED_BATCHES = 32  # batches whose activations set the initial ranges


@dataclass(frozen=True)
class FinetuneResult:
    """Fine-tuned weights and ranges; if fine-tuning did not lower the error, the initial ones, and `steps` is 0."""

    weights: Int8Weights
    steps: int


def finetune(
    net: PlainNet,
    decomposition: PReLUDecomposition,
    samples: Sequence[Sample],
    steps: int,
    progress: Callable[[str], None] | None = None,
) -> FinetuneResult:
    """Train a network with fake quantization to give the float network's results.

    Runs on one thread, so that the same input gives the same weights: sums depend on the number of threads.

    Args:
        net: the float network; not changed.
        decomposition: how PReLU is written (see `ecbsr_mobile.quantization.fake_quant`).
        samples: images; random crops of their LR views are trained on.
        steps: number of optimizer steps; the learning rate falls to 0 over them (half a cosine).
        progress: called with a message at each percent.
    """
    import torch

    from ecbsr_mobile.quantization.fake_quant import FakeQuantNet, fold_steep_slopes

    with _one_thread():
        crops = _Crops([view for sample in samples for view in sample.views])
        student = FakeQuantNet(fold_steep_slopes(net).requires_grad_(True), decomposition)
        student = student.to(memory_format=torch.channels_last)
        observed = torch.cat([crops.batch(-1 - number) for number in range(OBSERVED_BATCHES)])
        student.observe(observed)
        initial, initial_error = student.weights(), _error(student, net, observed)
        optimizer = torch.optim.Adam(student.parameters(), fused=True)
        percent = -1
        for step in range(steps):
            if progress and step * 100 // steps > percent:
                percent = step * 100 // steps
                progress(f"fine-tuning to the float network's results, {percent} %")
            for group in optimizer.param_groups:
                group["lr"] = _lr(step, steps)
            image = crops.batch(step)
            with torch.no_grad():
                target = net(image).clamp_(0, 1)
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.mse_loss(student(image), target).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if _error(student, net, observed) >= initial_error:
            return FinetuneResult(initial, 0)
        return FinetuneResult(student.weights(), steps)


def _lr(step: int, steps: int) -> float:
    return LEARNING_RATE * min(1.0, steps / FULL_RATE_STEPS) * 0.5 * (1 + math.cos(math.pi * step / steps))


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _error(student: FakeQuantNet, net: PlainNet, image: Tensor) -> float:
    import torch

    with torch.no_grad():
        return float(torch.nn.functional.mse_loss(student(image), net(image).clamp_(0, 1)))


class _Crops:
    """Random crops of 8-bit images [h, w, C], flipped and rotated; a batch depends only on its number."""

    def __init__(self, views: Sequence[NDArray[np.uint8]]) -> None:
        self.images = [images.pad_to_size(view, (PATCH, PATCH)) for view in views]
        areas = np.array([image.shape[0] * image.shape[1] for image in self.images], np.float64)
        self.chances = areas / areas.sum()

    def batch(self, number: int) -> Tensor:
        """[`BATCH`, C, `PATCH`, `PATCH`] in [0, 1], channels last."""
        import torch

        random = np.random.default_rng((abs(number), number < 0))
        chosen = []
        for index in random.choice(len(self.images), BATCH, p=self.chances):
            image = self.images[index]
            top, left = (int(random.integers(side - PATCH + 1)) for side in image.shape[:2])
            crop = image[top : top + PATCH, left : left + PATCH]
            transform = int(random.integers(8))
            chosen.append(np.rot90(crop[:, ::-1] if transform & 4 else crop, transform & 3))
        values = np.stack(chosen).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        return torch.from_numpy(values).contiguous(memory_format=torch.channels_last)
