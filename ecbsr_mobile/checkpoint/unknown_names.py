"""Networks whose tensors have names of no known project: their shapes say what they are, in the names of a layout.

One list of convolutions and activations in turn is Real-ESRGAN's network under another name. Of other networks only the
order in the file is known: a program registers layers mostly in the order in which it runs them. That they are a chain
is to be proven by the network's answers (see `proof`): nothing else says which layers, such as shortcuts, have no
tensors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import pairwise

from .chains import match_a_scale
from .state import State

MAX_LISTS = 16

Shapes = dict[str, tuple[int, ...]]
"""The shapes of a layer's tensors by their names in it."""

QUICKSRNET = "is a QuickSRNet, whose activations are clipped to [0, 1] as it is published"

_LAYER = re.compile(r"(?P<list>(?P<prefix>(?:.*\.)?)\w+\.|)(?P<index>\d{1,4})\.(?P<part>weight|bias)")
_NORM = {"weight", "bias", "running_mean", "running_var"}


def lists_of_layers(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, str]]:
    """The lists of 3×3 convolutions and activations in turn, such as `nn.Sequential(conv, PReLU(), conv)`.

    Args:
        shapes: those of tensors, by their full names.

    Returns:
        By the full name of each list, "" for a network that is one, the names of its tensors, and what they are in
        Real-ESRGAN's layout.
    """
    lists: dict[str, list[re.Match[str]]] = {}
    for name in shapes:
        if match := _LAYER.fullmatch(name):
            lists.setdefault(match["list"], []).append(match)
    if len(lists) > MAX_LISTS:
        return {}
    return {
        place.rstrip("."): {
            match[0]: f"{match['prefix'] or ''}body.{match['index']}.{match['part']}" for match in matches
        }
        for place, matches in lists.items()
        if not re.search(r"(^|\.)\d+\.$", matches[0]["prefix"] or "")  # one of several blocks
        and _are_in_turn(matches, shapes)
        and sum(name.startswith(place) if place else name[:1].isdigit() for name in shapes) == len(matches)
    }


def _are_in_turn(layers: list[re.Match[str]], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether every second layer is a 3×3 convolution, from the first to the last, and others have at most slopes."""
    kernels = set()
    for layer in layers:
        index, is_weight, shape = int(layer["index"]), layer["part"] == "weight", shapes[layer[0]]
        if index % 2 == 0 and is_weight and len(shape) == 4 and shape[2:] == (3, 3):
            kernels.add(index)
        elif len(shape) > 1 or is_weight == (index % 2 == 0):
            return False
    return len(kernels) >= 2 and kernels == set(range(0, 2 * len(kernels), 2))


def layers_in_order(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The names of tensors, and what they are in a chain of layers; empty where they are none.

    3×3 convolutions, each with its batch normalization and its slopes, if any, as `convs.N`, `norms.N` and `acts.N`;
    beside them, one 1×1 convolution of the image as `copy.0`.

    Args:
        shapes: those of all tensors of the network by their names, in the order of the file.
    """
    modules: dict[str, Shapes] = {}
    for name, shape in shapes.items():
        module, _, part = name.rpartition(".")
        modules.setdefault(module, {})[part] = shape
    by_kind: dict[str, list[str]] = {"convs": [], "norms": [], "acts": [], "copy": []}
    for module in _numbered(list(modules)):
        if not (kind := _kind(modules[module])):
            return {}
        by_kind[kind].append(module)
    if not _is_chain(*([modules[module] for module in by_kind[kind]] for kind in by_kind)):
        return {}
    places = {module: f"{kind}.{index}" for kind, found in by_kind.items() for index, module in enumerate(found)}
    names: dict[str, str] = {}
    for name in shapes:
        module, _, part = name.rpartition(".")
        names[name] = f"{places[module]}.{'weight' if module in by_kind['acts'] else part}"
    return names


def is_quicksrnet(names: Collection[str]) -> bool:
    """Whether tensors have the names of a QuickSRNet."""
    return all(any(re.search(rf"(^|\.){own}\.weight$", name) for name in names) for own in (r"cnn\.0", "conv_last"))


def _numbered(names: list[str]) -> list[str]:
    """The names as they are, or by their numbers where they are sorted by letters, as safetensors does."""
    if names != sorted(names):
        return names
    parts = {name: re.split(r"(\d+)", name) for name in names}  # every second part is a number
    return sorted(names, key=lambda name: [int(part) if odd % 2 else part for odd, part in enumerate(parts[name])])


def _kind(parts: Shapes) -> str:
    """What a module with these tensors can be, or ""."""
    weight, names = parts.get("weight", ()), set(parts)
    if len(weight) == 4 and names <= {"weight", "bias"} and len(parts.get("bias", (1,))) == 1:
        return {(3, 3): "convs", (1, 1): "copy"}.get(weight[2:], "")
    if names == _NORM:
        return "norms"
    return "acts" if len(names) == 1 and "bias" not in names else ""


def _is_chain(convs: list[Shapes], norms: list[Shapes], acts: list[Shapes], copies: list[Shapes]) -> bool:
    """Whether these layers fit together: each convolution with its normalization and its slopes, if any, in turn."""
    if len(convs) < 2 or len(norms) > len(convs) or len(acts) not in (0, len(convs) - 1) or len(copies) > 1:
        return False
    widths = [parts["weight"][:2] for parts in convs]
    (_, colors), (outputs, _) = widths[0], widths[-1]
    normalized = all(set(norm.values()) == {(width,)} for norm, (width, _) in zip(norms, widths, strict=False))
    sloped = all(
        [size for size in shape if size != 1] in ([], [width])
        for act, (width, _) in zip(acts, widths, strict=False)
        for shape in act.values()
    )
    return (
        all(before[0] == after[1] for before, after in pairwise(widths))
        and match_a_scale(colors, outputs)
        and all(
            (parts["weight"][:2], parts.get("bias", (outputs,))) == ((outputs, colors), (outputs,)) for parts in copies
        )
        and normalized
        and sloped
    )


def split(state: State) -> State:
    """Take the 1×1 convolution of the image out of a state dict, if it has one: `weight` and `bias`."""
    return {name: state.pop(f"copy.0.{name}") for name in ("weight", "bias") if f"copy.0.{name}" in state}
