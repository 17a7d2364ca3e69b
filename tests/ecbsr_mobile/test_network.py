"""The networks: the plain one equals the training network, with every activation and scale."""

from __future__ import annotations

import pytest
import torch

from ecbsr_mobile import ECBSR
from ecbsr_mobile.architecture import ACTIVATIONS, Activation
from tests.helpers.training import randomize


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("scale", "colors"), [(2, 1), (3, 3), (4, 1)])
@pytest.mark.parametrize("identity", [False, True])
def test_plain_network_equals_the_branches(scale: int, colors: int, activation: str, identity: bool) -> None:
    net = ECBSR(2, 16, scale, colors, activation, identity).double()
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


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("blocks", "channels"), [(2, 8), (2, 11), (4, 8), (5, 11)])
def test_start_from_takes_over_a_plain_network(blocks: int, channels: int, activation: Activation) -> None:
    """Also into a wider or deeper network, all of whose channels can then learn."""
    source = ECBSR(2, 8, 2, activation=activation).double()
    randomize(source, 6)
    target = ECBSR(blocks, channels, 2, activation=activation).double()
    randomize(target, 7)
    target.start_from(source.collapse())
    torch.manual_seed(60)  # without pixels near 0, where results of 1e6 cancel and leave their rounding errors
    x = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    y = target(x)
    assert torch.allclose(y, source(x), rtol=1e-9)
    y.square().sum().backward()
    last = target.blocks[-1].conv3x3.weight.grad
    assert last is not None
    assert last.abs().amax((0, 2, 3)).min() > 0


@pytest.mark.parametrize("other", [{"blocks": 3}, {"channels": 4}])
def test_start_from_keeps_what_does_not_fit(other: dict[str, int]) -> None:
    """The last block of a network with more blocks or fewer channels, and what is wider there."""
    source = ECBSR(**{"blocks": 2, "channels": 8, "scale": 4, **other})
    target = ECBSR(2, 6, 2)
    last = target.collapse().convolutions[-1].weight
    target.start_from(source.collapse())
    torch.testing.assert_close(target.collapse().convolutions[-1].weight, last)
