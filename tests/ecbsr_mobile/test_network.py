"""The block, its collapse and the network, against SciPy's correlation and the paper's arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import Tensor, nn

from ecbsr_mobile import ECBSR, Architecture, UsageError
from ecbsr_mobile.ecb import ECB, LAPLACIAN, SOBEL_X, SOBEL_Y

BRANCHES = ("conv3x3", "conv1x1_3x3", "conv1x1_sbx", "conv1x1_sby", "conv1x1_lpl")


def randomise(module: nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)


def correlate(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """[in, H, W] → [out, H-k+1, W-k+1], one plane at a time by SciPy."""
    return np.stack(
        [sum(correlate2d(plane, k, "valid") for plane, k in zip(x, kernels, strict=True)) + b
         for kernels, b in zip(weight, bias, strict=True)]
    )  # fmt: skip


def paper_block(block: ECB, x: np.ndarray) -> np.ndarray:
    """The block on [in, H, W] as section 3 of the paper writes it, by SciPy."""
    p = {name: value.detach().numpy() for name, value in block.named_parameters()}
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = correlate(padded, p["conv3x3.weight"], p["conv3x3.bias"])
    middle = correlate(padded, p["conv1x1_3x3.k0"], p["conv1x1_3x3.b0"])
    y = y + correlate(middle, p["conv1x1_3x3.k1"], p["conv1x1_3x3.b1"])
    for name, edge in (("sbx", SOBEL_X), ("sby", SOBEL_Y), ("lpl", LAPLACIAN)):
        middle = correlate(padded, p[f"conv1x1_{name}.k0"], p[f"conv1x1_{name}.b0"])
        scale, bias = p[f"conv1x1_{name}.scale"], p[f"conv1x1_{name}.bias"]
        y = y + np.stack(
            [correlate2d(m, s[0] * np.array(edge), "valid") + b for m, s, b in zip(middle, scale, bias, strict=True)]
        )
    return y + x if block.identity else y


@pytest.mark.parametrize("identity", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 8), (5, 5), (6, 4)])
def test_block_equals_the_paper(inputs: int, outputs: int, identity: bool, random: np.random.Generator) -> None:
    block = ECB(inputs, outputs, identity).double()
    randomise(block)
    x = random.standard_normal((inputs, 6, 7))
    expected = paper_block(block, x)
    for forward in (block, block.forward_branches):
        result = forward(torch.from_numpy(x)[None])[0].detach().numpy()
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("identity", [False, True])
@pytest.mark.parametrize("kept", [c for n in range(6) for c in itertools.combinations(BRANCHES, n)])
def test_collapse_is_exact_for_every_combination_of_branches(kept: tuple[str, ...], identity: bool) -> None:
    block = ECB(4, 4, identity).double()
    randomise(block, 1)
    for name in set(BRANCHES) - set(kept):
        for parameter in getattr(block, name).parameters():
            parameter.data.zero_()
    x = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    expected = block.forward_branches(x)
    weight, bias = block.collapse()
    result = nn.functional.conv2d(x, weight, bias, padding=1)
    assert (result - expected).abs().max() <= 1e-12 * max(1.0, float(expected.detach().abs().max()))


def test_gradients_through_the_collapse_are_those_of_the_branches() -> None:
    block = ECB(3, 3, identity=True).double()
    randomise(block)
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)

    def gradients(y: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(y.square().sum(), [x, *block.parameters()]))

    for ours, expected in zip(gradients(block(x)), gradients(block.forward_branches(x)), strict=True):
        assert (ours - expected).abs().max() <= 1e-11 * max(1.0, float(expected.detach().abs().max()))


@pytest.mark.parametrize("activation", ["prelu", "relu", "leaky"])
@pytest.mark.parametrize(("scale", "colors"), [(2, 1), (3, 3), (4, 1)])
@pytest.mark.parametrize("identity", [False, True])
def test_plain_network_equals_the_branches(scale: int, colors: int, activation: str, identity: bool) -> None:
    net = ECBSR(2, 16, scale, colors, activation, identity).double()  # type: ignore[arg-type]
    randomise(net, 4)
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
def test_without_weights_the_network_repeats_pixels(colors: int) -> None:
    net = ECBSR(1, 4, 3, colors).collapse()
    for parameter in net.parameters():
        parameter.zero_()
    x = torch.rand(1, colors, 4, 5)
    expected = x.repeat_interleave(3, 2).repeat_interleave(3, 3)
    assert torch.equal(net(x), expected)


def test_start_from_takes_over_a_plain_network() -> None:
    source = ECBSR(2, 8, 2).double()
    randomise(source, 6)
    target = ECBSR(2, 8, 2).double()
    target.start_from(source.collapse())
    x = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    assert torch.allclose(target(x), source(x), rtol=1e-9)


@pytest.mark.parametrize(
    "wrong", [{"scale": 5}, {"colors": 2}, {"activation": "gelu"}, {"blocks": -1}, {"channels": 0}]
)
def test_impossible_architectures_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        Architecture(**wrong)  # type: ignore[arg-type]


def test_names() -> None:
    assert Architecture().name == "ecbsr-m4c16-x2"
    assert Architecture(10, 16, 4, 3, "relu").name == "ecbsr-m10c16-rgb-relu-x4"
