"""SOAP, Adam in the eigenbasis of Shampoo's preconditioner (N. Vyas et al., 2024), for convolutions.

A network of ten thousand weights has preconditioners of 16×16 and 144×144, which cost next to nothing beside the
convolutions. The plain network then learns in a thousand steps what takes Adam five thousand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn


class Soap(SOAP):  # type: ignore[misc]
    """SOAP on each kernel [out, in, 3, 3] as a matrix [out, 9·in].

    Computed on the CPU, wherever the parameters are: for such small matrices, a GPU takes longer to launch the kernels.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        self._trained = list(parameters)
        self._on_cpu = all(parameter.device.type == "cpu" for parameter in self._trained)
        matrices = [nn.Parameter(_matrix(parameter.detach().cpu())) for parameter in self._trained]
        super().__init__(matrices, lr=lr, weight_decay=0.0, precondition_1d=True)

    def step(self, closure: Any = None) -> Any:
        """Take one step along the parameters' gradients; on the CPU, the matrices share their memory."""
        matrices = self.param_groups[0]["params"]
        values = [_matrix(parameter.detach()) for parameter in self._trained]
        gradients = [_matrix(parameter.grad) for parameter in self._trained if parameter.grad is not None]
        if not self._on_cpu:
            moved = _moved([*values, *gradients], torch.device("cpu"))
            gradients = moved[len(values) :]
            for matrix, value in zip(matrices, moved, strict=False):
                matrix.detach().copy_(value)  # a checkpoint may have been loaded since
        for matrix, gradient in zip(matrices, gradients, strict=True):
            matrix.grad = gradient
        # The averages of dead channels decay to denormal numbers, which take a CPU ten times as long.
        torch.set_flush_denormal(True)
        result = super().step(closure)
        torch.set_flush_denormal(False)
        if not self._on_cpu:
            changed = _moved([matrix.detach() for matrix in matrices], self._trained[0].device)
            for value, new in zip(values, changed, strict=True):
                value.copy_(new)
        return result

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of the parameters."""
        for parameter in self._trained:
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()


def _moved(tensors: list[Tensor], device: torch.device) -> list[Tensor]:
    # One transfer of all values takes no longer than the transfer of one tensor.
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors]).to(device)
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]


def _matrix(kernel: Tensor) -> Tensor:
    # Kernels are in channels_last while they are trained, so that this is a view, not a copy.
    return kernel.permute(0, 2, 3, 1).view(len(kernel), -1) if kernel.dim() == 4 else kernel
