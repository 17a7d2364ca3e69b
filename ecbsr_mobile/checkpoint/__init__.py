"""Read weights files of every known layout as the plain network for values in [0, 1], and write our own.

The shapes in a state dict determine depth, width, scale, colors and the kind of slopes. They do not determine whether
the blocks have an identity branch, the network's value range, or an activation without weights. Each layout has a
default for these, and a `UserWarning` names the assumptions.
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from .. import zoo
from ..architecture import SCALES, Activation, Architecture
from ..collapse import Kernel
from ..ecb import ECB
from ..errors import EcbsrError, UsageError
from ..network import ECBSR, PlainNet
from ..utils.files import atomic_write
from . import int8
from .state import State, load_state

FORMAT = "ecbsr-mobile"
"""Value of the metadata key `format` in the `.safetensors` files that `save` writes."""

# Keys under which training code stores the state dict in a checkpoint; averaged weights first.
_STATE_DICT_KEYS = ("params_ema", "params", "model_state_dict", "state_dict", "model")

# What wrappers prepend to every name: `module.` is from DataParallel, `_orig_mod.` from torch.compile.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")

# Names of tensors, by layout, and the name in a block: that of an ECB, or `slope` of the activation after it.
_PATTERNS = (
    (r"backbone\.(\d+)\.(conv\w+\.\w+)", "{}"),  # xindongzhang, BasicSR
    (r"backbone\.(\d+)\.act\.(weight)", "slope"),
    (r"backbone\.(\d+)\.0\.(weight|bias)", "conv3x3.{}"),  # ETDS
    (r"backbone\.(\d+)\.1\.(weight)", "slope"),
    (r"convs\.(\d+)\.(weight|bias)", "conv3x3.{}"),  # our plain networks
    (r"acts\.(\d+)\.(weight)", "slope"),
)


@dataclass(frozen=True)
class _Contents:
    """A weights file: its state dict, the key that it was stored under in a checkpoint, and its metadata."""

    state: State
    key: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        return self.metadata.get("format") == FORMAT


def load(
    path: str | os.PathLike[str],
    identity: bool | None = None,
    value_range: float | None = None,
    activation: Activation | None = None,
) -> PlainNet:
    """The plain network of a weights file, in float32, for NCHW values in [0, 1].

    Reads xindongzhang/ECBSR (assumed value range 255), BasicSR (under `params` or `params_ema`; range 1), ETDS (fused;
    range 1), plain networks, and our own files (which record everything), as `.pth`, `.pt`, `.ckpt` or `.safetensors`.
    No code in the file is executed.

    Args:
        path: a file, or the name of a bundled model (`zoo.names()`).
        identity: whether blocks add their input if their widths allow it; default False.
        value_range: 1 or 255, the range that the network was trained on.
        activation: needed if the file has no slopes and the activation is not ReLU.

    Raises:
        EcbsrError: the file is missing, empty, truncated, not a weights file, contains code or NaN, or its shapes are
            not those of an ECBSR network.
        UsageError: an argument contradicts the file.
    """
    file = zoo.weights(str(path)) if not Path(path).exists() and str(path) in zoo.names() else Path(path)
    try:
        net, assumptions = _plain_net(_read(file), identity, value_range, activation)
    except EcbsrError as error:
        raise type(error)(f"{file}: {error}") from None
    if assumptions:
        warnings.warn(f"{file}: read as {net.name}, assuming {', '.join(assumptions)}", UserWarning, stacklevel=2)
    return net


def save(net: PlainNet | ECBSR, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Write weights as `.safetensors` with everything that `load` needs, and `metadata` beside it.

    Raises:
        EcbsrError: the file cannot be written.
    """
    from safetensors.torch import save_file

    recorded = {key: str(value) for key, value in asdict(net.architecture).items()}
    recorded |= {"format": FORMAT, "name": net.architecture.name, "value_range": "1"}
    if isinstance(net, ECBSR):
        recorded |= {"identity": str(net.identity), "expansion": str(net.expansion)}
    tensors = dict(net.state_dict()) | (int8.tensors(net) if isinstance(net, PlainNet) else {})
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {**(metadata or {}), **recorded})


def _read(path: Path) -> _Contents:
    if path.is_dir():
        raise EcbsrError("is a folder; give the weights file in it")
    if not path.exists():
        raise EcbsrError(f"no such file, nor a bundled model ({', '.join(zoo.names())})")
    if path.stat().st_size == 0:
        raise EcbsrError("is empty")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)


