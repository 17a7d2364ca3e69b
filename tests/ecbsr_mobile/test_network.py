"""The networks: the plain one equals the training network, with every activation and scale."""

from __future__ import annotations

import pytest
import torch

from ecbsr_mobile import ECBSR
from tests.helpers.training import randomize


@pytest.mark.parametrize("activation", ["prelu", "relu", "leaky"])
@pytest.mark.parametrize(("scale", "colors"), [(2, 1), (3, 3), (4, 1)])
@pytest.mark.parametrize("identity", [False, True])
def test_plain_network_equals_the_branches(scale: int, colors: int, activation: str, identity: bool) -> None:
    net = ECBSR(2, 16, scale, colors, activation, identity).double()  # type: ignore[arg-type]
    randomize(net, 4)
    x = torch.rand(2, colors, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    y = x
    for block in net.blocks[:-1]:
        y = block.act(block.forward_branches(y))
    expected = torch.pixel_shuffle(net.blocks[-1].forward_branches(y) + x.repeat_interleave(scale**2, 1), scale)
    assert (net.collapse()(x) - expected).abs().max() <= 1e-12 * float(expected.detach().abs().max())


def test_identity_reaches_the_last_block_where_its_widths_agree() -> None:
    assert ECBSR(1, 16, 4, 1, identity=True).blocks[-1].identity
    assert not ECBSR(1, 16, 2, 1, identity=True).blocks[-1].identity


@pytest.mark.parametrize("colors", [1, 3])
def test_with_all_weights_zero_the_network_repeats_pixels(colors: int) -> None:
    net = ECBSR(1, 4, 3, colors).collapse()
    for parameter in net.parameters():
        parameter.zero_()
    x = torch.rand(1, colors, 4, 5)
    expected = x.repeat_interleave(3, 2).repeat_interleave(3, 3)
    assert torch.equal(net(x), expected)


def test_start_from_takes_over_a_plain_network() -> None:
    source = ECBSR(2, 8, 2).double()
    randomize(source, 6)
    target = ECBSR(2, 8, 2).double()
    target.start_from(source.collapse())
    x = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    assert torch.allclose(target(x), source(x), rtol=1e-9)
