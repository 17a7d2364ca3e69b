"""A training step through the collapsed kernel against one through all branches, as the paper writes it."""

from __future__ import annotations

import torch
from interleaved import machine, ratio
from torch import Tensor

from ecbsr_mobile import ECBSR
from ecbsr_mobile.network import with_residual


class Branches(ECBSR):
    """The network with every branch computed on the pictures."""

    def forward(self, x: Tensor) -> Tensor:
        """See `ECBSR.forward`."""
        y = x
        for block in self.blocks[:-1]:
            y = block.act(block.forward_branches(y))
        return with_residual(self.blocks[-1].forward_branches(y), x, self.architecture.scale)


def step(net: ECBSR, layout: torch.memory_format) -> None:
    """One step of Adam on a batch of 32 crops."""
    low = torch.rand(32, 1, 32, 32).contiguous(memory_format=layout)
    high = torch.rand(32, 1, 64, 64).contiguous(memory_format=layout)
    optimizer = optimizers[net]
    optimizer.zero_grad(set_to_none=True)
    torch.nn.functional.l1_loss(net(low), high).backward()
    optimizer.step()


ours, original = ECBSR().to(memory_format=torch.channels_last), Branches()
optimizers = {net: torch.optim.Adam(net.parameters()) for net in (ours, original)}
result = ratio(lambda: step(ours, torch.channels_last), lambda: step(original, torch.contiguous_format), rounds=20)
print(f"training step, collapsed over branches: {result}\n{machine()}, {torch.get_num_threads()} threads")
