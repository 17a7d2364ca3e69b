"""The collapse of a block against the paper's arithmetic, computed by SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import Tensor, nn

from ecbsr_mobile.ecb import ECB, LAPLACIAN, SOBEL_X, SOBEL_Y
from tests.helpers.training import randomize

BRANCHES = ("conv3x3", "conv1x1_3x3", "conv1x1_sbx", "conv1x1_sby", "conv1x1_lpl")


def correlate(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """[in, H, W] → [out, H-k+1, W-k+1], one plane at a time by SciPy."""
    return np.stack(
        [sum(correlate2d(plane, k, "valid") for plane, k in zip(x, kernels, strict=True)) + b
         for kernels, b in zip(weight, bias, strict=True)]
    )  # fmt: skip


def filtered(x: np.ndarray, scale: np.ndarray, edge: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """[C, H, W] → [C, H-2, W-2]: an edge filter on each channel."""
    return np.stack([correlate2d(p, s[0] * edge, "valid") + b for p, s, b in zip(x, scale, bias, strict=True)])


def paper_block(block: ECB, x: np.ndarray) -> np.ndarray:
    """The block on [in, H, W] as in section 3 of the paper."""
    p = {name: value.detach().numpy() for name, value in block.named_parameters()}
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = correlate(padded, p["conv3x3.weight"], p["conv3x3.bias"])
    middle = correlate(padded, p["conv1x1_3x3.k0"], p["conv1x1_3x3.b0"])
    y = y + correlate(middle, p["conv1x1_3x3.k1"], p["conv1x1_3x3.b1"])
    for name, edge in (("sbx", SOBEL_X), ("sby", SOBEL_Y), ("lpl", LAPLACIAN)):
        middle = correlate(padded, p[f"conv1x1_{name}.k0"], p[f"conv1x1_{name}.b0"])
        y = y + filtered(middle, p[f"conv1x1_{name}.scale"], np.array(edge), p[f"conv1x1_{name}.bias"])
    return y + x if block.identity else y


@pytest.mark.parametrize("identity", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 8), (5, 5), (6, 4)])
def test_block_equals_the_paper(inputs: int, outputs: int, identity: bool, random: np.random.Generator) -> None:
    block = ECB(inputs, outputs, identity).double()
    randomize(block)
    x = random.standard_normal((inputs, 6, 7))
    expected = paper_block(block, x)
    for forward in (block, block.forward_branches):
        result = forward(torch.from_numpy(x)[None])[0].detach().numpy()
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("identity", [False, True])
@pytest.mark.parametrize("kept", [c for n in range(6) for c in itertools.combinations(BRANCHES, n)])
def test_collapse_is_exact_for_every_combination_of_branches(kept: tuple[str, ...], identity: bool) -> None:
    block = ECB(4, 4, identity).double()
    randomize(block, 1)
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
    randomize(block)
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)

    def gradients(y: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(y.square().sum(), [x, *block.parameters()]))

    for ours, expected in zip(gradients(block(x)), gradients(block.forward_branches(x)), strict=True):
        assert (ours - expected).abs().max() <= 1e-11 * max(1.0, float(expected.detach().abs().max()))
