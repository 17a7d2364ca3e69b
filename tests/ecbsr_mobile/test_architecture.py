"""Hyper-parameters: names, refusals, and the receptive field."""

from __future__ import annotations

import pytest
import torch

from ecbsr_mobile import ECBSR, Architecture, UsageError


@pytest.mark.parametrize(
    "wrong", [{"scale": 5}, {"colors": 2}, {"activation": "gelu"}, {"blocks": -1}, {"channels": 0}]
)
def test_impossible_architectures_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        Architecture(**wrong)


def test_names() -> None:
    assert Architecture().name == "ecbsr-m4c16-x2"
    assert Architecture(10, 16, 4, 3, "relu").name == "ecbsr-m10c16-rgb-relu-x4"


@pytest.mark.parametrize("blocks", [0, 2])
def test_radius_is_that_of_the_receptive_field(blocks: int) -> None:
    net = ECBSR(blocks, 4).double()
    x = torch.zeros(1, 1, 21, 21, dtype=torch.float64, requires_grad=True)
    net(x)[0, 0, 20, 20].backward()  # a sub-pixel of LR pixel 10, 10
    rows = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert (10 - rows.min(), rows.max() - 10) == (net.architecture.radius, net.architecture.radius)
