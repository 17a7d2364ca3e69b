"""Find the one network among everything that a checkpoint holds: wrappers, prefixes, averages, losses, counters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..errors import EcbsrError
from ..utils.text import printable
from .files import Contents
from .layouts import NAME
from .pickles import Call, Name, is_data, walk
from .stored import Stored

MAX_DEPTH = 16
MAX_NETWORKS = 16
MAX_NAME = 300  # characters

# Words in names, in lower case and between characters that are no letters.
_AVERAGED = re.compile(r"(?<![a-z])(?<!exp.)(ema|swa|avg|averaged?|shadow)(?![a-z])")
# Dicts and modules that can hold tensors named like a network's, and are not the network.
_OTHER = re.compile(
    r"(?<![a-z])(optim\w*|(lr_)?schedulers?|exp_avg\w*|momentum\w*|grads?|discriminators?|net_?d|teacher)(?![a-z])"
)
# Modules and counters beside a network.
_BESIDE = re.compile(
    r"(?<![a-z])(loss\w*|criteri\w+|perceptual\w*|vgg\w*|lpips|dists|metrics?|psnr|ssim|total_(ops|params)|initted|"
    r"num_batches_tracked|n_averaged|num_updates|steps?|epochs?|iterations?|decay|scaler|(train|val|test)_(psnr|ssim))"
    r"(?![a-z])"
)
_WRAPPER = re.compile(r"(?<![a-z])(module|model|net|network|generator|g|sr|student|orig_mod|ema)(?![a-z])")
_QUANTIZED = re.compile(r"(^|\.)(zero_point|_packed_params|activation_post_process|weight_fake_quant)\b")


@dataclass(frozen=True)
class Choice:
    """A network's tensors by their names in its layout, where they were, and what else the file holds.

    `keys` are those of the dicts around the tensors; `averaged` names the moving average that was chosen, if any;
    `left_out` names what stood beside the network.
    """

    state: dict[str, Stored]
    keys: tuple[str, ...] = ()
    averaged: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    choice: Choice
    where: str


def choose(contents: Contents) -> Choice:
    """The network in a file.

    Where a file holds a network and its moving average, the average is chosen. Names are compared after everything
    that stands before a layout's own names, whatever it is.

    Raises:
        EcbsrError: there is no network of a known layout, or more than one.
    """
    if isinstance(contents.tree, dict) and {"settings", "ema", "net", "optimizer"} <= contents.tree.keys():
        raise EcbsrError("is the state of an ecbsr-train run; give the best.safetensors beside it")
    refusals: list[str] = []
    found: list[_Found] = []
    for keys, state in _states(contents):
        if not any(map(_is_other, keys)):
            found += _networks(keys, state, refusals)
    averages = [item for item in found if item.choice.averaged]
    candidates = averages or found
    if not candidates:
        raise EcbsrError(refusals[0] if refusals else _what_it_is(contents))
    first, *others = candidates
    for other in others:
        if not _same(first.choice.state, other.choice.state):
            raise EcbsrError(
                f"holds several networks ({_listed([item.where or 'the rest' for item in candidates])}); "
                "save the state_dict() of the one that is meant"
            )
    choice = first.choice
    if not choice.averaged and (unread := _unread_average(contents.tree, contents.tensor_of)):
        choice = replace(choice, left_out=(*choice.left_out, unread))
    return choice


def _states(contents: Contents) -> Iterator[tuple[tuple[str, ...], dict[str, Stored]]]:
    """The dicts that hold tensors, with the keys that lead there, from the outside in."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), contents.tree)]
    seen: set[int] = set()
    for keys, item in waiting:
        value = item.arguments if isinstance(item, Call) and isinstance(item.arguments, dict) else item
        if id(value) in seen or len(keys) > MAX_DEPTH or not isinstance(value, dict | list | tuple):
            continue
        seen.add(id(value))
        items = value.items() if isinstance(value, dict) else enumerate(value)
        tensors = {}
        for key, inner in items:
            if isinstance(key, str) and (stored := contents.tensor_of(inner)):
                tensors[key] = stored
            elif isinstance(inner, dict | list | tuple | Call):
                waiting.append(((*keys, str(key)), inner))
        if tensors:
            yield keys, tensors


