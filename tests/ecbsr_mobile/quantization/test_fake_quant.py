"""Fake quantization: values on the quantization grid, gradients through the rounding, and ranges that learn."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from ecbsr_mobile import ECBSR, PlainNet
from ecbsr_mobile.architecture import ACTIVATIONS, Activation, PReLUDecomposition
from ecbsr_mobile.quantization.fake_quant import (
    FakeQuantNet,
    activation_names,
    fold_steep_slopes,
    forward_fake_quant,
    round_to_8_bits,
)
from tests.helpers.int8 import bundled_image, observed, simulated
from tests.helpers.networks import net

CASES: list[tuple[Activation, PReLUDecomposition]] = [
    ("prelu", "single"),
    ("prelu", "double"),
    ("prelu", "native"),
    ("leaky", "native"),
    ("relu", "single"),
]


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10(F.mse_loss(a, b)).detach())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_folding_steep_slopes_does_not_change_the_function(activation: Activation) -> None:
    plain = deepcopy(net(1, 2, activation)).double()
    folded = fold_steep_slopes(plain).double()
    x = torch.rand(1, 1, 20, 20, dtype=torch.float64)
    assert (folded(x) - plain(x)).abs().max() < 1e-6
    if activation == "prelu":
        assert max(act.weight.max().item() for act in folded.acts) <= 1 < max(a.weight.max().item() for a in plain.acts)


@pytest.mark.parametrize(("activation", "decomposition"), CASES)
def test_the_result_is_that_of_8_bits(activation: Activation, decomposition: PReLUDecomposition) -> None:
    """Near the float network's result, but not equal to it."""
    plain, image = net(3, 2, activation), bundled_image(3, 48, 64)
    simulation = observed(plain, decomposition)
    assert len(simulation.ranges) == len(activation_names(plain.architecture, decomposition))
    with torch.no_grad():
        result, expected = simulation(image), plain(image).clamp(0, 1)
    torch.testing.assert_close(result, round_to_8_bits(result), rtol=0, atol=1e-6)
    assert 0 <= result.min() < result.max() <= 1
    assert 20 < psnr(result, expected) < 70


@pytest.mark.parametrize("decomposition", ["single", "double", "native"])
def test_weights_give_the_same_result_again(decomposition: PReLUDecomposition) -> None:
    simulation, image = observed(net(1, 2, "prelu"), decomposition), bundled_image(1, 48, 64)
    with torch.no_grad():
        result = simulation(image)[0].numpy().transpose(1, 2, 0)
    assert (simulated(simulation.weights(), image) == result).all()


def test_ranges_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5, 2\) ranges do not fit 9 activations"):
        FakeQuantNet(net(1, 2, "prelu"), "single", torch.zeros(5, 2))
    with pytest.raises(ValueError, match=r"\(3, 4, 2\) channel ranges do not fit 3 x 8 channels"):
        FakeQuantNet(net(1, 2, "prelu"), "double", torch.zeros(3, 2), torch.zeros(3, 4, 2))


@pytest.mark.slow
@pytest.mark.parametrize("factor", [4.0, 0.5])
def test_ranges_are_learned(factor: float) -> None:
    """From ranges four times too wide or twice too narrow, training at least halves the error."""
    image, plain = bundled_image(1, 64, 64), net(1, 2, "prelu")
    target = plain(image).clamp(0, 1)

    def error(simulation: FakeQuantNet) -> float:
        with torch.no_grad():
            return float(F.mse_loss(simulation(image), target))

    ranges = observed(plain).ranges.detach()
    simulation = FakeQuantNet(fold_steep_slopes(plain), ranges=ranges * factor)
    before = error(simulation)
    optimizer = torch.optim.Adam([simulation.ranges], lr=0.03)
    for _ in range(80):
        optimizer.zero_grad()
        F.mse_loss(simulation(image), target).backward()
        optimizer.step()
    assert error(simulation) < 0.5 * before


def gradient(forward: FakeQuantNet | PlainNet, plain: PlainNet, image: torch.Tensor) -> torch.Tensor:
    target = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    plain.zero_grad()
    F.mse_loss(forward(image), target).backward()
    return torch.cat([parameter.grad.flatten() for parameter in plain.parameters()])


def test_gradients_of_the_weights_are_near_those_of_the_float_network() -> None:
    image = bundled_image(1, 64, 64)
    plain = fold_steep_slopes(net(1, 2, "prelu")).requires_grad_(True)
    simulation = FakeQuantNet(plain)
    simulation.observe(image)
    gradients = [gradient(forward, plain, image) for forward in (simulation, plain)]
    assert F.cosine_similarity(*gradients, dim=0) > 0.95


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fake_quantized_activations_of_a_float_network(activation: Activation) -> None:
    """The result is near the float network's, and gradients reach every parameter."""
    torch.manual_seed(0)
    trained, image = ECBSR(1, 8, 2, 1, activation), bundled_image(1, 48, 64)
    result = forward_fake_quant(trained, image)
    assert 30 < psnr(result, trained(image)) < 80
    result.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trained.parameters())


def test_fake_quantized_activations_have_256_values() -> None:
    """Checked on the residual; subtracting the image leaves rounding errors, which can split a value in two."""
    plain, image = PlainNet(ECBSR(0, 4, 2, 1, "relu").architecture).requires_grad_(False), bundled_image(1, 48, 64)
    result = forward_fake_quant(plain, image) - image.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert len(torch.unique((result * 1e6).round())) <= 2 * 256
    assert len(torch.unique((plain(image) * 1e6).round())) > 2 * 256
