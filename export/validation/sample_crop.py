"""A crop of a bundled image through a model on this machine, which an audit shows and compares with."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import images, tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import isolated, recipe

from ..resolutions import Size
from .sample_images import reduced

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE: Size = (96, 64)
"""Width and height of the crop in LR pixels, for a model that can be given any size."""

IMAGE = "chelsea"
TIMEOUT_S = 120.0


@dataclass(frozen=True, eq=False)
class SampleCrop:
    """A crop and the results of models for it.

    Attributes:
        model: the bytes of the model at the crop's size.
        lr: the crop [h, w, C], 8 bits, luma or RGB.
        result: the model's result [s·h, s·w, C] on this machine's CPU, in 0..255, not rounded.
        fp32: the result of its float counterpart, a float file of the same weights; None where none is found.
    """

    model: bytes
    lr: NDArray[np.uint8]
    result: NDArray[np.float64]
    fp32: NDArray[np.float64] | None

    @property
    def scale(self) -> int:
        """Upscaling factor."""
        return self.result.shape[0] // self.lr.shape[0]


def run_sample_crop(model: bytes, others: Iterable[bytes] = (), stop: threading.Event | None = None) -> SampleCrop:
    """Run a model, and its float counterpart among `others` and the bundled files, on the crop.

    The model is resized to `SIZE`; where that is not possible, the crop gets the model's size.

    Raises:
        EcbsrError: the model's input or output is not an image, or the model does not run here.
        Canceled: `stop` was set.
    """
    graph = tflite.read(model)
    scale = tflite.scale_of(graph)
    colors = tflite.image_input(graph).shape[3]
    if colors not in (1, 3):
        raise EcbsrError(f"the model's input has {colors} channels; an image has 1 or 3")
    try:
        sized, size = tflite.at_size(graph, *SIZE), SIZE
    except EcbsrError:
        sized, size = graph, tflite.input_size(graph)
    data = tflite.write(sized)
    lr = _crop(scale, colors, size)
    result = _run(data, lr, stop)
    counterpart = _float_counterpart(graph, others)
    fp32 = None
    if counterpart is not None:
        fp32 = _run(tflite.write(tflite.at_size(tflite.read(counterpart), *size)), lr, stop)
    return SampleCrop(data, lr, result, fp32)


def _crop(scale: int, colors: int, size: Size) -> NDArray[np.uint8]:
    """The most detailed window of a bundled image, reduced by the scale; mirrored where the image is too small."""
    from PIL import Image

    paths = {path.stem: path for path in zoo.pictures()}
    if not paths:
        raise EcbsrError("no image is bundled with this installation, so there is no sample crop")
    with Image.open(paths.get(IMAGE, next(iter(paths.values())))) as opened:
        rgb = np.asarray(opened.convert("RGB"), np.uint8)
    return images.most_detailed_crop(images.pad_to_size(reduced(rgb, scale, colors), size), size)


def _run(model: bytes, lr: NDArray[np.uint8], stop: threading.Event | None) -> NDArray[np.float64]:
    """The result in 0..255, computed in a child process: a damaged model can crash it."""
    graph = tflite.read(model)
    source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    values = isolated.input_values(lr[None], source).tobytes()
    with tempfile.TemporaryDirectory(prefix="ecbsr-crop-") as name:
        path = Path(name) / "model.tflite"
        path.write_bytes(model)
        output = isolated.run(path, values, Path(name), TIMEOUT_S, stop or threading.Event())
    return isolated.output_pixels(output, target).reshape(target.shape[1:])


def _float_counterpart(graph: tflite.Graph, others: Iterable[bytes]) -> bytes | None:
    """A float file with the same weights according to the recipes."""
    weights = _weights_hash(graph)
    if weights is None:
        return None
    for data in others:
        other = tflite.read(data)
        if (recipe.read(other) or {}).get("precision") == "fp32" and _weights_hash(other) == weights:
            return data
    path = _bundled_float_files().get(weights)
    return path.read_bytes() if path else None


@cache
def _bundled_float_files() -> dict[str, Path]:
    """The bundled float files by the hash of their weights."""
    hashes = {path: _weights_hash(tflite.read(path.read_bytes())) for path in sorted(zoo.FOLDER.glob("*-fp32.tflite"))}
    return {weights: path for path, weights in hashes.items() if weights is not None}


def _weights_hash(graph: tflite.Graph) -> str | None:
    weights = (recipe.read(graph) or {}).get("weights")
    digest = weights.get("sha256") if isinstance(weights, dict) else None
    return digest if isinstance(digest, str) else None
