"""`.tflite` files as the page takes them: with uint8 or float32 images, and with shapes that the page can set.

LiteRT.js cannot resize a model, so the page writes the size of an image into the file before it loads it. Here each
32-bit word of a file that depends on the size is found, as a linear function of width and height.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite.four_pixels import without_four_pixels
from ecbsr_mobile.tflite.image_io import ImageTensor, image_io
from ecbsr_mobile.tflite.receptive_field import receptive_field
from ecbsr_mobile.utils.text import printable
from export.transforms.io_dtype import with_io_dtype

from ..models import Model
from ..output_check import read_io

if TYPE_CHECKING:
    from numpy.typing import NDArray

STORED_SIZE = (64, 48)
"""(width, height) that a file has until the page writes another size into it."""

RUN_SECONDS = 120.0  # safety net for one small image

_OTHER_SIZES = ((75, 48), (64, 71))  # one side differs, so that a difference has one cause
_PROOFS = ((193, 127), (1279, 719), (9, 11))


@dataclass(frozen=True, eq=False)
class PageModel:
    """A model of the page.

    Attributes:
        file: the name of its file.
        content: the bytes of the file.
        description: what the page must know about it.
        notes: what had to be assumed about it.
    """

    file: str
    content: bytes
    description: dict[str, Any]
    notes: tuple[str, ...]


def page_model(model: Model, index: int) -> PageModel:
    """A model in the form that the page takes; where it does not record its values, it is tried on this machine.

    Raises:
        EcbsrError: LiteRT.js does not support its input or output, or the page cannot give it every size.
    """
    try:
        return _page_model(model, index)
    except EcbsrError as error:
        prefix = "" if str(error).startswith(f"{model.path}: ") else f"{model.path}: "
        raise EcbsrError(f"{prefix}{error}") from None


def _page_model(model: Model, index: int) -> PageModel:
    graph = _with_supported_io(model.graph)
    io = image_io(graph)
    if io.input.channels_first or io.output.channels_first:
        raise EcbsrError("its images are [1, channels, height, width]; the page needs [1, height, width, channels]")
    field = receptive_field(graph)
    if field.radius is None or field.step != 1:
        reason = "can depend on the whole image" if field.radius is None else f"depends on x and y modulo {field.step}"
        raise EcbsrError(f"a pixel of its output {reason}, so the page cannot cut images into tiles")
    content, shapes = sized_words(graph)
    notes: list[str] = []
    if not (io.input.recorded and io.output.recorded):
        io, notes = read_io(content, tflite.read(content), RUN_SECONDS, threading.Event(), model.name)
    info = {name: value for name, value in model.info().items() if name != "path"}  # the page is for others
    description = {
        "name": model.name,
        "precision": model.precision,
        "scale": io.scale,
        "colors": io.colors,
        "radius": field.radius,
        "input": _image(io.input),
        "output": _image(io.output),
        "shapes": shapes,
        "webgpu": graph.tensors[graph.inputs[0]].type_name == "FLOAT32",  # LiteRT.js fails on others
        "note": "" if graph is model.graph else "with uint8 input and output: 2 QUANTIZE nodes more than the file",
        "nodes": len(graph.nodes),
        "info": info,
    }
    file = f"{index}-{re.sub('[^A-Za-z0-9._-]+', '-', model.name)[:80]}.tflite"
    return PageModel(file, content, description, tuple(notes))


def _with_supported_io(graph: tflite.Graph) -> tflite.Graph:
    """The graph with uint8 instead of int8 images.

    Raises:
        EcbsrError: its images have another type, which LiteRT.js does not support.
    """
    tflite.image_input(graph)
    image, result = (graph.tensors[indices[0]] for indices in (graph.inputs, graph.outputs))
    types = (image.type_name, result.type_name)
    if types == ("INT8", "INT8"):
        if image.quantization is None or result.quantization is None:
            raise EcbsrError("its int8 images have no quantization; export it with --io-dtype uint8")
        return with_io_dtype(graph, "uint8")
    if types not in (("UINT8", "UINT8"), ("FLOAT32", "FLOAT32")):
        stored = printable(" and ".join(dict.fromkeys(types)))
        raise EcbsrError(f"its images are stored as {stored}; LiteRT.js supports uint8 and float32 ones")
    return graph


def _image(image: ImageTensor) -> dict[str, Any]:
    """How a tensor stores an image; `black` and `white` are its real values, one or one for each color."""
    quantization = image.tensor.quantization
    plain = quantization is None or not quantization.scale.any()
    return {
        "dtype": image.tensor.type_name.lower(),
        "scale": 1.0 if plain else float(quantization.scale[0]),  # type: ignore[union-attr]
        "zero_point": 0 if plain else int(quantization.zero_point[0]),  # type: ignore[union-attr]
        "black": image.values.black,
        "white": image.values.white,
    }


def sized_words(graph: tflite.Graph) -> tuple[bytes, list[tuple[int, int, int, int]]]:
    """The file at `STORED_SIZE`, and [word, a, b, c]: the 32-bit words that are a·width + b·height + c at any size.

    Raises:
        EcbsrError: the model does not support every size, or its file depends on the size in another way.
    """
    graph = without_four_pixels(graph) or graph  # its shapes at odd sizes would not be linear
    width, height = STORED_SIZE
    (wider, _), (_, higher) = _OTHER_SIZES
    content = tflite.write(tflite.at_size(graph, *STORED_SIZE))
    stored, by_width, by_height = (_words(graph, size) for size in (STORED_SIZE, *_OTHER_SIZES))
    if not len(stored) == len(by_width) == len(by_height):
        raise EcbsrError(_NOT_LINEAR)
    words: list[tuple[int, int, int, int]] = []
    for word in np.flatnonzero((stored != by_width) | (stored != by_height)).tolist():
        value = int(stored[word])
        a, rest_a = divmod(int(by_width[word]) - value, wider - width)
        b, rest_b = divmod(int(by_height[word]) - value, higher - height)
        if rest_a or rest_b:
            raise EcbsrError(_NOT_LINEAR)
        words.append((word, a, b, value - a * width - b * height))
    for size in _PROOFS:
        expected = _words(graph, size)
        patched = stored.copy()
        for word, a, b, c in words:
            patched[word] = a * size[0] + b * size[1] + c
        if not np.array_equal(patched, expected):
            raise EcbsrError(_NOT_LINEAR)
    return content, words


_NOT_LINEAR = "the shapes in its file do not follow the size of the image, so the page cannot resize it"


def _words(graph: tflite.Graph, size: tuple[int, int]) -> NDArray[np.int32]:
    content = tflite.write(tflite.at_size(graph, *size))
    return np.frombuffer(content[: len(content) // 4 * 4], "<i4")
