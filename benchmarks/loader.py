"""A training step with crops from the loader against one on a batch that is there already."""

from __future__ import annotations

import sys
from itertools import repeat
from pathlib import Path

import torch
from interleaved import machine, ratio

from ecbsr_mobile import Settings, zoo
from ecbsr_mobile.dataset import Crops, ahead
from ecbsr_mobile.training.trainer import Trainer

STEPS = 50  # a round; the loader is a few batches ahead when one begins

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else zoo.FOLDER / "pictures"
settings = Settings()
crops = Crops(folder, settings.scale, settings.colors, settings.patch)


def made(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    low, high = crops.batch(settings.seed, step, settings.batch)
    return torch.from_numpy(low), torch.from_numpy(high)


trainer = Trainer(settings)
loaded, same = ahead(made, range(10**9)), repeat(made(0))


def train(batches: object) -> None:
    for _ in range(STEPS):
        trainer.train_step(*next(batches))


result = ratio(lambda: train(loaded), lambda: train(same), rounds=20)
loaded.close()
print(f"{STEPS} steps, with the loader over without: {result}\n{machine()}, {torch.get_num_threads()} threads")
