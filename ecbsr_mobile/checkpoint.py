"""Weights files of every known layout, read as the plain network in [0, 1]; our own, written.

A state dict says the depth, width, scale, colours and PReLU slopes. It does not say whether the identity
branch was on, which range of values the network works on, or which activation without weights it has:
each layout has a default for these, and a `UserWarning` says what was assumed.
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import zoo
from .architecture import PRELU_DECOMPOSITIONS, Activation, Architecture, PReLUDecomposition
from .ecb import ECB
from .errors import EcbsrError, UsageError
from .network import ECBSR, Int8Weights, PlainNet
from .quantization.fake_quant import activation_names
from .utils.files import atomic_write

FORMAT = "ecbsr-mobile"
"""Value of the metadata key `format` in the `.safetensors` files that `save` writes."""

# Where training code keeps the state dict inside its checkpoint; averaged weights first.
_NESTED = ("params_ema", "params", "model_state_dict", "state_dict", "model")

_Block = dict[str, Tensor]


def load(
    path: str | os.PathLike[str],
    identity: bool | None = None,
    value_range: float | None = None,
    activation: Activation | None = None,
) -> PlainNet:
    """The plain network that a weights file holds, in float32, for NCHW values in [0, 1].

    Reads xindongzhang/ECBSR (assumed range 255), BasicSR (under `params` or `params_ema`; range 1), ETDS
    (fused; range 1), plain networks, and our own files (which say everything), as `.pth`, `.pt`, `.ckpt` or
    `.safetensors`. Nothing in the file is executed.

    Args:
        path: a file, or the name of a bundled model (`zoo.names()`).
        identity: whether blocks add their input where their width allows it; default False.
        value_range: 1 or 255, the range the network was trained on.
        activation: needed where the file holds no slopes and the activation is not ReLU.

    Raises:
        EcbsrError: the file is missing, empty, truncated, not weights, holds code or NaN, or its shapes are
            not those of an ECBSR network.
        UsageError: an option contradicts what the file holds.
    """
    path = _resolve(path)
    state, metadata, key = _read(path)
    state, for_int8 = _apart(_without_prefix(state))
    ours = metadata.get("format") == FORMAT
    if ours:
        identity = _agree(path, "identity", identity, metadata.get("identity") == "True")
        value_range = _agree(path, "value_range", value_range, 1.0)
    blocks = _blocks(path, state)
    convs, branched = _collapse(path, blocks, bool(identity))
    slopes = [block.get("slope") for block in blocks[:-1]]
    stated = metadata.get("activation")
    architecture = _architecture(path, convs, slopes, activation or stated)  # type: ignore[arg-type]
    plain = _fill(path, PlainNet(architecture), convs, slopes)
    if identity and not branched:
        raise UsageError(f"{path}: is collapsed already, so the identity branch cannot be added; leave it out")
    if not ours:
        assumed_range = 255.0 if branched and key not in ("params", "params_ema") else 1.0
        _tell_assumptions(
            path,
            architecture,
            branched and identity is None,
            value_range is None,
            assumed_range,
            activation is None and slopes[0] is None,
        )
        value_range = value_range or assumed_range
    if value_range not in (1, 255):
        raise UsageError(f"value range {value_range} is not known; use 1 or 255")
    plain = plain.with_value_range(float(value_range))
    plain.int8 = {form: _int8_weights(path, architecture, form, held) for form, held in for_int8.items()}
    return plain


def save(net: PlainNet | ECBSR, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Write weights as `.safetensors` with all that `load` needs to know, and `metadata` beside it.

    Raises:
        EcbsrError: the file cannot be written.
    """
    from safetensors.torch import save_file

    described = {key: str(value) for key, value in asdict(net.architecture).items()}
    described |= {"format": FORMAT, "name": net.architecture.name, "value_range": "1"}
    if isinstance(net, ECBSR):
        described |= {"identity": str(net.identity), "expansion": str(net.expansion)}
    tensors = dict(net.state_dict())
    for form, weights in net.int8.items() if isinstance(net, PlainNet) else ():
        tensors |= {f"int8.{form}.{name}": value for name, value in weights.net.state_dict().items()}
        tensors[f"int8.{form}.ranges"] = weights.ranges
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {**(metadata or {}), **described})


