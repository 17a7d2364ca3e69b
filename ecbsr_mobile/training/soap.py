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
    """SOAP that takes a kernel [out, in, 3, 3] as the matrix [out, 9·in] that it is to a convolution.

    It computes on the host, wherever the parameters are: a GPU takes longer to launch what such small matrices need.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        self._trained = list(parameters)
        self._on_host = all(each.device.type == "cpu" for each in self._trained)
        views = [nn.Parameter(_matrix(each.detach().cpu())) for each in self._trained]
        super().__init__(views, lr=lr, weight_decay=0.0, precondition_1d=True)

    def step(self, closure: Any = None) -> Any:
        """One step by the gradients of the parameters; on the host, their memory is that of the matrices."""
        views = self.param_groups[0]["params"]
        values = [_matrix(each.detach()) for each in self._trained]
        gradients = [_matrix(each.grad) for each in self._trained if each.grad is not None]
        if not self._on_host:
            moved = _moved([*values, *gradients], torch.device("cpu"))
            gradients = moved[len(values) :]
            for view, value in zip(views, moved, strict=False):
                view.detach().copy_(value)  # they may have been loaded since
        for view, gradient in zip(views, gradients, strict=True):
            view.grad = gradient
        # A dead channel's averages fade into numbers so small that a processor takes ten times as long over them.
        torch.set_flush_denormal(True)
        result = super().step(closure)
        torch.set_flush_denormal(False)
        if not self._on_host:
            changed = _moved([view.detach() for view in views], self._trained[0].device)
            for value, new in zip(values, changed, strict=True):
                value.copy_(new)
        return result

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of the parameters."""
        for trained in self._trained:
            if set_to_none:
                trained.grad = None
            elif trained.grad is not None:
                trained.grad.zero_()


def _moved(tensors: list[Tensor], device: torch.device) -> list[Tensor]:
    # As one: each way of its own would take as long as all of them.
    flat = torch.cat([each.reshape(-1) for each in tensors]).to(device)
    parts = torch.split(flat, [each.numel() for each in tensors])
    return [part.view_as(each) for part, each in zip(parts, tensors, strict=True)]


def _matrix(kernel: Tensor) -> Tensor:
    # Channels last, as kernels lie in memory while they are trained: a view, not a copy.
    return kernel.permute(0, 2, 3, 1).view(len(kernel), -1) if kernel.dim() == 4 else kernel
