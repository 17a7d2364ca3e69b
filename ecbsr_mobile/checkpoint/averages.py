"""Moving averages in a checkpoint: which network is one, and whether it has begun.

MMEngine's EMAHook and Lightning's WeightAveraging save the average as `state_dict`, and the network that is trained
under another key. ema-pytorch keeps that network as `online_model` beside the average. Lightning's
StochasticWeightAveraging, PyTorch's AveragedModel, ema-pytorch and LitEma (CompVis) count updates: before the first
one, the average is a copy of the network as it was before training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..utils.text import printable
from .files import Contents
from .pickles import Call, is_data, walk
from .stored import ELEMENTS

MAX_NAME = 300  # characters

# Words in names as `words` writes them, between characters that are no letters.
_AVERAGED = re.compile(r"(?<![a-z])(?<!exp.)(ema|swa|avg|averaged?|shadow)(?![a-z])")
_CURRENT = re.compile(r"(?<![a-z])online_model(?![a-z])")
_UPDATES = re.compile(r"(?P<prefix>(?:.*\.)?)(n_averaged|num_updates|initted)")


class Kind(IntEnum):
    """What a network in a checkpoint is; the least is the one to read."""

    AVERAGE = 0
    NETWORK = 1
    CURRENT = 2
    """Kept to go on training, beside an average that has another place."""
    IDLE = 3
    """An average that has not begun."""


@dataclass(frozen=True)
class Saved:
    """The keys under which a training framework saves the average and the network that it trains; "" for none."""

    average: str = ""
    current: str = ""
    idle: bool = False


def saved(contents: Contents) -> Saved:
    """Where the framework that wrote a file saves the average, if it exchanges both."""
    tree = contents.tree
    if not isinstance(tree, dict) or "state_dict" not in tree:
        return Saved()
    meta, counters = tree.get("meta"), tree.get("averaging_state")
    if "current_model_state" in tree:
        return Saved("state_dict", "current_model_state", isinstance(counters, dict) and bool(idle(counters, contents)))
    if "ema_state_dict" in tree and (
        "message_hub" in tree or (isinstance(meta, dict) and "mmengine_version" in meta)
    ):  # EMAHook exchanges the values of both just before it saves
        return Saved("state_dict", "ema_state_dict")
    return Saved()


def kind(keys: tuple[str, ...], prefix: str, not_begun: tuple[str, ...], places: Saved) -> Kind:
    """What the network with a prefix is, in the dict that `keys` lead to.

    Args:
        keys: those of the dicts around the network.
        prefix: what stands before the names of its tensors.
        not_begun: see `idle`, of its dict.
        places: see `saved`.
    """
    name, top = words(".".join([*keys, prefix])), keys[0] if keys else ""
    by_place = bool(top) and top == places.average
    if (top and top == places.current) or _CURRENT.search(name):
        return Kind.CURRENT
    if not by_place and not _AVERAGED.search(name):
        return Kind.NETWORK
    is_idle = (by_place and places.idle) or any(prefix.startswith(before) for before in not_begun)
    return Kind.IDLE if is_idle else Kind.AVERAGE


def is_averaged(name: str) -> bool:
    """Whether a name is that of an average."""
    return bool(_AVERAGED.search(words(name)))


def idle(items: dict[str, Any], contents: Contents) -> tuple[str, ...]:
    """The prefixes of a dict under which an average counts no updates."""
    found = ((match, value) for key, value in items.items() if (match := _UPDATES.fullmatch(str(key)[:MAX_NAME])))
    return tuple(match["prefix"] for match, value in found if _is_zero(value, contents))


def _is_zero(value: Any, contents: Contents) -> bool:
    if isinstance(value, int):
        return value == 0
    stored = contents.tensor_of(value)
    if stored is None or stored.problem or stored.dtype not in ELEMENTS or stored.numel != 1:
        return False
    return not stored.read().any()


def unread(contents: Contents) -> str:
    """Averaged weights that cannot be read, and why, or "".

    They can be a list, in which nothing says which is which (torch-ema), or an object.
    """
    for value in walk(contents.tree):
        for key, inner in value.items() if isinstance(value, dict) else ():
            if not is_averaged(str(key)):
                continue
            where = f"the averages in {printable(str(key), 40)}"
            if isinstance(inner, list) and any(map(contents.tensor_of, inner)):
                return f"{where}, which have no names"
            if isinstance(inner, Call) and not is_data(inner.name):
                return f"{where}, an object of {printable(inner.name, 80)}"
    return ""


def words(name: str) -> str:
    """A name in lower case, with `camelCase` as `camel_case`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name[:MAX_NAME]).lower()