def _resolve(path: str | os.PathLike[str]) -> Path:
    if not Path(path).exists() and str(path) in zoo.names():
        return zoo.weights(str(path))
    return Path(path)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str], str]:
    """The state dict, the file's metadata, and the key that the state dict lay under."""
    if path.is_dir():
        raise EcbsrError(f"{path}: is a folder; give the weights file in it")
    if not path.exists():
        raise EcbsrError(f"{path}: no such file, nor a bundled model ({', '.join(zoo.names())})")
    if path.stat().st_size == 0:
        raise EcbsrError(f"{path}: is empty")
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
        return state, metadata, ""
    content = _read_pickle(path)
    key = ""
    while isinstance(content, Mapping) and (inner := next((k for k in _NESTED if k in content), None)):
        if not isinstance(content[inner], Mapping):
            break
        content, key = content[inner], inner
    if not isinstance(content, Mapping) or not any(isinstance(v, Tensor) for v in content.values()):
        raise EcbsrError(f"{path}: holds no state dict (tensors by name); save the model's state_dict()")
    return {str(k): v for k, v in content.items() if isinstance(v, Tensor)}, {}, key


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise EcbsrError(f"{path}: is not a whole .safetensors file ({error})") from None


def _read_pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols, which the user cannot change
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage makes the reader stumble anywhere, over any kind of exception
        named = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if named:
            raise EcbsrError(
                f"{path}: holds pickled code ({named[1]}), which is not run; save only the model's state_dict()"
            ) from None
        raise EcbsrError(f"{path}: is not a weights file (.pth, .safetensors), or truncated") from None


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop what wrappers put before every name (`module.` of DataParallel, `_orig_mod.` of compile)."""
    for prefix in ("module.", "_orig_mod.", "model.", "net."):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _apart(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[PReLUDecomposition, dict[str, Tensor]]]:
    """The network's own tensors, and those of each form that was trained for int8."""
    for_int8: dict[PReLUDecomposition, dict[str, Tensor]] = {}
    own = dict(state)
    for form in PRELU_DECOMPOSITIONS:
        prefix = f"int8.{form}."
        held = {name.removeprefix(prefix): own.pop(name) for name in state if name.startswith(prefix)}
        if held:
            for_int8[form] = held
    return own, for_int8


def _int8_weights(
    path: Path, architecture: Architecture, form: PReLUDecomposition, held: dict[str, Tensor]
) -> Int8Weights:
    ranges = held.pop("ranges", torch.empty(0))
    if ranges.shape != (len(activation_names(architecture, form)), 2) or not torch.isfinite(ranges).all():
        raise EcbsrError(f"{path}: its int8 ranges do not fit {architecture.name}; train it for int8 again")
    if not all(torch.isfinite(value).all() for value in held.values()):
        raise EcbsrError(f"{path}: its int8 weights hold values that are not finite numbers; train it for int8 again")
    plain = PlainNet(architecture)
    _load_strictly(path, "the int8 network", plain, held)
    return Int8Weights(form, plain.requires_grad_(False).eval(), ranges.float())


def _blocks(path: Path, state: dict[str, Tensor]) -> list[_Block]:
    """The tensors of each block in order, under the names of an ECB, with `slope` for its activation."""
    patterns = (
        (r"backbone\.(\d+)\.(conv\w+\.\w+)", "{}"),  # xindongzhang, BasicSR
        (r"backbone\.(\d+)\.act\.(weight)", "slope"),
        (r"backbone\.(\d+)\.0\.(weight|bias)", "conv3x3.{}"),  # ETDS
        (r"backbone\.(\d+)\.1\.(weight)", "slope"),
        (r"convs\.(\d+)\.(weight|bias)", "conv3x3.{}"),  # our plain networks
        (r"acts\.(\d+)\.(weight)", "slope"),
    )
    found: dict[int, _Block] = {}
    for name, value in state.items():
        match = next(((m, inner) for pattern, inner in patterns if (m := re.fullmatch(pattern, name))), None)
        if match is None:
            raise EcbsrError(f"{path}: tensor {name!r} does not belong to an ECBSR network of a known layout")
        if not value.is_floating_point() or not torch.isfinite(value).all():
            raise EcbsrError(
                f"{path}: tensor {name!r} holds values that are not finite numbers; train or save it again"
            )
        found.setdefault(int(match[0][1]), {})[match[1].format(match[0][2])] = value.double()
    if len(found) < 2 or sorted(found) != list(range(len(found))):
        raise EcbsrError(f"{path}: blocks {sorted(found)} are not a whole ECBSR network")
    return [found[index] for index in range(len(found))]


