"""Time of a training step over that of a step through all branches of the blocks with Adam, as the paper trains.

    python benchmarks/training_step.py

Three ways to train are compared with the paper's: the collapsed blocks with Adam, and the plain network with SOAP in
fp32 and in bfloat16. Each step computes 32 random crops of 32x32 LR pixels. Prints each ratio with its 95 % interval,
the median times, the processor, and the number of threads.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from interleaved import add_rounds_option, compare, processor

from ecbsr_mobile.cli import common

if TYPE_CHECKING:
    import torch

    from ecbsr_mobile.training.trainer import Trainer


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    import torch

    from ecbsr_mobile import Settings
    from ecbsr_mobile.training.trainer import Trainer

    baseline = _step_through_branches()
    for label, settings in {
        "collapsed blocks, Adam": Settings(),
        "plain network, SOAP": Settings(optimizer="soap"),
        "plain network, SOAP, bfloat16": Settings(optimizer="soap", bf16=True),
    }.items():
        comparison = compare(_step(Trainer(settings)), baseline, options.rounds)
        print(f"training step, {label}, over all branches: {comparison}")
    print(f"{processor()}, {torch.get_num_threads()} threads")


def _step(trainer: Trainer) -> Callable[[], object]:
    import torch

    return lambda: trainer.train_step(*_batch(torch.channels_last))


def _step_through_branches() -> Callable[[], None]:
    """One step of Adam on the L1 loss; every branch of every block is computed."""
    import torch

    from ecbsr_mobile import ECBSR
    from ecbsr_mobile.network import with_residual

    network = ECBSR()
    optimizer = torch.optim.Adam(network.parameters())

    def step() -> None:
        lr, hr = _batch(torch.contiguous_format)
        features = lr
        for block in network.blocks[:-1]:
            features = block.act(block.forward_branches(features))
        upscaled = with_residual(network.blocks[-1].forward_branches(features), lr, network.architecture.scale)
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.l1_loss(upscaled, hr).backward()
        optimizer.step()

    return step


def _batch(layout: torch.memory_format) -> tuple[torch.Tensor, torch.Tensor]:
    """32 random crops: LR [32, 1, 32, 32] and HR [32, 1, 64, 64]."""
    import torch

    lr, hr = torch.rand(32, 1, 32, 32), torch.rand(32, 1, 64, 64)
    return lr.contiguous(memory_format=layout), hr.contiguous(memory_format=layout)


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("training_step.py", __doc__.splitlines()[0])
    add_rounds_option(parser)
    return parser


if __name__ == "__main__":
    common.run(main)
