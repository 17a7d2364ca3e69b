"""A training step of ours against one through all branches with Adam, as the paper writes it."""

from __future__ import annotations

import torch
from interleaved import machine, ratio
from torch import Tensor

from ecbsr_mobile import ECBSR, Settings
from ecbsr_mobile.network import with_residual
from ecbsr_mobile.training.trainer import Trainer


class Branches(ECBSR):
    """The network with every branch computed on the pictures."""

    def forward(self, x: Tensor) -> Tensor:
        """See `ECBSR.forward`."""
        y = x
        for block in self.blocks[:-1]:
            y = block.act(block.forward_branches(y))
        return with_residual(self.blocks[-1].forward_branches(y), x, self.architecture.scale)


def batch(layout: torch.memory_format) -> tuple[Tensor, Tensor]:
    """32 crops, LR and HR."""
    low, high = torch.rand(32, 1, 32, 32), torch.rand(32, 1, 64, 64)
    return low.contiguous(memory_format=layout), high.contiguous(memory_format=layout)


def original_step() -> None:
    """All branches, one step of Adam."""
    low, high = batch(torch.contiguous_format)
    optimizer.zero_grad(set_to_none=True)
    torch.nn.functional.l1_loss(original(low), high).backward()
    optimizer.step()


original = Branches()
optimizer = torch.optim.Adam(original.parameters())
for what, settings in {
    "collapsed blocks, Adam": Settings(),
    "plain network, SOAP": Settings(optimizer="soap"),
    "plain network, SOAP, bfloat16": Settings(optimizer="soap", mixed=True),
}.items():
    trainer = Trainer(settings)
    result = ratio(lambda: trainer.train_step(*batch(torch.channels_last)), original_step, rounds=20)  # noqa: B023
    print(f"training step, {what}, over all branches: {result}")
print(f"{machine()}, {torch.get_num_threads()} threads")
