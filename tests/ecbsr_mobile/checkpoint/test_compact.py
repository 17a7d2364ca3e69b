"""Real-ESRGAN's compact network: convolutions and activations in one list, and the image added to every sub-pixel."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecbsr_mobile import EcbsrError, load
from tests.helpers.checkpoints import State, quietly


class Compact(nn.Module):
    """The network as X. Wang et al. describe it (Real-ESRGAN, 2021), with the names of its state dict."""

    def __init__(self, channels: int, depth: int, scale: int, activation: type[nn.Module] = nn.PReLU) -> None:
        super().__init__()
        self.scale = scale
        widths = [3, *[channels] * (depth + 1), 3 * scale**2]
        self.body = nn.ModuleList()
        for inputs, outputs in pairwise(widths):
            self.body.append(nn.Conv2d(inputs, outputs, 3, padding=1))
            self.body.append(nn.PReLU(channels) if activation is nn.PReLU else activation())
        del self.body[-1]
        for parameter in self.parameters():
            if parameter.ndim == 1:
                nn.init.uniform_(parameter, -0.2, 0.4)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.Sequential(*self.body)(x)
        return F.pixel_shuffle(y, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("ecbsr-m16c64-rgb-x4", Compact(64, 16, 4)),  # as in realesr-animevideov3
        ("ecbsr-m8c24-rgb-x2", Compact(24, 8, 2)),
        ("ecbsr-m2c16-rgb-relu-x3", Compact(16, 2, 3, nn.ReLU)),
    ],
)
@pytest.mark.parametrize("keys", [("params",), ("params_ema",), ("state_dict", "net_g.")])
def test_results_of_the_definition(tmp_path: Path, name: str, network: Compact, keys: tuple[str, ...]) -> None:
    prefix = "".join(key for key in keys if key.endswith("."))
    torch.save({keys[0]: {prefix + name: value for name, value in network.state_dict().items()}}, tmp_path / "w.pth")
    with pytest.warns(UserWarning, match=r"values in \[0, 1\].*" + ("ReLU" if "relu" in name else "")):
        net = load(tmp_path / "w.pth")
    assert net.name == name
    x = torch.rand(1, 3, 12, 17)
    torch.testing.assert_close(net(x), network(x), rtol=0, atol=1e-5)


def bad_states() -> dict[str, tuple[State, str]]:
    good = Compact(16, 2, 2).state_dict()
    conv = {"weight": torch.zeros(16, 16, 3, 3), "bias": torch.zeros(16)}
    body = {f"body.0.body.{index}.{part}": value for index in (0, 2) for part, value in conv.items()}
    return {
        "of scale 1": (Compact(16, 2, 1).state_dict(), "3 input and 3 output channels"),
        "a layer is missing": ({k: v for k, v in good.items() if ".2." not in k}, "block 1 has no"),
        "a bias of an activation": (good | {"body.1.bias": torch.zeros(16)}, "body.1.bias"),
        "a convolution for an activation": (good | {"body.1.weight": conv["weight"]}, "inconsistent"),
        "two networks": (good | {"convs.0.weight": torch.zeros(16, 3, 3, 3)}, "not the blocks of one"),
        "EDSR": (good | {"head.0.weight": torch.zeros(16, 3, 3, 3)} | body, "head.0.weight.*known layout"),
        "EDSR's blocks alone": (body, "body.0.body.0.weight.*known layout"),
        "with another tail": (good | {"upsampler.0.weight": torch.zeros(12, 12, 3, 3)}, "upsampler.0.weight"),
    }


@pytest.mark.parametrize("kind", list(bad_states()))
def test_what_is_no_such_network(tmp_path: Path, kind: str) -> None:
    state, message = bad_states()[kind]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(EcbsrError, match=message) as raised:
        quietly(tmp_path / "w.pth")
    assert "\n" not in str(raised.value)
