"""Networks whose tensors have the names of no known project: read as one chain of layers, in the order of the file.

A program registers layers mostly in the order in which it runs them. That they are a chain is to be proven by the
network's answers (see `proof`): nothing else says which layers, such as shortcuts, have no tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..architecture import COLORS, SCALES
from ..errors import EcbsrError
from .state import State

_NORM = {"weight", "bias", "running_mean", "running_var"}


def layers_in_order(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The names of tensors, and what they are in a chain of layers; empty where they are none.

    3×3 convolutions, each followed by its batch normalization and its slopes, if any, as `convs.N`, `norms.N` and
    `acts.N`; beside them, one 1×1 convolution of the image as `copy`.

    Args:
        shapes: those of all tensors of the network by their names, in the order of the file.

    Raises:
        EcbsrError: they are those of a network that is known to compute something else.
    """
    modules: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        module, _, part = name.rpartition(".")
        modules.setdefault(module, {})[part] = shape
    if any(re.search(r"(^|\.)cnn\.0$", module) for module in modules) and any(
        re.search(r"(^|\.)conv_last$", module) for module in modules
    ):
        raise EcbsrError(
            "is a QuickSRNet, which clips its activations to [0, 1]; a network with ReLU, LeakyReLU or PReLU is needed"
        )
    names: dict[str, str] = {}
    widths: list[tuple[int, int]] = []
    taken: set[str] = set()
    for module, parts in modules.items():
        kind = _kind(parts, widths)
        index = len(widths) - 1
        place = "copy" if kind == "copy" else f"{kind}.{index + (kind == 'convs')}"
        if not kind or place in taken or (kind == "norms" and f"acts.{index}" in taken):
            return {}
        taken.add(place)
        if kind == "convs":
            outputs, inputs = parts["weight"][:2]
            if widths and inputs != widths[-1][1]:
                return {}
            widths.append((inputs, outputs))
        for part in parts:
            full = f"{module}.{part}" if module else part
            names[full] = f"{place}.{'weight' if kind == 'acts' else part}"
    if len(widths) < 2:
        return {}
    colors, outputs, last = widths[0][0], widths[-1][1], len(widths) - 1
    slopes = [index for index in range(len(widths)) if f"acts.{index}" in taken]
    copied = [shapes[name][0] for name, layer in names.items() if layer.startswith("copy.")]
    fits = colors in COLORS and outputs in [colors * scale**2 for scale in SCALES] and set(copied) <= {outputs}
    return names if fits and slopes in ([], list(range(last))) else {}


def split(state: State) -> State:
    """Take the 1×1 convolution of the image out of a state dict, if it has one: `weight` and `bias`."""
    return {name: state.pop(f"copy.{name}") for name in ("weight", "bias") if f"copy.{name}" in state}


def _kind(parts: Mapping[str, tuple[int, ...]], widths: list[tuple[int, int]]) -> str:
    """What a module with these tensors is after convolutions of these (inputs, outputs), or ""."""
    weight, names = parts.get("weight", ()), set(parts)
    if len(weight) == 4 and names <= {"weight", "bias"} and len(parts.get("bias", weight[:1])) == 1:
        if weight[2:] == (3, 3):
            return "convs"
        return "copy" if weight[2:] == (1, 1) and widths and weight[1] == widths[0][0] else ""
    numel = [size for shape in parts.values() for size in shape if size != 1]
    if names == _NORM and widths and all(shape == (widths[-1][1],) for shape in parts.values()):
        return "norms"
    is_slope = len(names) == 1 and "bias" not in names and widths and numel in ([], [widths[-1][1]])
    return "acts" if is_slope else ""
