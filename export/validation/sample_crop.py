"""A tile of a bundled picture through models on this machine: what an audit shows and compares with."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError

from .. import recipe, tflite
from ..resolutions import Size
from ..tflite import isolated

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE: Size = (96, 64)
"""Width and height of the tile in LR pixels."""

PICTURE = "chelsea"
SECONDS = 120.0


@dataclass(frozen=True, eq=False)
class SampleCrop:
    """A tile and what a model makes of it, values in 0..255.

    `tile` is the LR tile [h, w, C] (uint8), luma or RGB, `result` the model's [s·h, s·w, C] on this machine's
    CPU, `fp32` the float file's of the same weights, None where none is at hand; `model` is the file at the
    tile's size.
    """

    model: bytes
    tile: NDArray[np.uint8]
    result: NDArray[np.float64]
    fp32: NDArray[np.float64] | None

    @property
    def scale(self) -> int:
        """How many times larger the result is."""
        return self.result.shape[0] // self.tile.shape[0]


def show(model: bytes, others: Iterable[bytes] = (), stop: threading.Event | None = None) -> SampleCrop:
    """Run a model on the tile; `others` and the bundled files are searched for its float counterpart.

    The model is given the tile's size, or the tile the model's where that cannot be changed.

    Raises:
        EcbsrError: the model takes no picture, gives none, or does not run here.
        Cancelled: `stop` was set meanwhile.
    """
    graph = tflite.read(model)
    scale = tflite.scale_of(graph)
    colors = tflite.image_input(graph).shape[3]
    if colors not in (1, 3):
        raise EcbsrError(f"the model takes {colors} channels; a picture has 1 or 3")
    try:
        sized, (width, height) = tflite.at_size(graph, *SIZE), SIZE
    except EcbsrError:
        sized, (width, height) = graph, tflite.input_size(graph)
    data = tflite.write(sized)
    tile = _tile(scale, colors, (width, height))
    result = _run(data, tile, stop)
    float_file = _float_counterpart(graph, others)
    return SampleCrop(
        data, tile, result, None if float_file is None else _run(_at(float_file, (width, height)), tile, stop)
    )


def _tile(scale: int, colors: int, size: Size) -> NDArray[np.uint8]:
    """The most detailed window of a bundled picture reduced by the scale; mirrored where it is too small."""
    from PIL import Image

    from ecbsr_mobile import images

    paths = {path.stem: path for path in zoo.pictures()}
    if not paths:
        raise EcbsrError("no picture is bundled with this installation, so nothing can be shown")
    with Image.open(paths.get(PICTURE, next(iter(paths.values())))) as opened:
        rgb = np.asarray(opened.convert("RGB"), np.uint8)
    picture = images.downscale(images.crop_to_multiple(rgb, scale), scale)
    if colors == 1:
        picture = images.round_to(images.luma(picture), np.uint8)[:, :, None]
    width, height = size
    missing = [(0, max(wanted - have, 0)) for wanted, have in zip((height, width), picture.shape[:2], strict=True)]
    picture = np.pad(picture, [*missing, (0, 0)], mode="symmetric")
    steps = range(0, picture.shape[0] - height + 1, 16), range(0, picture.shape[1] - width + 1, 16)
    windows = [picture[y : y + height, x : x + width] for y in steps[0] for x in steps[1]]
    return max(windows, key=_detail)


def _detail(window: NDArray[np.uint8]) -> float:
    return sum(float(np.abs(np.diff(window.astype(np.float64), axis=axis)).mean()) for axis in (0, 1))


def _run(model: bytes, tile: NDArray[np.uint8], stop: threading.Event | None) -> NDArray[np.float64]:
    """The result in 0..255, from a process of its own, for a damaged model can end it."""
    graph = tflite.read(model)
    source, target = (graph.tensors[ends[0]] for ends in (graph.inputs, graph.outputs))
    values = isolated.input_values(tile[None], source).tobytes()
    with tempfile.TemporaryDirectory(prefix="ecbsr-tile-") as name:
        path = Path(name) / "model.tflite"
        path.write_bytes(model)
        output = isolated.run(path, values, Path(name), SECONDS, stop or threading.Event())
    return isolated.output_pixels(output, target).reshape(target.shape[1:])


def _float_counterpart(graph: tflite.Graph, others: Iterable[bytes]) -> bytes | None:
    """The float file of the same weights, according to the recipes: one of `others`, or a bundled one."""
    weights = _weights(recipe.read(graph))
    if weights is None:
        return None
    for data in others:
        if _float_weights(data) == weights:
            return data
    bundled = _bundled_float_files().get(weights)
    return None if bundled is None else bundled.read_bytes()


@cache
def _bundled_float_files() -> dict[str, Path]:
    """The bundled float files by the SHA-256 of their weights; all bundled files are read only once."""
    files: dict[str, Path] = {}
    for path in sorted(zoo.FOLDER.glob("*.tflite")):
        weights = _float_weights(path.read_bytes())
        if weights is not None:
            files.setdefault(weights, path)
    return files


def _float_weights(model: bytes) -> str | None:
    """The SHA-256 of a float file's weights; None for other files."""
    found = recipe.read(tflite.read(model))
    return _weights(found) if found is not None and found.get("precision") == "fp32" else None


def _weights(found: Mapping[str, Any] | None) -> str | None:
    weights = (found or {}).get("weights")
    digest = weights.get("sha256") if isinstance(weights, dict) else None
    return digest if isinstance(digest, str) else None


def _at(model: bytes, size: Size) -> bytes:
    return tflite.write(tflite.at_size(tflite.read(model), *size))
