"""A crop of a bundled image through a model on this machine, which an audit shows and compares with."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import images, tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.reference_picture import SIZE, bundled_image, reduced
from ecbsr_mobile.tflite import isolated, recipe
from ecbsr_mobile.tflite.image_io import ImageIO, image_io
from ecbsr_mobile.tflite.litert_shapes import read_as_litert
from ecbsr_mobile.tflite_range import settle

from ..resolutions import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, eq=False)
class SampleCrop:
    """A crop and the results of models for it.

    Attributes:
        model: the bytes of the model at the crop's size.
        io: how the model stores images.
        lr: the crop [h, w, C], 8 bits, luma or RGB.
        result: the model's result [s·h, s·w, C] on this machine's CPU, in 0..255, not rounded.
        notes: what is assumed about its values, and that its result is much worse than bicubic.
        fp32: the result of its float counterpart, a float file of the same weights; None where none is found.
    """

    model: bytes
    io: ImageIO
    lr: NDArray[np.uint8]
    result: NDArray[np.float64]
    fp32: NDArray[np.float64] | None
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> int:
        """Upscaling factor."""
        return self.result.shape[0] // self.lr.shape[0]


def run_sample_crop(
    model: bytes,
    others: Iterable[bytes] = (),
    stop: threading.Event | None = None,
    name: str = "the model",
    value_range: float | None = None,
) -> SampleCrop:
    """Run a model, and its float counterpart among `others` and the bundled files, on the crop.

    The model is resized to `SIZE`; where that is not possible, the crop gets the model's size. `value_range` is that of
    `image_io`.

    Raises:
        EcbsrError: the model's input or output is not an image, or the model does not run here.
        UsageError: the model records another range than `value_range`.
        Canceled: `stop` was set.
    """
    model, graph = read_as_litert(model)
    io = image_io(graph, value_range)
    sized, data, size = _sized(model, graph)
    io = io.of(sized)
    lr = _crop(io.scale, io.colors, size)
    io, notes = settle(io, lambda stored: _stored_result(data, stored, io, stop), size, name)
    result = _result(data, io, lr, stop)
    counterpart = _float_counterpart(graph, others)
    fp32 = None
    if counterpart is not None:
        reference = tflite.at_size(tflite.read(counterpart), *size)
        fp32 = _result(tflite.write(reference), image_io(reference), lr, stop)
    return SampleCrop(data, io, lr, result, fp32, tuple(notes))


def _sized(model: bytes, graph: tflite.Graph) -> tuple[tflite.Graph, bytes, Size]:
    """The model at the crop's size, or at its own: its graph, its bytes, and that size."""
    try:
        sized = tflite.at_size(graph, *SIZE)
        return sized, tflite.write(sized), SIZE
    except EcbsrError:
        width, height = tflite.input_size(graph)
        if width <= 1 or height <= 1:
            raise
        return graph, model, (width, height)


def _crop(scale: int, colors: int, size: Size) -> NDArray[np.uint8]:
    """The most detailed window of a bundled image, reduced by the scale; mirrored where the image is too small."""
    lr = images.pad_to_size(reduced(bundled_image(), scale, colors), size)
    return images.most_detailed_crop(lr, size)


def _result(model: bytes, io: ImageIO, lr: NDArray[np.uint8], stop: threading.Event | None) -> NDArray[np.float64]:
    """The result in 0..255, computed in a child process: a damaged model can crash it."""
    stored = _stored_result(model, io.input.store(lr.astype(np.float32) / np.float32(255)), io, stop)
    return np.clip(io.output.load(stored, np.float64), 0, 1) * 255


def _stored_result(model: bytes, stored: NDArray[Any], io: ImageIO, stop: threading.Event | None) -> NDArray[Any]:
    return io.output.array(isolated.run(model, stored.tobytes(), TIMEOUT_SECONDS, stop or threading.Event()))


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
