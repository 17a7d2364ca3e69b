"""The int8 weights in our own files: tensors named `int8.<decomposition>.<name>`, and `int8.<decomposition>.ranges`."""

from __future__ import annotations

import torch
from torch import Tensor

from ..architecture import PRELU_DECOMPOSITIONS, Architecture, PReLUDecomposition
from ..errors import EcbsrError
from ..network import Int8Weights, PlainNet
from ..quantization.fake_quant import activation_names
from .state import State, load_state


def tensors(net: PlainNet) -> State:
    """The tensors to store for a network's int8 weights."""
    stored: State = {}
    for decomposition, weights in net.int8.items():
        stored |= {f"int8.{decomposition}.{name}": value for name, value in weights.net.state_dict().items()}
        stored[f"int8.{decomposition}.ranges"] = weights.ranges
    return stored


def split(state: State) -> tuple[State, dict[PReLUDecomposition, State]]:
    """The float network's tensors, and those of its int8 weights by PReLU decomposition."""
    int8_states: dict[PReLUDecomposition, State] = {}
    for decomposition in PRELU_DECOMPOSITIONS:
        prefix = f"int8.{decomposition}."
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
    named = {name: value for name, value in state.items() if name != "ranges"}
    if not all(torch.isfinite(value).all() for value in named.values()):
        raise EcbsrError("its int8 weights contain values that are not finite; train it for int8 again")
    net = PlainNet(architecture)
    load_state(net, named, "the int8 network")
    return Int8Weights(decomposition, net.requires_grad_(False).eval(), ranges.float())
