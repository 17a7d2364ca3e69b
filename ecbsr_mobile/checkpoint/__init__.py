"""Read weights files of every known layout as the plain network for values in [0, 1], and write our own.

A file is read in four steps:

1. `files`: what is in it, without running code of it (`pickles`), with tensors that are read later (`stored`).
   `other_files` names what is no weights file.
2. `choice`: the one network among all of that, and of its averages (`averages`) the one that is meant. Its tensors
   have the names of a layout (`layouts`), or their shapes say what they are (`unknown_names`).
3. `layouts`: the chain of convolutions (`chains`) that the tensors make, with the branches of each block collapsed;
   `etds` puts two streams side by side.
4. `networks`: the plain network of the chain, with our own int8 weights (`int8`).

The shapes in a state dict determine depth, width, scale, colors and the kind of slopes. They do not determine whether
the blocks have an identity branch, the network's value range, an activation without weights, or whether the image is
added to the result. A trained network's answers to flat images show most of it (`gray`); else each layout has a
default. What has names of no layout, or adds the image in another order, is read only if its answers prove that
(`proof`, `shortcuts`). A `UserWarning` names the assumptions.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .. import zoo
from ..architecture import Activation
from ..errors import EcbsrError, OptionError
from ..network import ECBSR, PlainNet
from ..utils.files import write_bytes
from . import int8
from .choice import Choice, choose, listed
from .files import contents
from .networks import FORMAT, Stated, plain_net
from .stored import read_all


def load(
    path: str | os.PathLike[str],
    identity: bool | None = None,
    value_range: float | None = None,
    activation: Activation | None = None,
    residual: bool | None = None,
    slope: float | None = None,
) -> PlainNet:
    """The plain network of a weights file, in float32, for NCHW values in [0, 1].

    Reads xindongzhang/ECBSR (also of its `legacy` code; assumed value range 255), BasicSR (under `params` or
    `params_ema`; range 1), ETDS and Real-ESRGAN's compact networks (range 1; see `layouts`), and our own files (which
    record everything), as `.pth`, `.pt`, `.ckpt` or `.safetensors`. What wraps the weights is removed, averaged weights
    are preferred, and what stands beside them is left out. No code in the file is executed.

    Args:
        path: a file, or the name of a bundled model (`zoo.names()`).
        identity: whether blocks add their input if their widths allow it; default: what its answers to gray images
            show, else False.
        value_range: 1 or 255, the range that the network was trained on; default: what its answers to gray images show,
            else that of its layout.
        activation: checked against the file; "relu" states the activation of one without slopes.
        residual: whether the image, enlarged by repeating its pixels, is added to the network's result; default: what
            its answers to gray images show, else as most networks of its layout.
        slope: that of a fixed LeakyReLU, which has no weights; default: a file without slopes has ReLU, unless its
            answers to flat colors and gradients show another activation.

    Raises:
        EcbsrError: the file is missing, empty, truncated, not a weights file, contains code or NaN, or its shapes are
            not those of an ECBSR network; or it has no slopes, and its answers show another activation
            than ReLU.
        UsageError: an argument contradicts the file.
    """
    file = zoo.weights(str(path)) if not Path(path).exists() and str(path) in zoo.names() else Path(path)
    try:
        if file.is_dir():
            raise EcbsrError("is a folder; give the weights file in it")
        if not file.exists():
            raise EcbsrError(f"no such file, nor a bundled model ({', '.join(zoo.names())})")
        if not file.is_file():
            raise EcbsrError("is no regular file; copy what it yields to a file first")
        with contents(file) as found:
            choice = choose(found)
            stated = Stated(identity, value_range, activation, residual, slope)
            net, assumptions = plain_net(read_all(choice.state), choice, found.metadata, stated)
    except OptionError as error:
        raise OptionError(error.args[0], str(file)) from None
    except EcbsrError as error:
        raise type(error)(f"{file}: {error}") from None
    if notes := _notes(choice, assumptions):
        warnings.warn(f"{file}: read as {net.name}, {'; '.join(notes)}", UserWarning, stacklevel=2)
    return net


def save(net: PlainNet | ECBSR, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Write weights as `.safetensors` with everything that `load` needs, and `metadata` beside it.

    Raises:
        EcbsrError: the file cannot be written.
    """
    from safetensors.torch import save as serialize

    recorded = {key: str(value) for key, value in asdict(net.architecture).items()}
    recorded |= {"format": FORMAT, "name": net.architecture.name, "value_range": "1"}
    if isinstance(net, ECBSR):
        recorded |= {"identity": str(net.identity), "expansion": str(net.expansion)}
    tensors = dict(net.state_dict()) | (int8.tensors(net) if isinstance(net, PlainNet) else {})
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    write_bytes(path, _with_sorted_header(serialize(tensors, {**(metadata or {}), **recorded})))


def _with_sorted_header(data: bytes) -> bytes:
    """A `.safetensors` file whose header has its keys in order: the library writes them in another order each time."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at multiples of 8
    return len(header).to_bytes(8, "little") + header + data[end:]


def _notes(choice: Choice, assumptions: list[str]) -> list[str]:
    notes = [f"assuming {', '.join(assumptions)}"] if assumptions else []
    if choice.averaged:
        notes.append(f"with the averaged weights ({choice.averaged})")
    without = [listed(choice.left_out)] if choice.left_out else []
    if without or choice.unused:
        notes.append(f"without {', '.join([*without, *choice.unused])}")
    return notes
