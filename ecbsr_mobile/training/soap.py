"""SOAP, Adam in the eigenbasis of Shampoo's preconditioner (N. Vyas et al., 2024), for convolutions.

A network of ten thousand weights has preconditioners of 16×16 and 144×144, which cost next to nothing beside the
convolutions. The plain network then learns in a thousand steps what takes Adam five thousand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .cuda_graph import CudaGraphStep

BETA = 0.95
"""Decay of all averages: of gradients, of their squares, and of the preconditioners."""

EPSILON = 1e-8
ROTATE_EVERY = 10
"""Steps from one update of the eigenbases to the next."""


class Soap(torch.optim.Optimizer):
    """SOAP on each kernel [out, in, 3, 3] as a matrix [out, 9·in], and on each bias and slope [n] as a matrix [n, 1].

    Matrices of one shape are a batch, so that a step launches few kernels; on a GPU they are captured in a CUDA graph.
    The first step only observes the gradients. `param_groups[0]["step"]` counts the steps.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, {"lr": lr, "step": 0})
        self._batches: dict[torch.Size, list[nn.Parameter]] = {}
        for parameter in self.param_groups[0]["params"]:
            self._batches.setdefault(_matrix(parameter).shape, []).append(parameter)
        device = self.param_groups[0]["params"][0].device
        self._rate = torch.zeros((), device=device)
        self._move: Callable[[], None] = CudaGraphStep(self._move_all) if device.type == "cuda" else self._move_all

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step along the parameters' gradients."""
        (group,) = self.param_groups
        step = group["step"]
        # The averages of dead channels decay to denormal numbers, which take a CPU ten times as long.
        torch.set_flush_denormal(True)
        if step:
            corrected = math.sqrt(1 - BETA**step) / (1 - BETA**step)
            self._rate.fill_(group["lr"] * corrected)
            self._move()
            if step % ROTATE_EVERY == 0:
                for parameters in self._batches.values():
                    _rotate(self.state[parameters[0]])
        else:
            for parameters in self._batches.values():
                self.state[parameters[0]] = _initial_state(_stack([p.grad for p in parameters]))
        torch.set_flush_denormal(False)
        group["step"] = step + 1

    def _move_all(self) -> None:
        for parameters in self._batches.values():
            moved = _moved(self.state[parameters[0]], _stack([p.grad for p in parameters])) * self._rate
            torch._foreach_sub_([_matrix(p.detach()) for p in parameters], list(moved.unbind()))


def _matrix(kernel: Tensor) -> Tensor:
    # Kernels are in channels_last while they are trained, so that this is a view, not a copy.
    return kernel.permute(0, 2, 3, 1).view(len(kernel), -1) if kernel.dim() == 4 else kernel.view(-1, 1)


def _stack(gradients: list[Tensor | None]) -> Tensor:
    return torch.stack([_matrix(gradient) for gradient in gradients if gradient is not None])


def _initial_state(gradient: Tensor) -> dict[str, Tensor]:
    """Averages of matrices [batch, rows, columns] after their first gradients, and the eigenbases of both sides."""
    state = {"mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
    for side, product in _products(gradient).items():
        state[side] = (1 - BETA) * product
        eigenvectors = torch.linalg.eigh(state[side].double())[1].flip(-1)
        state[f"{side} basis"] = eigenvectors.to(gradient.dtype)
    return state


def _products(gradient: Tensor) -> dict[str, Tensor]:
    products = {"left": gradient @ gradient.mT, "right": gradient.mT @ gradient}
    return {side: product for side, product in products.items() if product.shape[-1] > 1}


def _moved(state: dict[str, Tensor], gradient: Tensor) -> Tensor:
    """Update the averages by a gradient; returns the direction of the step [batch, rows, columns]."""
    left, right = state.get("left basis"), state.get("right basis")
    state["mean"].lerp_(gradient, 1 - BETA)
    state["square"].lerp_(_project(gradient, left, right).square(), 1 - BETA)
    direction = _project(state["mean"], left, right) / (state["square"].sqrt() + EPSILON)
    for side, product in _products(gradient).items():
        state[side].lerp_(product, 1 - BETA)
    return _project(direction, *(None if basis is None else basis.mT for basis in (left, right)))


def _project(matrix: Tensor, left: Tensor | None, right: Tensor | None) -> Tensor:
    matrix = matrix if left is None else left.mT @ matrix
    return matrix if right is None else matrix @ right


def _rotate(state: dict[str, Tensor]) -> None:
    """One round of power iteration on the eigenbases, in descending order of their eigenvalues."""
    for side, axis in (("left", -2), ("right", -1)):
        if side not in state:
            continue
        average, basis = state[side].double(), state[f"{side} basis"].double()
        product = average @ basis
        order = (basis * product).sum(-2).argsort(-1, descending=True)
        columns = order.unsqueeze(-2).expand_as(basis)
        turned = _orthogonal(product.gather(-1, columns), basis.gather(-1, columns))
        state[f"{side} basis"].copy_(turned)
        square = state["square"]
        rows = (order.unsqueeze(-1) if axis == -2 else order.unsqueeze(-2)).expand_as(square)
        square.copy_(square.gather(axis, rows))


def _orthogonal(product: Tensor, basis: Tensor) -> Tensor:
    """The Q of product's QR decomposition, by Cholesky, which a GPU computes for all matrices at once.

    A little of the previous `basis` is added first, which fills the directions in which there was no gradient; it is
    below the precision of the averages. Shifted CholeskyQR: T. Fukaya et al., 2020.
    """
    size = product.norm(dim=(-2, -1), keepdim=True)
    q = product + (1e-7 * size + 1e-30) * basis
    identity = torch.eye(q.shape[-1], dtype=q.dtype, device=q.device)
    for shift in (1e-11, 0.0, 0.0):  # each pass makes up for the error of the one before
        q = q / q.norm(dim=-2, keepdim=True)
        factor, _ = torch.linalg.cholesky_ex(q.mT @ q + shift * identity)
        q = torch.linalg.solve_triangular(factor.mT, q, upper=True, left=False)
    error = (q.mT @ q - identity).abs().amax((-2, -1), keepdim=True)
    return torch.where(error < 1e-6, q, basis)  # also where an error is not a number
