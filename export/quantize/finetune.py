"""Learning an int8 network from the float one's own results, on the calibration pictures: no HR is needed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..validation.sample_images import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ecbsr_mobile.architecture import PReLUDecomposition
    from ecbsr_mobile.network import Int8Weights, PlainNet
    from ecbsr_mobile.quantization.fake_quant import FakeQuantNet

BATCH = 8
PATCH = 32  # LR pixels along a crop
RATE = 4e-3
FULL = 2000  # steps that come back from such a rate; fewer are given a lower one
OBSERVED = 32  # batches whose activations set the ranges that learning starts from


@dataclass(frozen=True)
class FinetuneResult:
    """The weights and ranges that were learned, and in how many steps of how many crops."""

    weights: Int8Weights
    steps: int
    batch: int


def refine(
    net: PlainNet,
    form: PReLUDecomposition,
    samples: Sequence[Sample],
    seconds: float,
    progress: Callable[[str], None] | None = None,
) -> FinetuneResult:
    """Train the int8 form of a network for some seconds to give what the network itself gives.

    Args:
        net: the float network; left as it is.
        form: how PReLU is written (see `ecbsr_mobile.quantization.fake_quant`).
        samples: pictures whose LR views are learned on, in random crops.
        seconds: of training; the learning rate falls to 0 over them.
        progress: is told how far it came.
    """
    import torch

    from ecbsr_mobile.quantization.fake_quant import FakeQuantNet, fold_steep_slopes

    views = [view for sample in samples for view in sample.views]
    crops = _Crops(views)
    learned = FakeQuantNet(fold_steep_slopes(net).requires_grad_(True), form).to(memory_format=torch.channels_last)
    seen = torch.cat([crops.batch(-1 - number) for number in range(OBSERVED)])
    learned.observe(seen)
    start = learned.weights(), _error(learned, net, seen)
    optimizer = torch.optim.Adam(learned.parameters(), lr=RATE, fused=True)
    began, step, told = time.monotonic(), 0, -1
    while (spent := (time.monotonic() - began) / seconds) < 1:
        if progress and int(spent * 100) > told:
            told = int(spent * 100)
            progress(f"learning from the float network, {told} %")
        steps = step / spent if step > 2 else FULL / 10  # that the time is expected to hold
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, steps / FULL) * 0.5 * (1 + math.cos(math.pi * spent))
        image = crops.batch(step)
        with torch.no_grad():
            wanted = net(image).clamp_(0, 1)
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(learned(image), wanted).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
    if _error(learned, net, seen) >= start[1]:  # too little time to come back from the first large steps
        return FinetuneResult(start[0], 0, BATCH)
    return FinetuneResult(learned.weights(), step, BATCH)


def _error(learned: FakeQuantNet, net: PlainNet, image: Tensor) -> float:
    import torch

    with torch.no_grad():
        return float(torch.nn.functional.mse_loss(learned(image), net(image).clamp_(0, 1)))


class _Crops:
    """Random crops of 8-bit pictures [h, w, C], flipped and turned; a batch depends on its number alone."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        missing = [[(0, max(PATCH - side, 0)) for side in picture.shape[:2]] for picture in pictures]
        self.pictures = [
            np.pad(picture, [*pad, (0, 0)], mode="symmetric") for picture, pad in zip(pictures, missing, strict=True)
        ]
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.pictures], np.float64)
        self.chances = areas / areas.sum()

    def batch(self, number: int) -> Tensor:
        """[`BATCH`, C, `PATCH`, `PATCH`] in [0, 1]."""
        import torch

        random = np.random.default_rng((abs(number), number < 0))
        chosen = []
        for index in random.choice(len(self.pictures), BATCH, p=self.chances):
            picture = self.pictures[index]
            top, left = (int(random.integers(side - PATCH + 1)) for side in picture.shape[:2])
            crop = picture[top : top + PATCH, left : left + PATCH]
            way = int(random.integers(8))
            chosen.append(np.rot90(crop[:, ::-1] if way & 4 else crop, way & 3))
        values = np.stack(chosen).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        return torch.from_numpy(values).contiguous(memory_format=torch.channels_last)