def _collapse(path: Path, blocks: list[_Block], identity: bool) -> tuple[list[tuple[Tensor, Tensor]], bool]:
    """(weight, bias) of each block in float64, and whether the blocks still had branches."""
    convs = []
    branched = "conv1x1_3x3.k0" in blocks[0]
    for index, block in enumerate(blocks):
        tensors = {name: value for name, value in block.items() if name != "slope"}
        weight, bias = tensors.get("conv3x3.weight"), tensors.get("conv3x3.bias")
        if weight is None or bias is None or weight.shape[2:] != (3, 3) or bias.shape != weight.shape[:1]:
            raise EcbsrError(f"{path}: block {index} has no 3x3 convolution with bias")
        if branched:
            middle = tensors.get("conv1x1_3x3.b0", bias).numel()
            ecb = ECB(weight.shape[1], weight.shape[0], identity, middle / weight.shape[0]).double()
            _load_strictly(path, f"block {index}", ecb, tensors)
            with torch.no_grad():
                weight, bias = ecb.collapse()
        elif len(tensors) > 2:
            raise EcbsrError(f"{path}: block {index} has branches that the first block lacks: {sorted(tensors)}")
        convs.append((weight, bias))
    return convs, branched


def _architecture(
    path: Path, convs: list[tuple[Tensor, Tensor]], slopes: list[Tensor | None], asked: Activation | None
) -> Architecture:
    channels, colors = convs[0][0].shape[:2]
    outputs = convs[-1][0].shape[0]
    scale = next((s for s in (2, 3, 4) if s * s * colors == outputs), None)
    if scale is None or colors not in (1, 3):
        raise EcbsrError(
            f"{path}: {colors} input and {outputs} output channels fit no scale of 2, 3 or 4 with 1 or 3 colours"
        )
    held: Activation | None = None
    if slopes[0] is not None:
        held = "prelu" if slopes[0].numel() == channels else "leaky"
    if held and asked and asked != held and not (channels == 1 and asked in ("prelu", "leaky")):
        raise UsageError(f"{path}: holds slopes of a {held} network, not {asked}; leave the activation out")
    if not held and asked in ("prelu", "leaky"):
        raise UsageError(f"{path}: holds no slopes, which a {asked} network needs; use relu")
    return Architecture(len(convs) - 2, channels, scale, colors, held or "relu")


def _fill(path: Path, plain: PlainNet, convs: list[tuple[Tensor, Tensor]], slopes: list[Tensor | None]) -> PlainNet:
    state: dict[str, Tensor] = {}
    for index, (weight, bias) in enumerate(convs):
        state |= {f"convs.{index}.weight": weight, f"convs.{index}.bias": bias}
    for index, slope in enumerate(slopes):
        if slope is not None:
            state[f"acts.{index}.weight"] = slope.flatten()
    _load_strictly(path, "the network", plain, state)
    return plain.requires_grad_(False).eval()


def _load_strictly(path: Path, what: str, module: nn.Module, state: Mapping[str, Tensor]) -> None:
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        reasons = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise EcbsrError(f"{path}: {what} does not fit together: {reasons[0].rstrip('.')}") from None


def _agree(path: Path, option: str, asked: Any, held: Any) -> Any:
    if asked is not None and asked != held:
        raise UsageError(f"{path}: says {option} {held}, not {asked}; leave the option out")
    return held


def _tell_assumptions(
    path: Path, architecture: Architecture, identity: bool, value_range: bool, assumed_range: float, activation: bool
) -> None:
    assumed = []
    if identity:
        assumed.append("no identity branch (else identity=True, --identity)")
    if value_range:
        assumed.append(f"values in [0, {assumed_range:g}] (else value_range, --range)")
    if activation:
        assumed.append("ReLU")
    if assumed:
        warnings.warn(f"{path}: read as {architecture.name}, assuming {', '.join(assumed)}", UserWarning, stacklevel=3)
