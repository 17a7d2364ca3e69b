"""Time of training steps that get their crops from the loader over the time of steps on one batch in memory.

    python benchmarks/loader.py [IMAGES]

A ratio near 1 means that reading and cutting images does not slow down training. Prints the ratio with its 95 %
interval, the median times of a round, the processor, and the number of threads.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from interleaved import add_rounds_option, compare, processor

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common

if TYPE_CHECKING:
    import torch

STEPS = 50  # per round: more than the few batches that the loader prepares ahead of a round


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    import torch

    from ecbsr_mobile import Settings
    from ecbsr_mobile.training.crops import Crops, prefetch
    from ecbsr_mobile.training.trainer import Trainer

    settings = Settings()
    trainer = Trainer(settings)
    trainer.prepare(Crops(options.images, settings.scale, settings.colors, settings.patch))

    def train(batches: Iterator[tuple[torch.Tensor, ...]]) -> None:
        for _ in range(STEPS):
            trainer.train_step(*next(batches))

    loader, same_batch = prefetch(trainer.batch, range(10**9)), repeat(trainer.batch(0))
    comparison = compare(lambda: train(loader), lambda: train(same_batch), options.rounds)
    loader.close()
    print(f"{STEPS} steps, with the loader over without: {comparison}")
    print(f"{processor()}, {torch.get_num_threads()} threads")


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("loader.py", __doc__.splitlines()[0])
    parser.add_argument("images", nargs="?", type=Path, default=zoo.FOLDER / "pictures",
                        help="a folder of images (the bundled ones)")  # fmt: skip
    add_rounds_option(parser)
    return parser


if __name__ == "__main__":
    common.run(main)