def _networks(keys: tuple[str, ...], state: dict[str, Stored], refusals: list[str]) -> Iterator[_Found]:
    """The networks in one state dict, one for each prefix."""
    groups: dict[str, dict[str, Stored]] = {}
    others: list[str] = []
    for name, stored in _with_dots(state).items():
        if len(name) <= MAX_NAME and (match := NAME.fullmatch(name)):
            groups.setdefault(match["prefix"], {})[match["name"]] = stored
        elif not _is_counter(name, stored):
            others.append(name)
    groups = {prefix: group for prefix, group in groups.items() if not _is_other(prefix)}
    if len(groups) > MAX_NETWORKS:
        refusals.append(f"holds {len(groups)} networks; save the state_dict() of the one that is meant")
        return
    for prefix, group in groups.items():
        belonging = [name for name in others if name.startswith(prefix) and not _is_beside(name.removeprefix(prefix))]
        apart = [name for name in others if not name.startswith(prefix) and not _is_beside(name)]
        stranger = next(iter(belonging), None) or (apart[0] if apart and not _is_wrapper(prefix) else None)
        where = ".".join([*keys, prefix.rstrip(".")]).strip(".")
        if stranger is not None:
            refusals.append(_foreign(stranger, state))
            continue
        left_out = tuple(dict.fromkeys(name.partition(".")[0] for name in others))
        averaged = where if _AVERAGED.search(_words(where)) else ""
        yield _Found(Choice(group, keys, averaged, left_out), where)
    if not groups and others:
        refusals.append(_foreign(others[0], state))


def _with_dots(state: dict[str, Stored]) -> dict[str, Stored]:
    """The tensors with the dots that LitEma (CompVis) drops: `model_ema.backbone0bias` is that of `backbone.0.bias`."""
    names = [match["name"] for name in state if len(name) <= MAX_NAME and (match := NAME.fullmatch(name))]
    whole = {name.replace(".", ""): name for name in names}
    parts = {name: name.rpartition(".") for name in state}
    return {
        f"{prefix}.{whole[rest]}" if rest in whole and _AVERAGED.search(_words(prefix)) else name: state[name]
        for name, (prefix, _, rest) in parts.items()
    }


def _unread_average(tree: Any, tensor_of: Callable[[Any], Stored | None]) -> str:
    """Averaged weights that cannot be read, and why, or "".

    They can be a list, in which nothing says which is which (torch-ema), or an object.
    """
    for value in walk(tree):
        for key, inner in value.items() if isinstance(value, dict) else ():
            if not _AVERAGED.search(_words(str(key))):
                continue
            where = f"the averages in {printable(str(key), 40)}"
            if isinstance(inner, list) and any(map(tensor_of, inner)):
                return f"{where}, which have no names"
            if isinstance(inner, Call) and not is_data(inner.name):
                return f"{where}, an object of {printable(inner.name, 80)}"
    return ""


def _foreign(name: str, state: dict[str, Stored]) -> str:
    if any(stored.problem == "quantized" for stored in state.values()) or any(map(_QUANTIZED.search, state)):
        return "holds weights that torch.ao quantized or prepared for it; give the float weights from before"
    return f"tensor {printable(name, 80)!r} does not belong to an ECBSR network of a known layout"


def _is_counter(name: str, stored: Stored) -> bool:
    """Whether a tensor is a counter or a setting beside the weights: one number, or a name that says so."""
    a_number = not stored.problem and stored.numel == 1 and "float" not in stored.dtype
    return a_number or _is_beside(name.rpartition(".")[2])


def _is_beside(name: str) -> bool:
    return bool(_BESIDE.search(_words(name)) or _OTHER.search(_words(name)))


def _is_other(name: str) -> bool:
    return bool(_OTHER.search(_words(name)))


def _is_wrapper(prefix: str) -> bool:
    """Whether a prefix names the whole network, so that what does not have it is something else."""
    last = prefix.rstrip(".").rpartition(".")[2]
    return bool(_WRAPPER.search(_words(last)))


def _words(name: str) -> str:
    """A name in lower case, with `camelCase` as `camel_case`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name[:MAX_NAME]).lower()


def _same(one: dict[str, Stored], other: dict[str, Stored]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].source is not None and one[name].source == other[name].source for name in one
    )


def _what_it_is(contents: Contents) -> str:
    """What a file without any named tensor of a network holds, with what to do."""
    things = list(walk(contents.tree))
    dicts = [value for value in things if isinstance(value, dict)]
    calls = [value.name for value in things if isinstance(value, Call | Name)]
    if any("param_groups" in value for value in dicts):
        return "holds the state of an optimizer and no weights; give the file with the model's state_dict()"
    if any("qtensor" in name or "per_channel_affine" in name for name in calls):
        return "holds weights that torch.ao quantized; give the float weights from before"
    if any(name.startswith("numpy.") and name.endswith(("_reconstruct", "_frombuffer")) for name in calls):
        return "holds NumPy arrays and no tensors; save the model's state_dict() with torch.save"
    objects = [value for value in things if isinstance(value, Call) and not is_data(value.name)]
    if isinstance(contents.tree, Call) and contents.tensor_of(contents.tree) is None:
        objects.append(contents.tree)
    if objects:
        return f"holds a {printable(objects[0].name, 80)} and no state dict; save the model's state_dict()"
    return "contains no state dict (tensors by name); save the model's state_dict()"


def _listed(names: list[str]) -> str:
    shown = [printable(name, 40) for name in names[:5]]
    return ", ".join(shown + ["…"] * (len(names) > 5))
