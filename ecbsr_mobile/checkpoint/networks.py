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
from . import chains, gray, int8, layouts, proof, shortcuts, unknown_names
from .chains import Chain
from .choice import Choice
from .layouts import Facts
from .proof import Skip
from .shortcuts import Interpretation
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
    state, int8_states = int8.split(state)
    state = layouts.with_one_backbone({name: value.double() for name, value in state.items()})
    facts = layouts.facts(state, choice.keys)
    ours = metadata.get("format") == FORMAT
    recorded = cast(Activation | None, metadata.get("activation")) if ours else None
    if ours:
        stated = _with_recorded(stated, metadata)
    if stated.identity and not facts.branched:
        raise OptionError("is collapsed already, so that no identity branch can be added; leave {identity} out")
    if stated.value_range not in (None, 1, 255):
        raise UsageError(f"value range {stated.value_range} is not supported; use 1 or 255")
    copy = unknown_names.split(state) if choice.unproven else {}
    known = {identity: layouts.chain(state, identity) for identity in _identities(facts, stated.identity)}
    if stated.slope is not None:
        activation = recorded or stated.activation
        known = {identity: _with_slope(found, stated.slope, activation) for identity, found in known.items()}
    if choice.unproven:
        read = shortcuts.in_order(known[False], copy, stated.value_range, stated.residual, choice.unproven)
    else:
        tiled = None if ours else shortcuts.tiled(known, stated.value_range, stated.residual)
        read = tiled or _usual(known, facts, stated)
    found = read.chain
    padded = chains.with_equal_widths(found)
    # A result is clipped by two more ReLU.
    is_relu = ours or facts.relu or found.limited or stated.activation
    if assumes_relu := found.slopes[0] is None and not is_relu:
        _check_relu(found, read.value_range, choice.unproven)
    architecture = _architecture(padded, stated.activation or recorded)
    net = _with_weights(architecture, padded).with_value_range(float(read.value_range))
    net.int8 = {name: int8.weights(architecture, name, int8_state) for name, int8_state in int8_states.items()}

    assumptions = []
    if facts.branched and stated.identity is None:
        has, other = ("an", "no-") if read.identity else ("no", "")
        assumptions.append(f"{has} identity branch (else identity={not read.identity}, --{other}identity)")
    if stated.value_range is None:
        assumptions.append(f"values in [0, {read.value_range:g}] (else value_range, --range)")
    if assumes_relu:
        assumptions.append("ReLU (else slope, --slope)")
    if read.assumed:
        assumptions.append(read.assumed)
    widths = [len(bias) for _, bias in found.kernels[:-1]]
    if len(set(widths)) > 1:
        assumptions.append(f"zero channels up to the widest of its layers ({', '.join(map(str, widths))})")
    return net, assumptions


def _with_recorded(stated: Stated, metadata: Mapping[str, str]) -> Stated:
    """What is stated and what a file of ours records, which an argument may repeat but not change."""
    recorded: dict[str, Any] = {
        "identity": metadata.get("identity") == "True",
        "value_range": 1.0,
        "residual": metadata.get("residual") != "False",
    }
    for name, value in recorded.items():
        given = getattr(stated, name)
        if given not in (None, value):
            flag = "--" + "no-" * (given is False) + {"value_range": "range", "residual": "skip"}.get(name, name)
            raise OptionError(f"records {name} {value}, not {given}; leave {{{name}|{flag}}} out")
    return replace(stated, **recorded)


def _identities(facts: Facts, stated: bool | None) -> list[bool]:
    """Whether blocks can have an identity branch, the usual answer first."""
    if stated is not None:
        return [stated]
    return [False, True] if facts.branched else [False]


def _usual(known: Mapping[bool, Chain], facts: Facts, stated: Stated) -> Interpretation:
    """How a network is read as its answers to gray images show, else as usual.

    Args:
        known: the network without and with identity branches, as far as that is unknown; the usual first.
        facts: see `layouts.facts`.
        stated: see `checkpoint.load`.
    """
    identity, value_range = _identity_and_range(known, facts, stated)
    found = known[identity]
    if found.limited and value_range != 1:
        raise OptionError("clips its result to [0, 1], so that its value range is 1; leave out {value_range|--range}")
    residual, assumed = _residual(found, facts, value_range, stated.residual)
    return Interpretation(identity, value_range, replace(found, residual=residual), assumed)


def _identity_and_range(known: Mapping[bool, Chain], facts: Facts, stated: Stated) -> tuple[bool, float]:
    other = 1.0 if facts.value_range == 255 else 255.0
    ranges = (facts.value_range, other) if stated.value_range is None else (float(stated.value_range),)
    if any(found.limited for found in known.values()):
        ranges = ranges[:1]
    errors = {
        (identity, value_range): gray.error(found, value_range, stated.residual)
        for identity, found in known.items()
        for value_range in ranges
    }
    usual, best = next(iter(errors)), min(errors, key=lambda each: errors[each])
    return best if errors[best] < min(CERTAIN_LIMIT, errors[usual] / CLEARLY) else usual


def _residual(found: Chain, facts: Facts, value_range: float, stated: bool | None) -> tuple[bool, str]:
    """Whether the image is added to the result of a chain, and what was assumed, if anything."""
    if found.residual is not None:
        if stated not in (None, found.residual):
            raise OptionError("computes its whole result, so that no image is added; leave out {residual|--skip}")
        return found.residual, ""
    if stated is not None:
        return stated, ""
    answer = gray.needs_image(found, value_range)
    if not (facts.residual if answer is None else answer):
        return False, "no skip connection (else residual=True, --skip)"
    return True, "" if facts.branched else "that the image is added to its result (else residual=False, --no-skip)"


def _check_relu(found: Chain, value_range: float, unproven: str) -> None:
    """Refuse a network without slopes whose answers show that its activation is not ReLU; see `Choice.unproven`."""
    skip: Skip = "nearest" if found.residual else "none"
    reading = proof.best_reading(found, (value_range,), (skip,))
    if unproven == unknown_names.QUICKSRNET:
        clipped = proof.best_reading(found, (value_range,), (skip,), proof.OTHER_ACTIVATIONS[proof.CLIPPED])
        if clipped.color < max(CERTAIN_LIMIT, CLEARLY * reading.color):
            raise OptionError(f"{unproven}; if it was trained with ReLU, state it ({{activation|--activation relu}})")
    others = {
        name: proof.best_reading(found, (1, 255), ("none", "nearest"), activation)
        for name, activation in proof.OTHER_ACTIVATIONS.items()
    }
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


def _architecture(found: Chain, activation: Activation | None) -> Architecture:
    """The architecture of a chain of convolutions; `activation` is what to expect."""
    channels = len(found.kernels[0][1])
    colors, outputs = chains.colors_and_outputs(found)
    scale = math.isqrt(outputs // colors)
    blocks, slope, residual = len(found.kernels) - 2, found.slopes[0], bool(found.residual)
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
