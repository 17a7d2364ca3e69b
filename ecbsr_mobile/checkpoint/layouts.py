"""The names of tensors by layout, and the chain of convolutions that they make.

Known layouts: xindongzhang/ECBSR (also its `legacy` code) and BasicSR (blocks with branches, and plain blocks),
ECNUSR/ETDS (its ECBSR, ETDS, ABPN and Plain networks), xinntao/Real-ESRGAN (its SRVGGNetCompact), and our own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ..collapse import Kernel
from ..ecb import ECB
from ..errors import EcbsrError
from . import etds
from .chains import Chain
from .state import State, load_state

_INDEX = r"(\d{1,4})"
_BRANCHES = r"conv3x3\.(?:weight|bias)|conv1x1_3x3\.[kb][01]|conv1x1_(?:sbx|sby|lpl)\.(?:k0|b0|scale|bias|mask)"
_PAIRS = rf"backbone\.{_INDEX}\.0\.(weight|bias)"  # ETDS
_DIRECT = rf"backbone\.{_INDEX}\.(weight|bias)"  # ETDS's ABPN, beside _PAIRS; a ReLU after it has an index of its own
# Names of tensors, by layout, and the name in a block: that of an ECB, or `slope` of the activation after it.
_PATTERNS = (
    (rf"backbone\.{_INDEX}\.({_BRANCHES})", "{}"),  # xindongzhang, BasicSR
    (rf"backbone\.{_INDEX}\.conv\.(weight|bias)", "conv3x3.{}"),
    (rf"backbone\.{_INDEX}\.act\.(weight)", "slope"),
    (_PAIRS, "conv3x3.{}"),
    (_DIRECT, "conv3x3.{}"),
    (rf"backbone\.{_INDEX}\.1\.(weight)", "slope"),
    (rf"convs\.{_INDEX}\.(weight|bias)", "conv3x3.{}"),  # our plain networks
    (rf"acts\.{_INDEX}\.(weight)", "slope"),
)
# Names whose number is not that of a block, or not alone.
_LEGACY = rf"(head|body|tail)\.{_INDEX}\.({_BRANCHES}|act\.weight)"  # xindongzhang's, based on EDSR
_COMPACT = rf"(?<!\d\.)body\.{_INDEX}\.(weight|bias)"  # Real-ESRGAN; `body.0.body.0` is of EDSR
_INT8 = r"int\d+\..+"  # our int8 weights
_NORM = rf"norms\.{_INDEX}\.(weight|bias|running_mean|running_var)"  # of a network read in the order of its tensors
_NAMES = (*(pattern for pattern, _ in _PATTERNS), _LEGACY, _COMPACT, etds.NAME, _INT8)
_ALL = "|".join(re.sub(r"\((?!\?)", "(?:", pattern) for pattern in _NAMES)

MAX_BLOCKS = 500
NORM_EPS = 1e-5
"""What nn.BatchNorm2d adds to a variance, unless another value is given to it."""

NAME = re.compile(rf"(?P<prefix>(?:.*?\.)??)(?P<name>{_ALL})")
"""A tensor's full name: the name in its layout, and the prefix before it."""


@dataclass(frozen=True)
class Facts:
    """What names say about the code that wrote them.

    Whether blocks have branches, the value range, whether ReLU is certain, and whether most networks of these names
    have the image added to their result.
    """

    branched: bool
    value_range: float
    relu: bool = False
    residual: bool = True


def with_one_backbone(state: State) -> State:
    """The state dict with the blocks of a legacy network (`head`, `body`, `tail`) numbered from first to last."""
    found = {name: match for name in state if (match := re.fullmatch(_LEGACY, name))}
    middle = len({match[2] for match in found.values() if match[1] == "body"})
    first = {"head": 0, "body": 1, "tail": middle + 1}
    names = {name: f"backbone.{first[match[1]] + int(match[2])}.{match[3]}" for name, match in found.items()}
    return _renamed(state, names, "head, body and tail")


