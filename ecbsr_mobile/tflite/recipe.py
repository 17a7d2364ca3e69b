"""The recipe of a file: how it was made, as JSON in the metadata of the `.tflite`.

Light: reading a recipe needs neither torch nor TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .graph import Graph, with_metadata

if TYPE_CHECKING:
    from ..network import PlainNet

NAME = "ecbsr_mobile.recipe"
"""Name of the metadata entry that holds the recipe."""

SCHEMA = 1
"""Version of the recipe's layout, stored in it as `schema`."""

MAX_DEPTH = 32
"""Deepest nesting of a recipe that `read` accepts; ours has 4 levels."""

PACKAGES = ("ecbsr-mobile", "onnx2tf", "tensorflow", "ai-edge-litert", "numpy")
"""Packages whose version can change the bytes of a file."""


def read(graph: Graph) -> dict[str, Any] | None:
    """The recipe stored in a graph's metadata, or None.

    None where there is no recipe, and where it is not a JSON object that can be written again as strict JSON: invalid
    UTF-8, NaN, infinities, numbers beyond the range of a float, lone surrogates, nesting deeper than `MAX_DEPTH`.
    """
    try:
        text = graph.metadata.get(NAME, b"null").decode()
        recipe = json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_integer)
        json.dumps(recipe, ensure_ascii=False).encode()
        too_deep = _depth(recipe) > MAX_DEPTH
    except (ValueError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) and not too_deep else None


def write(graph: Graph, recipe: Mapping[str, Any]) -> Graph:
    """The graph with the recipe, and the version of its layout, in the metadata; equal recipes give equal bytes."""
    document = {"schema": SCHEMA, **recipe}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return with_metadata(graph, NAME, text.encode())


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _integer(text: str) -> int:
    _number(text)
    return int(text)


def _depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if items is None else 1 + max(map(_depth, items), default=0)


def model(net: PlainNet) -> dict[str, Any]:
    """The network as plain values: name, blocks, channels, scale, colors, activation, parameters."""
    arch = net.architecture
    return {
        "name": arch.name,
        "blocks": arch.blocks,
        "channels": arch.channels,
        "scale": arch.scale,
        "colors": arch.colors,
        "activation": arch.activation,
        "parameters": net.parameters_count,
    }


def weights_hash(net: PlainNet) -> str:
    """SHA-256 over the plain network's float32 tensors in the order of their names, whatever file they came from."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().float().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """The installed version of each of `PACKAGES`."""
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue  # run from a checkout, or a build under another name, such as tensorflow-cpu
    return installed
