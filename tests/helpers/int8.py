"""The simulated int8 network on a bundled image."""

from __future__ import annotations

import numpy as np
import torch

from ecbsr_mobile import PlainNet, images, zoo
from ecbsr_mobile.architecture import Architecture, PReLUDecomposition
from ecbsr_mobile.network import Int8Weights
from ecbsr_mobile.quantization.fake_quant import FakeQuantNet, fold_steep_slopes


def bundled_image(colors: int, height: int = 150, width: int = 200) -> torch.Tensor:
    """The top left of a bundled image, [1, colors, height, width] in multiples of 1/255, in channels_last."""
    rgb = images.read(zoo.pictures()[0]).rgb()[:height, :width]
    planes = rgb if colors == 3 else images.luma(rgb).round()[:, :, None]
    image = torch.from_numpy(planes.transpose(2, 0, 1).astype(np.float32))[None] / 255
    return image.contiguous(memory_format=torch.channels_last)


def observed(net: PlainNet, decomposition: PReLUDecomposition = "single") -> FakeQuantNet:
    """The int8 network of float weights, with the ranges of its activations for the bundled image."""
    simulation = FakeQuantNet(fold_steep_slopes(net), decomposition)
    simulation.observe(bundled_image(net.architecture.colors))
    return simulation


def simulated(weights: Int8Weights, image: torch.Tensor) -> np.ndarray:
    """The result [H, W, C] of int8 weights for an image [1, C, h, w]."""
    with torch.no_grad():
        result = FakeQuantNet(weights.net, weights.decomposition, weights.ranges, weights.channel_ranges)(image)
    return result[0].numpy().transpose(1, 2, 0)


@torch.no_grad()
def with_long_tails() -> PlainNet:
    """A network like trained ones: small slopes, and convolutions that reach far below zero."""
    torch.manual_seed(0)
    plain = PlainNet(Architecture(2, 8, 2, 1, "prelu")).requires_grad_(False).eval()
    for conv, act in zip(plain.convolutions, plain.acts, strict=False):
        act.weight.copy_(torch.linspace(-0.02, 0.05, 8))
        conv.bias -= 4 * conv.weight.abs().sum((1, 2, 3))
        conv.bias[:4] = 0
    return plain