def facts(state: State, keys: tuple[str, ...]) -> Facts:
    """What a state dict says by its names and by the keys that it was stored under.

    BasicSR stores its weights, for values in [0, 1], under `params` or `params_ema`. Bare blocks with branches are
    xindongzhang's if they are for luma, with values in [0, 255], and ETDS's if they are for RGB, in [0, 1]. Plain
    blocks named `conv3x3` are xindongzhang's, in [0, 255].
    """
    branched = any(".conv1x1_3x3." in name for name in state)
    plain = not branched and any(".conv3x3." in name for name in state)
    first = state.get("backbone.0.conv3x3.weight")
    rgb = first is not None and first.ndim == 4 and first.shape[1] == 3
    basicsr = any(key in ("params", "params_ema") for key in keys)
    value_range = 255.0 if not basicsr and (plain or (branched and not rgb)) else 1.0
    of_etds = any(re.fullmatch(etds.NAME, name) for name in state)
    of_abpn = all(any(re.fullmatch(pattern, name) for name in state) for pattern in (_DIRECT, _PAIRS))
    return Facts(branched, value_range, relu=of_etds or of_abpn, residual=not of_etds)


def chain(state: State, identity: bool) -> Chain:
    """The convolutions of a state dict in float64, with the branches of each block collapsed.

    Raises:
        EcbsrError: they are no chain of 3×3 convolutions.
    """
    if any(re.fullmatch(etds.NAME, name) for name in state):
        state, residual = etds.as_plain_blocks(state)
    else:
        state, residual = _compact_as_plain_blocks(state), None
    blocks = _blocks(state)
    if "slope" in blocks[-1]:
        raise EcbsrError(f"block {len(blocks) - 1}, the last, has an activation, which an ECBSR network does not have")
    branched = "conv1x1_3x3.k0" in blocks[0]
    clip = etds.clips(blocks)
    kernels = [_kernel(index, block, branched, identity) for index, block in enumerate(blocks[:-1] if clip else blocks)]
    for index, (before, after) in enumerate(pairwise(kernels)):
        if before[0].shape[0] != after[0].shape[1]:
            raise EcbsrError(
                f"block {index} has {before[0].shape[0]} outputs and block {index + 1} {after[0].shape[1]} inputs"
            )
    slopes = _of_one_kind([block.get("slope") for block in blocks[: len(kernels) - 1]], kernels)
    if not clip:
        return Chain(kernels, slopes, residual)
    colors, (weight, bias) = kernels[0][0].shape[1], kernels[-1]
    outputs = len(bias) // colors * colors  # one unused channel can stand behind them
    last = -weight[:outputs], 1 - bias[:outputs]
    return Chain([*kernels[:-1], last], slopes, residual=False, limited=True)


def _of_one_kind(slopes: list[Tensor | None], kernels: list[Kernel]) -> list[Tensor | None]:
    """The slopes after each layer; where one has a slope per channel, others of one slope have it in each channel."""
    without = [str(index) for index, slope in enumerate(slopes) if slope is None]
    if without and len(without) < len(slopes):
        raise EcbsrError(
            f"has slopes, but none after block {', '.join(without[:20])}; save it with a PReLU after each block but "
            "the last, with slopes of 0 where there is a ReLU"
        )
    if all(slope is None or slope.numel() == 1 for slope in slopes):
        return slopes
    return [
        slope.expand(len(bias)) if slope is not None and slope.numel() == 1 else slope
        for slope, (_, bias) in zip(slopes, kernels, strict=False)
    ]


def _compact_as_plain_blocks(state: State) -> State:
    """The state dict with the layers of Real-ESRGAN's network, convolutions and activations in turn, as our blocks."""
    names = {}
    for name in state:
        if match := re.fullmatch(_COMPACT, name):
            block, activation = divmod(int(match[1]), 2)
            if not (activation and match[2] == "bias"):
                names[name] = f"{'acts' if activation else 'convs'}.{block}.{match[2]}"
    return _renamed(state, names, "the layers in body and others")


