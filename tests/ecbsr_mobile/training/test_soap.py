"""SOAP against the implementation of a library, and its way of computing eigenbases against LAPACK's QR."""

from __future__ import annotations

import pytest
import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn

from ecbsr_mobile.training.soap import Soap, _orthogonal

STEPS = 45  # with four updates of the eigenbases


def _matrix(values: Tensor) -> Tensor:
    return values.permute(0, 2, 3, 1).flatten(1) if values.dim() == 4 else values


def _gradient(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Rows and columns have sizes of their own, because an eigenbasis is arbitrary where they are equal."""
    rows, columns = shape[0], shape[1:].numel()
    values = torch.randn(rows, columns, generator=generator)
    values *= torch.linspace(0, 3, rows).exp()[:, None] * torch.linspace(0, 2, columns).exp()
    if len(shape) == 1:
        return values.view(rows)
    return values.view(rows, 3, 3, shape[1]).permute(0, 3, 1, 2)


def test_the_steps_equal_those_of_the_library() -> None:
    """From square matrices and a vector of one value, so that no direction is without a gradient in the first step."""
    generator = torch.Generator().manual_seed(1)
    shapes = [torch.Size(shape) for shape in ((9, 1, 3, 3), (9, 1, 3, 3), (18, 2, 3, 3), (1,))]
    start = [_gradient(shape, generator) for shape in shapes]
    ours = [nn.Parameter(values.clone()) for values in start]
    theirs = [nn.Parameter(_matrix(values).clone()) for values in start]
    soap, library = Soap(ours, lr=0.5), SOAP(theirs, lr=0.5, weight_decay=0.0, precondition_1d=True)
    for _ in range(STEPS):
        for parameter, matrix, shape in zip(ours, theirs, shapes, strict=True):
            parameter.grad = _gradient(shape, generator)
            matrix.grad = _matrix(parameter.grad)
        soap.step()
        library.step()
    for parameter, matrix, before in zip(ours, theirs, start, strict=True):
        moved, expected = _matrix(parameter - before), matrix - _matrix(before)
        assert (moved - expected).norm() < 1e-2 * expected.norm()
        assert expected.norm() > 1


@pytest.mark.parametrize("rank", [144, 30, 0])
def test_the_basis_is_that_of_a_qr_decomposition(rank: int) -> None:
    """Where the matrix has no rank, it is any orthogonal basis."""
    generator = torch.Generator().manual_seed(3)
    basis = torch.linalg.qr(torch.randn(2, 144, 144, generator=generator, dtype=torch.float64))[0]
    values = torch.linspace(0, -3, 144, dtype=torch.float64).exp() * (torch.arange(144) < rank)
    q = _orthogonal(basis * values, basis)
    identity = torch.eye(144, dtype=q.dtype).expand(2, -1, -1)
    torch.testing.assert_close(q.mT @ q, identity)
    expected = torch.linalg.qr(basis[:, :, :rank] * values[:rank])[0]
    torch.testing.assert_close(q[:, :, :rank].abs(), expected.abs(), rtol=0, atol=1e-4)
