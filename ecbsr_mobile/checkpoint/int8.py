"""The int8 weights in our own files: tensors named `int8.<decomposition>.<name>`, and `int8.<decomposition>.ranges`."""

from __future__ import annotations

import torch
from torch import Tensor

from ..architecture import PRELU_DECOMPOSITIONS, Architecture, PReLUDecomposition
from ..errors import EcbsrError
from ..network import Int8Weights, PlainNet
from ..quantization.fake_quant import activation_names
from .state import State, load_state

CHANNEL_RANGES = "channel_ranges"

FORMER_SINGLE: tuple[str, PReLUDecomposition] = ("depthwise", "single")
"""What files called the decomposition "single" when there was no other one of its kind."""


def tensors(net: PlainNet) -> State:
    """The tensors to store for a network's int8 weights."""
    stored: State = {}
    for decomposition, weights in net.int8.items():
        stored |= {f"int8.{decomposition}.{name}": value for name, value in weights.net.state_dict().items()}
        stored[f"int8.{decomposition}.ranges"] = weights.ranges
        if weights.channel_ranges is not None:
            stored[f"int8.{decomposition}.{CHANNEL_RANGES}"] = weights.channel_ranges
    return stored


def split(state: State) -> tuple[State, dict[PReLUDecomposition, State]]:
    """The float network's tensors, and those of its int8 weights by PReLU decomposition."""
    int8_states: dict[PReLUDecomposition, State] = {}
    for stored_as, decomposition in (*zip(PRELU_DECOMPOSITIONS, PRELU_DECOMPOSITIONS, strict=True), FORMER_SINGLE):
        prefix = f"int8.{stored_as}."
        inner = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
        state = {name: value for name, value in state.items() if not name.startswith(prefix)}
        if inner:
            int8_states[decomposition] = inner
    return state, int8_states


def weights(architecture: Architecture, decomposition: PReLUDecomposition, state: State) -> Int8Weights:
    """The int8 weights of a network from the tensors that `split` found.

    Raises:
        EcbsrError: they do not fit the architecture, or are not finite.
    """
    ranges: Tensor = state.get("ranges", torch.empty(0))
    if ranges.shape != (len(activation_names(architecture, decomposition)), 2) or not torch.isfinite(ranges).all():
        raise EcbsrError(f"its int8 ranges do not fit {architecture.name}; train it for int8 again")
    channel_ranges = _channel_ranges(architecture, decomposition, state)
    named = {name: value for name, value in state.items() if name not in ("ranges", CHANNEL_RANGES)}
    if not all(torch.isfinite(value).all() for value in named.values()):
        raise EcbsrError("its int8 weights contain values that are not finite; train it for int8 again")
    net = PlainNet(architecture)
    load_state(net, named, "the int8 network")
    return Int8Weights(decomposition, net.requires_grad_(False).eval(), ranges.float(), channel_ranges)


def _channel_ranges(architecture: Architecture, decomposition: PReLUDecomposition, state: State) -> Tensor | None:
    if decomposition != "double":
        return None
    channel_ranges: Tensor = state.get(CHANNEL_RANGES, torch.empty(0))
    shape = (len(architecture.widths) - 1, architecture.channels, 2)
    fits = channel_ranges.shape == shape and torch.isfinite(channel_ranges).all()
    if not fits or not (channel_ranges[..., 0] < channel_ranges[..., 1]).all():
        raise EcbsrError(f"its int8 ranges do not fit {architecture.name}; train it for int8 again")
    return channel_ranges.float()
