"""SOAP, Adam in the eigenbasis of Shampoo's preconditioner (N. Vyas et al., 2024), for convolutions.

A network of ten thousand weights has preconditioners of 16² and 144²: they cost next to nothing beside the
convolutions, and a plain network then learns in a thousand steps what takes Adam five thousand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn


class Soap(SOAP):  # type: ignore[misc]
    """SOAP that takes a kernel [out, in, 3, 3] as the matrix [out, 9·in] that it is to a convolution."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        self._trained = list(parameters)
        views = [nn.Parameter(_matrix(each.detach())) for each in self._trained]
        super().__init__(views, lr=lr, weight_decay=0.0, precondition_1d=True)

    def step(self, closure: Any = None) -> Any:
        """One step by the gradients of the parameters; their memory is that of the matrices."""
        for view, trained in zip(self.param_groups[0]["params"], self._trained, strict=True):
            view.grad = None if trained.grad is None else _matrix(trained.grad)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of the parameters."""
        for trained in self._trained:
            trained.grad = None if set_to_none or trained.grad is None else torch.zeros_like(trained.grad)


def _matrix(kernel: Tensor) -> Tensor:
    # Channels last, as kernels lie in memory while they are trained: a view, not a copy.
    return kernel.permute(0, 2, 3, 1).view(len(kernel), -1) if kernel.dim() == 4 else kernel
