"""Find the one network among everything that a checkpoint holds: wrappers, prefixes, averages, losses, counters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import EcbsrError
from ..utils.text import printable
from . import averages
from .averages import MAX_NAME, Kind, words
from .files import Contents
from .layouts import NAME
from .pickles import Call, Name, is_data, walk
from .stored import Stored, unreadable
from .unknown_names import QUICKSRNET, is_quicksrnet, layers_in_order, lists_of_layers

MAX_DEPTH = 16
MAX_NETWORKS = 16

# Words in names as `words` writes them, between characters that are no letters.
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
# What PyTorch puts around a module inside a network: torch.compile, FSDP, activation checkpoints.
_AROUND = re.compile(r"(?<=\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_KNOWN_LISTS = re.compile(r"(.*\.)?(convs|backbone)")
# What has to be done first with tensors of these names, where a network is not read.
_FIRST = (
    (
        r"(^|\.)(rbr_\w+|(re_?param|rep_?(conv|vgg|block))\w*|branch\w*|conv_?1x1)\.",
        "the branches of each block are merged into one 3x3 convolution (switch_to_deploy in RepVGG's code)",
    ),
    (r"lora_", "its LoRA weights are merged (merge_and_unload in PEFT)"),
    (r"flat_param(_\d+)?$", "its parts are gathered (FULL_STATE_DICT of FSDP)"),
    (r"running_mean$", "its batch normalization is fused (torch.nn.utils.fusion.fuse_conv_bn_eval)"),
    (
        r"(weight_[guv]|parametrizations\.weight\..*)$",
        "its weights are no longer parametrized (remove_parametrizations, remove_weight_norm, remove_spectral_norm)",
    ),
    (r"weight_(orig|mask)$", "its pruning is made permanent (torch.nn.utils.prune.remove)"),
)
_QUANTIZED = re.compile(r"(^|\.)(zero_point|_packed_params|activation_post_process|weight_fake_quant)\b")


@dataclass(frozen=True)
class Choice:
    """A network's tensors by their names in its layout, where they were, and what else the file holds.

    `keys` are those of the dicts around the tensors; `averaged` names the moving average that was chosen, if any;
    `left_out` names what stood beside the network, and `unused` describes the averages that were not taken.
    `unproven`: why the names are refused, where the tensors are taken for one chain of layers in their order.
    """

    state: dict[str, Stored]
    keys: tuple[str, ...] = ()
    averaged: str = ""
    left_out: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    unproven: str = ""


@dataclass(frozen=True)
class _Place:
    """A dict that holds tensors, the keys that lead to it, and its prefixes under which an average counts no updates.

    `average` says where the program that wrote the file saves averages.
    """

    state: dict[str, Stored]
    keys: tuple[str, ...]
    idle: tuple[str, ...]
    average: averages.Saved

    def found(self, prefix: str, choice: Choice) -> _Found:
        """A network of this dict."""
        where = ".".join([*self.keys, prefix.rstrip(".")]).strip(".")
        return _Found(choice, where, averages.kind(self.keys, prefix, self.idle, self.average))


@dataclass(frozen=True)
class _Found:
    choice: Choice
    where: str
    kind: Kind


def choose(contents: Contents) -> Choice:
    """The network in a file.

    Where a file holds a network and its moving average, the average is chosen, unless it has not begun. Names are
    compared after everything that stands before a layout's own names, whatever it is.

    Raises:
        EcbsrError: there is no network of a known layout, or more than one.
    """
    if isinstance(contents.tree, dict) and {"settings", "ema", "net", "optimizer"} <= contents.tree.keys():
        raise EcbsrError("is the state of an ecbsr-train run; give the best.safetensors beside it")
    refusals: list[str] = []
    places = [place for place in _places(contents) if not any(map(_is_other, place.keys))]
    found = [network for place in places for network in _networks(place, refusals)]
    if not found and refusals:
        found = [network for place in places for network in _networks_in_order(place, refusals[0])]
    if not found:
        raise EcbsrError(refusals[0] if refusals else _what_it_is(contents))
    best = min(item.kind for item in found)
    first, *others = candidates = [item for item in found if item.kind == best]
    for other in others:
        if not _same(first.choice.state, other.choice.state):
            raise EcbsrError(
                f"holds several networks ({listed([item.where or 'the rest' for item in candidates])}); "
                "save the state_dict() of the one that is meant"
            )
    return _with_notes(first, found, contents)


def _with_notes(chosen: _Found, found: list[_Found], contents: Contents) -> Choice:
    """The choice, with what a user should know about the averages in the file."""
    choice, where = chosen.choice, chosen.where
    if chosen.kind == Kind.AVERAGE:
        return replace(choice, averaged=where)
    if chosen.kind == Kind.IDLE:
        return replace(choice, averaged=f"{where}, of no updates yet")
    idle = [printable(item.where, 80) for item in found if item.kind == Kind.IDLE]
    unused = [f"the average in {name}, which has not begun" for name in idle] or [averages.unread(contents)]
    return replace(choice, unused=tuple(filter(None, unused)))


def _places(contents: Contents) -> Iterator[_Place]:
    """The dicts that hold tensors, from the outside in."""
    average = averages.saved(contents)
    waiting: list[tuple[tuple[str, ...], Any, tuple[str, ...]]] = [((), contents.tree, ())]
    seen: set[int] = set()
    for keys, item, idle_around in waiting:
        value = item.arguments if isinstance(item, Call) and isinstance(item.arguments, dict) else item
        if id(value) in seen or len(keys) > MAX_DEPTH or not isinstance(value, dict | list | tuple):
            continue
        seen.add(id(value))
        idle = averages.idle(value, contents) if isinstance(value, dict) else ()
        beside = tuple(prefix for prefix in idle if not prefix)
        items = value.items() if isinstance(value, dict) else enumerate(value)
        tensors: dict[str, Stored] = {}
        objects: dict[str, Stored] = {}  # in the place of a tensor, as libraries for quantization leave them
        for key, inner in items:
            if isinstance(key, str) and (stored := contents.tensor_of(inner)):
                tensors[key] = stored
                continue
            if isinstance(key, str) and isinstance(inner, Call) and key.endswith((".weight", ".bias")):
                objects[key] = unreadable(f"an object of {printable(inner.name, 80)}")
            if isinstance(inner, dict | list | tuple | Call):
                waiting.append(((*keys, str(key)), inner, beside))
        if tensors:
            state = tensors | objects
            state = _renamed(state, {name: _AROUND.sub("", name) for name in state})
            yield _Place(state, keys, (*idle, *idle_around), average)


def _networks(place: _Place, refusals: list[str]) -> Iterator[_Found]:
    """The networks in one dict, one for each prefix; `refusals` gets why others are none."""
    named = _with_dots(place.state)
    groups, others = _grouped(_with_known_lists(named, _KNOWN_LISTS))
    if not groups:
        groups, others = _grouped(_with_known_lists(named, re.compile(".*")))
    groups = {prefix: group for prefix, group in groups.items() if not _is_other(prefix)}
    if len(groups) > MAX_NETWORKS:
        refusals.append(f"holds {len(groups)} networks; save the state_dict() of the one that is meant")
        return
    for prefix, group in groups.items():
        belonging = [name for name in others if name.startswith(prefix) and not _is_beside(name.removeprefix(prefix))]
        apart = [name for name in others if not name.startswith(prefix) and not _is_beside(name)]
        stranger = next(iter(belonging), None) or (apart[0] if apart and not _is_wrapper(prefix) else None)
        if stranger is not None:
            refusals.append(_foreign(stranger, place.state))
            continue
        yield place.found(prefix, Choice(group, place.keys, left_out=_modules(others)))
    if not groups and others:
        refusals.append(_foreign(others[0], place.state))


def _networks_in_order(place: _Place, refusal: str) -> Iterator[_Found]:
    """The chains of layers in one dict whose names are refused: the whole, or each part with a prefix."""
    state = {name: stored for name, stored in place.state.items() if not _is_counter(name, stored)}
    belonging = {name: stored for name, stored in state.items() if len(name) <= MAX_NAME and not _is_beside(name)}
    prefixes = dict.fromkeys(name.partition(".")[0] + "." for name in belonging)
    for prefix in ("", *list(prefixes)[:MAX_NETWORKS]):
        part = {name: stored for name, stored in belonging.items() if name.startswith(prefix)}
        if names := layers_in_order({name: stored.shape for name, stored in part.items()}):
            chain = {names[name]: stored for name, stored in part.items()}
            left_out = _modules(name for name in state if name not in names)
            unproven = QUICKSRNET if is_quicksrnet(part) else refusal
            yield place.found(prefix, Choice(chain, place.keys, left_out=left_out, unproven=unproven))
            if not prefix:
                return


def _modules(names: Iterable[str]) -> tuple[str, ...]:
    """The first parts of names, each once."""
    return tuple(dict.fromkeys(name.partition(".")[0] for name in names))


def _grouped(state: dict[str, Stored]) -> tuple[dict[str, dict[str, Stored]], list[str]]:
    """The tensors with names of a layout by their prefixes, and the names of the others, without counters."""
    groups: dict[str, dict[str, Stored]] = {}
    others: list[str] = []
    for name, stored in state.items():
        if len(name) <= MAX_NAME and (match := NAME.fullmatch(name)):
            groups.setdefault(match["prefix"], {})[match["name"]] = stored
        elif not _is_counter(name, stored):
            others.append(name)
    return groups, others


def _with_known_lists(state: dict[str, Stored], which: re.Pattern[str]) -> dict[str, Stored]:
    """The tensors with lists of layers under the name that Real-ESRGAN gives them.

    A list and its average beside it keep their own names before that one.
    """
    shapes = {name: item.shape for name, item in state.items() if len(name) <= MAX_NAME and not _is_counter(name, item)}
    lists = {
        place: layers
        for place, layers in lists_of_layers(shapes).items()
        if which.fullmatch(place) and not _is_beside(place)
    }
    around = {place: place[: place.rfind(".") + 1] for place in lists}
    with_average = {around[place] for place in lists if averages.is_averaged(place.rpartition(".")[2])}
    names: dict[str, str] = {}
    for place, layers in lists.items():
        own = around[place] in with_average and list(around.values()).count(around[place]) > 1
        names |= (
            {name: f"{place}.{layer.removeprefix(around[place])}" for name, layer in layers.items()} if own else layers
        )
    return _renamed(state, names)


def _renamed(state: dict[str, Stored], names: dict[str, str]) -> dict[str, Stored]:
    """The tensors with some names replaced, or as they are where two would get the same name."""
    renamed = {names.get(name, name): stored for name, stored in state.items()}
    return renamed if len(renamed) == len(state) else state


def _with_dots(state: dict[str, Stored]) -> dict[str, Stored]:
    """The tensors with the dots that LitEma (CompVis) drops: `model_ema.backbone0bias` is that of `backbone.0.bias`.

    Or of `net.backbone.0.bias`: the average can be that of any module around the network.
    """
    parts = {name: name.rpartition(".") for name in state if len(name) <= MAX_NAME}
    if not any(averages.is_averaged(prefix) for prefix, _, _ in parts.values()):
        return state
    components = [name.split(".")[-MAX_DEPTH:] for name in parts]
    inner = (".".join(names[start:]) for names in components for start in range(len(names)))
    whole = {name.replace(".", ""): name for name in inner if "." in name}
    return {
        f"{prefix}.{whole[rest]}" if rest in whole and averages.is_averaged(prefix) else name: state[name]
        for name in state
        for prefix, _, rest in [parts.get(name, ("", "", ""))]
    }


def _foreign(name: str, state: dict[str, Stored]) -> str:
    if any(stored.problem == "quantized" for stored in state.values()) or any(map(_QUANTIZED.search, state)):
        return "holds weights that torch.ao quantized or prepared for it; give the float weights from before"
    first = (f", once {what}" for ending, what in _FIRST if any(re.search(ending, key[-MAX_NAME:]) for key in state))
    return (
        f"tensor {printable(name, 80)!r} does not belong to an ECBSR network of a known layout; of other networks, one "
        f"nn.Sequential of 3x3 convolutions and activations in turn is read{next(first, '')}"
    )


def _is_counter(name: str, stored: Stored) -> bool:
    """Whether a tensor is a counter or a setting beside the weights: one number, or a name that says so."""
    a_number = not stored.problem and stored.numel == 1 and "float" not in stored.dtype
    return a_number or _is_beside(name.rpartition(".")[2])


def _is_beside(name: str) -> bool:
    return bool(_BESIDE.search(words(name)) or _OTHER.search(words(name)))


def _is_other(name: str) -> bool:
    return bool(_OTHER.search(words(name)))


def _is_wrapper(prefix: str) -> bool:
    """Whether a prefix names the whole network, so that what does not have it is something else."""
    last = prefix.rstrip(".").rpartition(".")[2]
    return bool(_WRAPPER.search(words(last)))


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


def listed(names: Sequence[str]) -> str:
    """The first names of many, for a sentence."""
    shown = [printable(name, 40) for name in names[:5]]
    return ", ".join(shown + ["…"] * (len(names) > 5))
