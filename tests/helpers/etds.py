"""The networks of ECNUSR/ETDS as functions of their state dicts, and state dicts of random weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def conv(state: State, name: str, x: Tensor) -> Tensor:
    """The convolution of that name, with padding that keeps the size."""
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def _depth(state: State, kind: str) -> int:
    return sum(name.startswith(f"{kind}.") and name.endswith(".weight") for name in state)


def plain(state: State, x: Tensor, scale: int) -> Tensor:
    """Plain: convolutions with ReLU, and a pixel shuffle."""
    y = F.relu(conv(state, "conv_first", x))
    for index in range(_depth(state, "backbone_convs")):
        y = F.relu(conv(state, f"backbone_convs.{index}", y))
    return F.pixel_shuffle(conv(state, "conv_last", y), scale)


def with_skip(state: State, x: Tensor, scale: int) -> Tensor:
    """The variant "only ET": Plain, with the image added to every sub-pixel."""
    return plain(state, x, scale) + F.interpolate(x, scale_factor=scale, mode="nearest")


def converted(state: State, x: Tensor, scale: int) -> Tensor:
    """ETDS after its conversion: a last 1×1 convolution between two ReLUs; x3 has a channel that is dropped."""
    y = F.relu(conv(state, "conv_first", x))
    for index in range(_depth(state, "backbone_convs")):
        y = F.relu(conv(state, f"backbone_convs.{index}", y))
    y = F.relu(conv(state, "conv_clip", F.relu(conv(state, "conv_last", y))))
    return F.pixel_shuffle(y[:, : 3 * scale**2], scale)


def two_streams(state: State, x: Tensor, scale: int) -> Tensor:
    """ETDS as it is trained, and its variants without one or with both kinds of convolutions between the streams."""
    y, r = F.relu(conv(state, "conv_first", x)), F.relu(conv(state, "conv_residual_first", x))
    for index in range(_depth(state, "backbone_convs")):
        to_wide, to_narrow = conv(state, f"backbone_convs.{index}", y), conv(state, f"residual_convs.{index}", r)
        if _depth(state, "add_residual_convs"):
            to_wide = to_wide + conv(state, f"add_residual_convs.{index}", r)
        if _depth(state, "advanced_residual_convs"):
            to_narrow = to_narrow + conv(state, f"advanced_residual_convs.{index}", y)
        y, r = F.relu(to_wide), F.relu(to_narrow)
    return F.pixel_shuffle(conv(state, "conv_last", y), scale) + F.pixel_shuffle(
        conv(state, "conv_residual_last", r), scale
    )


def ecbsr_converted(state: State, x: Tensor, scale: int) -> Tensor:
    """ECBSR after its conversion to a chain without a skip connection."""
    *inner, last, clip = sorted(name.removesuffix(".weight") for name in state if name.endswith(".0.weight"))
    y = x
    for name in inner:
        y = F.prelu(conv(state, name, y), state[f"{name[:-1]}1.weight"])
    y = F.relu(conv(state, clip, F.relu(conv(state, last, y))))
    return F.pixel_shuffle(y[:, : 3 * scale**2], scale)


def abpn(state: State, x: Tensor, scale: int) -> Tensor:
    """ABPN: ReLU after all but the last convolution, and the image added to every sub-pixel."""
    *inner, last = _abpn_names(state)
    y = x
    for name in inner:
        y = F.relu(conv(state, name, y))
    return F.pixel_shuffle(conv(state, last, y), scale) + F.interpolate(x, scale_factor=scale, mode="nearest")


def abpn_converted(state: State, x: Tensor, scale: int) -> Tensor:
    """ABPN after its conversion: ReLU after every convolution, the last of which is 1×1."""
    y = x
    for name in _abpn_names(state):
        y = F.relu(conv(state, name, y))
    return F.pixel_shuffle(y[:, : 3 * scale**2], scale)


def _abpn_names(state: State) -> list[str]:
    return sorted((name.removesuffix(".weight") for name in state if name.endswith("weight")), key=_index)


def _index(name: str) -> int:
    return int(name.split(".")[1])


def random_state(shapes: dict[str, tuple[int, int]], size: float = 0.3) -> State:
    """Random 3×3 convolutions of the given (inputs, outputs) by name."""
    torch.manual_seed(len(shapes))
    state = {}
    for name, (inputs, outputs) in shapes.items():
        state[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3) * size / inputs**0.5
        state[f"{name}.bias"] = torch.rand(outputs) * 0.2
    return state


def clip(channels: int, name: str) -> State:
    """The last convolution of a converted network: 1 - y."""
    return {f"{name}.weight": -torch.eye(channels)[:, :, None, None], f"{name}.bias": torch.ones(channels)}
