"""What a file says of its own making, as JSON in its metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .tflite import Graph, with_metadata

if TYPE_CHECKING:
    from ecbsr_mobile.network import PlainNet

    from .quantize.calibration import Calibration

NAME = "ecbsr_mobile.recipe"
"""The metadata entry."""

MAKERS = ("ecbsr-mobile", "onnx2tf", "tensorflow", "ai-edge-litert", "numpy")
"""Packages whose version decides what is in a file."""


def model(net: PlainNet) -> dict[str, Any]:
    """The network in plain values: name, blocks, channels, scale, colors, activation, parameters."""
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
    """SHA-256 over the plain network's tensors in float32, by name: one network has one, whatever file it lay in."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().float().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def calibration(found: Calibration) -> dict[str, Any]:
    """How ranges were searched."""
    return {
        "pictures": list(found.pictures),
        "pixels": found.pixels,
        "method": f"percentile {found.percentile:g} by channel, then search by the result's error",
        "refitted": found.refitted,
        "evaluations": found.evaluations,
        "error_db": round(found.error_db, 3),
    }


def versions() -> dict[str, str]:
    """The installed version of each of `MAKERS`."""
    found = {}
    for package in MAKERS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # run from a checkout, or the CPU build of TensorFlow, which has another name
    return found


def with_recipe(graph: Graph, recipe: Mapping[str, Any]) -> Graph:
    """The graph with the recipe in its metadata; equal recipes give equal bytes."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return with_metadata(graph, NAME, text.encode())