def _renamed(state: State, names: Mapping[str, str], which: str) -> State:
    """The state dict with some names replaced, none of which may be taken."""
    if len(set(names.values())) < len(names) or not set(names.values()).isdisjoint(state):
        raise EcbsrError(f"{which} are not the blocks of one ECBSR network")
    return {names.get(name, name): value for name, value in state.items()}


def _blocks(state: State) -> list[State]:
    """The tensors of each block in order, under the names of an ECB, with `slope` for its activation."""
    blocks: dict[int, State] = {}
    for name, value in state.items():
        for pattern, inner in (*_PATTERNS, (_NORM, "norm.{}")):
            if match := re.fullmatch(pattern, name):
                index, key = int(match[1]), inner.format(match[2])
                block = blocks.setdefault(index, {})
                if key in block:
                    raise EcbsrError(f"block {index} has several tensors {key}; save one network's state_dict()")
                block[key] = value.flatten() if key == "slope" else value
                break
        else:
            raise EcbsrError(f"tensor {name!r} does not belong to an ECBSR network of a known layout")
    if len(blocks) > MAX_BLOCKS:
        raise EcbsrError(f"has {len(blocks)} blocks, more than a network for phones ({MAX_BLOCKS})")
    direct = {int(match[1]) for name in state if (match := re.fullmatch(_DIRECT, name))}
    indices = sorted(blocks)
    follow = all(after == before + (2 if before in direct else 1) for before, after in pairwise(indices))
    if len(indices) < 2 or indices[0] != 0 or not follow:
        shown = ", ".join(map(str, indices[:20]))
        raise EcbsrError(f"blocks [{shown}] are not a complete ECBSR network")
    return [blocks[index] for index in indices]


@torch.no_grad()
def _kernel(index: int, block: State, branched: bool, identity: bool) -> Kernel:
    """The collapsed convolution of a block."""
    tensors = {name: value for name, value in block.items() if name != "slope"}
    weight, bias = tensors.get("conv3x3.weight"), tensors.get("conv3x3.bias")
    if weight is None or weight.shape[2:] != (3, 3) or (bias is None and branched):
        raise EcbsrError(f"block {index} has no 3x3 convolution{' with bias' * branched}")
    if bias is None:
        bias = weight.new_zeros(len(weight))
    if bias.shape != weight.shape[:1]:
        raise EcbsrError(f"block {index} has {len(weight)} outputs and a bias of the shape {list(bias.shape)}")
    if not branched:
        if norm := {
            name.removeprefix("norm."): tensors.pop(name) for name in list(tensors) if name.startswith("norm.")
        }:
            factor = norm["weight"] / (norm["running_var"] + NORM_EPS).sqrt()
            return weight * factor[:, None, None, None], (bias - norm["running_mean"]) * factor + norm["bias"]
        if tensors.keys() - {"conv3x3.weight", "conv3x3.bias"}:
            raise EcbsrError(f"block {index} has branches that the first block lacks: {sorted(tensors)}")
        return weight, bias
    outputs, inputs = weight.shape[:2]
    k0, k1 = (tensors.get(f"conv1x1_3x3.{name}", bias) for name in ("k0", "k1"))
    middle = len(k0)
    if k0.shape != (middle, inputs, 1, 1) or k1.shape != (outputs, middle, 3, 3):
        # Before a block of these sizes is made: together they can be far larger than the file.
        raise EcbsrError(f"block {index} has inconsistent tensors: conv1x1_3x3 is {tuple(k0.shape)}, {tuple(k1.shape)}")
    ecb = ECB(inputs, outputs, identity, middle / outputs).double()
    masks = {name: mask for name, mask in ecb.state_dict().items() if name.endswith("mask")}  # averages can lack them
    load_state(ecb, masks | tensors, f"block {index}")
    return ecb.collapse()