def _read_safetensors(path: Path) -> _Contents:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return _Contents(state, metadata=file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise EcbsrError(f"is not a complete .safetensors file ({error})") from None


def _read_pickle(path: Path) -> _Contents:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols, which the user cannot change
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise any kind of exception
        code = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if code:
            raise EcbsrError(
                f"contains pickled code ({code[1]}), which is not executed; save only the model's state_dict()"
            ) from None
        raise EcbsrError("is not a weights file (.pth, .safetensors), or is truncated") from None
    key = ""
    while isinstance(content, Mapping) and (inner := next((k for k in _STATE_DICT_KEYS if k in content), None)):
        if not isinstance(content[inner], Mapping):
            break
        content, key = content[inner], inner
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise EcbsrError("contains no state dict (tensors by name); save the model's state_dict()")
    return _Contents({str(name): value for name, value in content.items() if isinstance(value, Tensor)}, key)


def _plain_net(
    contents: _Contents, identity: bool | None, value_range: float | None, activation: Activation | None
) -> tuple[PlainNet, list[str]]:
    """The network, and what was assumed about it."""
    state, int8_states = int8.split(_without_prefixes(contents.state))
    blocks = _blocks(state)
    branched = "conv1x1_3x3.k0" in blocks[0]
    assumed_range = 255.0 if branched and contents.key not in ("params", "params_ema") else 1.0
    assumptions = []
    if contents.ours:
        identity = _recorded("identity", contents.metadata.get("identity") == "True", identity)
        value_range = _recorded("value_range", 1.0, value_range)
    else:
        if branched and identity is None:
            assumptions.append("no identity branch (else identity=True, --identity)")
        if value_range is None:
            assumptions.append(f"values in [0, {assumed_range:g}] (else value_range, --range)")
        if activation is None and "slope" not in blocks[0]:
            assumptions.append("ReLU")
    if identity and not branched:
        raise UsageError("is collapsed already, so that no identity branch can be added; leave identity out")
    value_range = value_range or assumed_range
    if value_range not in (1, 255):
        raise UsageError(f"value range {value_range} is not supported; use 1 or 255")
    kernels = [_kernel(index, block, branched, bool(identity)) for index, block in enumerate(blocks)]
    slopes = [block.get("slope") for block in blocks[:-1]]
    recorded_activation = cast(Activation | None, contents.metadata.get("activation"))
    architecture = _architecture(kernels, slopes[0], activation or recorded_activation)
    net = _with_weights(architecture, kernels, slopes).with_value_range(float(value_range))
    net.int8 = {name: int8.weights(architecture, name, int8_state) for name, int8_state in int8_states.items()}
    return net, assumptions


def _recorded(name: str, recorded: Any, given: Any) -> Any:
    """The value that a file records, which an argument may repeat but not change."""
    if given is not None and given != recorded:
        raise UsageError(f"records {name} {recorded}, not {given}; leave {name} out")
    return recorded


def _without_prefixes(state: State) -> State:
    while prefix := next((p for p in _PREFIXES if state and all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _blocks(state: State) -> list[State]:
    """The tensors of each block in order, in float64, under the names of an ECB, with `slope` for its activation."""
    blocks: dict[int, State] = {}
    for name, value in state.items():
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise EcbsrError(f"tensor {name!r} contains values that are not finite; train or save it again")
        for pattern, inner in _PATTERNS:
            if match := re.fullmatch(pattern, name):
                blocks.setdefault(int(match[1]), {})[inner.format(match[2])] = value.double()
                break
        else:
            raise EcbsrError(f"tensor {name!r} does not belong to an ECBSR network of a known layout")
    if len(blocks) < 2 or sorted(blocks) != list(range(len(blocks))):
        raise EcbsrError(f"blocks {sorted(blocks)} are not a complete ECBSR network")
    return [blocks[index] for index in range(len(blocks))]


@torch.no_grad()
def _kernel(index: int, block: State, branched: bool, identity: bool) -> Kernel:
    """The collapsed convolution of a block, in float64."""
    tensors = {name: value for name, value in block.items() if name != "slope"}
    weight, bias = tensors.get("conv3x3.weight"), tensors.get("conv3x3.bias")
    if weight is None or bias is None or weight.shape[2:] != (3, 3) or bias.shape != weight.shape[:1]:
        raise EcbsrError(f"block {index} has no 3x3 convolution with bias")
    if not branched:
        if len(tensors) > 2:
            raise EcbsrError(f"block {index} has branches that the first block lacks: {sorted(tensors)}")
        return weight, bias
    middle = tensors.get("conv1x1_3x3.b0", bias).numel()
    ecb = ECB(weight.shape[1], weight.shape[0], identity, middle / weight.shape[0]).double()
    load_state(ecb, tensors, f"block {index}")
    return ecb.collapse()


def _architecture(kernels: list[Kernel], slope: Tensor | None, activation: Activation | None) -> Architecture:
    """The architecture that has these shapes; `slope` has those of the first block, `activation` is what to expect."""
    channels, colors = kernels[0][0].shape[:2]
    outputs = kernels[-1][0].shape[0]
    scale = next((scale for scale in SCALES if scale**2 * colors == outputs), None)
    if scale is None or colors not in (1, 3):
        raise EcbsrError(
            f"{colors} input and {outputs} output channels do not match a scale of 2, 3 or 4 with 1 or 3 colors"
        )
    if slope is None:
        if activation in ("prelu", "leaky"):
            raise UsageError(f"has no slopes, which the activation {activation} needs; use relu")
        return Architecture(len(kernels) - 2, channels, scale, colors, "relu")
    stored: Activation = "prelu" if slope.numel() == channels else "leaky"
    ambiguous = channels == 1 and activation in ("prelu", "leaky")
    if activation and activation != stored and not ambiguous:
        raise UsageError(f"has the slopes of a {stored} network, not {activation}; leave the activation out")
    return Architecture(len(kernels) - 2, channels, scale, colors, stored)


def _with_weights(architecture: Architecture, kernels: list[Kernel], slopes: list[Tensor | None]) -> PlainNet:
    state: State = {}
    for index, (weight, bias) in enumerate(kernels):
        state |= {f"convs.{index}.weight": weight, f"convs.{index}.bias": bias}
    for index, slope in enumerate(slopes):
        if slope is not None:
            state[f"acts.{index}.weight"] = slope.flatten()
    net = PlainNet(architecture)
    load_state(net, state, "the network")
    return net.requires_grad_(False).eval()
