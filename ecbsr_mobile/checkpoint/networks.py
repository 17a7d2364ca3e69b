"""From the tensors of a file to the plain network for values in [0, 1], and what had to be assumed about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch

from ..architecture import Activation, Architecture
from ..errors import EcbsrError, OptionError, UsageError
from ..network import PlainNet
from . import gray, in_order, int8, layouts, proof, shortcuts
from .choice import Choice
from .layouts import Chain, Facts
from .proof import Skip
from .state import State, load_state

CERTAIN_LIMIT = 0.5 / 255
"""Error at gray images below which a reading that is not the usual one can be the right one: the same 8-bit pixels."""

CLEARLY = 2
"""How many times smaller than that of the usual one it has to be. In networks of this project: 2.8 times or more."""

NEGLIGIBLE = 0.25 / 255
"""Error at flat colors below which no other activation is looked for. In published networks: 0.24 of 255 or less."""

FORMAT = "ecbsr-mobile"
"""Value of the metadata key `format` in the `.safetensors` files that `save` writes."""


@dataclass(frozen=True)
class Stated:
    """What the caller of `checkpoint.load` says about a network; None stands for nothing."""

    identity: bool | None = None
    value_range: float | None = None
    activation: Activation | None = None
    residual: bool | None = None
    slope: float | None = None


def plain_net(state: State, choice: Choice, metadata: Mapping[str, str], stated: Stated) -> tuple[PlainNet, list[str]]:
    """The network, and what was assumed about it.

    Args:
        state: the tensors of `choice`, with the names of a layout.
        choice: where they were found.
        metadata: those of a file of ours record everything.
        stated: see `checkpoint.load`.

    Raises:
        EcbsrError: the tensors are no network of a known layout, or it is not proven that they are one.
        UsageError: what is stated contradicts them.
    """
    identity, value_range, residual, slope = stated.identity, stated.value_range, stated.residual, stated.slope
    activation = stated.activation
    state, int8_states = int8.split(state)
    state = layouts.with_one_backbone({name: value.double() for name, value in state.items()})
    facts = layouts.facts(state, choice.keys)
    ours = metadata.get("format") == FORMAT
    assumptions = []
    if ours:
        identity = _recorded("identity", metadata.get("identity") == "True", identity)
        value_range = _recorded("value_range", 1.0, value_range)
        residual = _recorded("residual", metadata.get("residual") != "False", residual)
    if identity and not facts.branched:
        raise OptionError("is collapsed already, so that no identity branch can be added; leave {identity} out")
    if value_range not in (None, 1, 255):
        raise UsageError(f"value range {value_range} is not supported; use 1 or 255")
    copy = in_order.split(state) if choice.unproven else {}
    chains = {has: layouts.chain(state, has) for has in _identities(facts, identity)}
    if slope is not None:
        chains = {has: _with_slope(found, slope, "relu" if ours else activation) for has, found in chains.items()}
    proven = (
        shortcuts.in_order(chains[False], copy, value_range, residual, choice.unproven)
        if choice.unproven
        else shortcuts.tiled({} if ours else chains, value_range, residual)
    )
    has_identity, reading = (
        (proven.identity, proven.value_range) if proven else _reading(chains, facts, value_range, residual)
    )
    found = proven.chain if proven else chains[has_identity]
    if found.limited and reading != 1:
        raise OptionError("clips its result to [0, 1], so that its value range is 1; leave out {value_range|--range}")
    if facts.branched and identity is None:
        has, other = ("an", "no-") if has_identity else ("no", "")
        assumptions.append(f"{has} identity branch (else identity={not has_identity}, --{other}identity)")
    if value_range is None:
        assumptions.append(f"values in [0, {reading:g}] (else value_range, --range)")
    residual, assumed = (bool(found.residual), [proven.said]) if proven else _residual(found, facts, reading, residual)
    padded = layouts.with_equal_widths(found)
    # A result is clipped by two more ReLU.
    if found.slopes[0] is None and not (ours or facts.relu or found.limited or activation):
        _check_relu(found, reading, residual, choice.unproven)
        assumptions.append("ReLU (else slope, --slope)")
    assumptions += assumed
    if any(a[0].shape != b[0].shape for a, b in zip(padded.kernels, found.kernels, strict=True)):
        widths = ", ".join(str(len(bias)) for _, bias in found.kernels[:-1])
        assumptions.append(f"zero channels up to the widest of its layers ({widths})")
    recorded = cast(Activation | None, metadata.get("activation")) if ours else None
    architecture = _architecture(padded, residual, activation or recorded)
    net = _with_weights(architecture, padded).with_value_range(float(reading))
    net.int8 = {name: int8.weights(architecture, name, int8_state) for name, int8_state in int8_states.items()}
    return net, assumptions


def _recorded(name: str, recorded: Any, given: Any) -> Any:
    """The value that a file records, which an argument may repeat but not change."""
    if given is not None and given != recorded:
        flag = "--" + "no-" * (given is False) + {"value_range": "range", "residual": "skip"}.get(name, name)
        raise OptionError(f"records {name} {recorded}, not {given}; leave {{{name}|{flag}}} out")
    return recorded


def _identities(facts: Facts, stated: bool | None) -> list[bool]:
    """Whether blocks can have an identity branch, the usual answer first."""
    if stated is not None:
        return [stated]
    return [False, True] if facts.branched else [False]


def _reading(
    chains: Mapping[bool, Chain], facts: Facts, value_range: float | None, residual: bool | None
) -> tuple[bool, float]:
    """Whether blocks have an identity branch, and the value range: as its answers to gray show, else as usual.

    Args:
        chains: the network without and with identity branches, as far as that is unknown; the usual first.
        facts: see `layouts.facts`.
        value_range: what is stated.
        residual: what is stated.
    """
    other = 1.0 if facts.value_range == 255 else 255.0
    ranges = (facts.value_range, other) if value_range is None else (value_range,)
    if any(found.limited for found in chains.values()):
        ranges = ranges[:1]
    off = {
        (identity, reading): gray.error(found.kernels, found.slopes, reading, residual)
        for identity, found in chains.items()
        for reading in ranges
    }
    usual, best = next(iter(off)), min(off, key=lambda reading: off[reading])
    return best if off[best] < min(CERTAIN_LIMIT, off[usual] / CLEARLY) else usual


def _residual(found: Chain, facts: Facts, value_range: float, stated: bool | None) -> tuple[bool, list[str]]:
    """Whether the image is added to the result of a chain, and what was assumed."""
    if found.residual is not None:
        if stated not in (None, found.residual):
            raise OptionError("computes its whole result, so that no image is added; leave out {residual|--skip}")
        return found.residual, []
    if stated is not None:
        return stated, []
    answer = gray.needs_image(found.kernels, found.slopes, value_range)
    if not (facts.residual if answer is None else answer):
        return False, ["no skip connection (else residual=True, --skip)"]
    added = "that the image is added to its result (else residual=False, --no-skip)"
    return True, [] if facts.branched else [added]


def _check_relu(found: Chain, value_range: float, residual: bool, unproven: str) -> None:
    """Refuse a network without slopes whose answers show that its activation is not ReLU; see `Choice.unproven`."""
    skip: Skip = "nearest" if residual else "none"
    reading = proof.best_reading(found.kernels, found.slopes, (value_range,), (skip,))
    if unproven == in_order.QUICKSRNET:
        clipped = proof.with_other_activations(found.kernels, (value_range,), (skip,))[proof.CLIPPED]
        if clipped.color < max(CERTAIN_LIMIT, CLEARLY * reading.color):
            raise OptionError(f"{unproven}; if it was trained with ReLU, state it ({{activation|--activation relu}})")
    others = proof.with_other_activations(found.kernels, (1, 255), ("none", "nearest"))
    # That of an untrained network is not known: any activation is as good as ReLU.
    proven = {name: each.color for name, each in others.items() if each.is_proven}
    best = min(proven, key=lambda name: proven[name], default="")
    if best and reading.color > max(NEGLIGIBLE, CLEARLY * proven[best]):
        raise OptionError(
            f"has no slopes, and answers flat colors as a network with {best}, not with ReLU; state the slope of a "
            "LeakyReLU ({slope}), or ReLU ({activation|--activation relu}); other activations are not read"
        )


def _with_slope(found: Chain, slope: float, activation: Activation | None) -> Chain:
    """The chain with the one slope of a fixed LeakyReLU, which has no weights, after each layer."""
    if activation not in (None, "leaky"):
        raise OptionError(f"has the activation {activation}, which has no fixed slope; leave out {{slope}}")
    if any(stored is not None for stored in found.slopes):
        raise OptionError("has slopes of its own; leave out {slope}")
    if not 0 < slope < 1:
        raise UsageError(f"slope {slope:g} is not between 0 and 1; give that of its LeakyReLU, such as 0.1")
    return replace(found, slopes=[found.kernels[0][1].new_full((1,), slope) for _ in found.slopes])


def _architecture(found: Chain, residual: bool, activation: Activation | None) -> Architecture:
    """The architecture of a chain of convolutions; `activation` is what to expect."""
    channels = len(found.kernels[0][1])
    colors, outputs = layouts.colors_and_outputs(found)
    scale = math.isqrt(outputs // colors)
    blocks, slope = len(found.kernels) - 2, found.slopes[0]
    if slope is None:
        if activation in ("prelu", "leaky"):
            raise OptionError(
                f"has no slopes, which the activation {activation} needs; give that of a fixed LeakyReLU ({{slope}}), "
                "or use relu"
            )
        return Architecture(blocks, channels, scale, colors, activation or "relu", residual)
    stored: Activation = "prelu" if slope.numel() == channels else "leaky"
    ambiguous = channels == 1 and activation in ("prelu", "leaky")
    if activation and activation != stored and not ambiguous:
        raise OptionError(f"has the slopes of a {stored} network, not {activation}; leave {{activation}} out")
    return Architecture(blocks, channels, scale, colors, stored, residual)


def _with_weights(architecture: Architecture, found: Chain) -> PlainNet:
    state: State = {}
    for index, (weight, bias) in enumerate(found.kernels):
        state |= {f"convs.{index}.weight": weight, f"convs.{index}.bias": bias}
    for index, slope in enumerate(found.slopes):
        if slope is not None:
            state[f"acts.{index}.weight"] = slope
    net = PlainNet(architecture)
    load_state(net, state, "the network")
    if not all(torch.isfinite(value).all() for value in net.state_dict().values()):
        raise EcbsrError("its values are too large for float32; train or save it again")
    return net.requires_grad_(False).eval()
