"""Sizes of the LR input, as text and as (width, height)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.text import did_you_mean

if TYPE_CHECKING:
    from ecbsr_mobile.tflite import Graph

Size = tuple[int, int]
"""(width, height) in pixels."""

SIZES: dict[str, Size] = {
    "270p": (480, 270),
    "360p": (640, 360),
    "540p": (960, 540),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
}
MAX_SIDE = 8192

DEFAULT = SIZES["540p"]
"""The size that a model with a dynamic image size is compiled for."""


def parse(text: str) -> Size:
    """Read "540p" or "960x540".

    Raises:
        UsageError: the text is neither, or a side is longer than `MAX_SIDE`.
    """
    if text in SIZES:
        return SIZES[text]
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise UsageError(
            f"size {text!r} is not known; use WIDTHxHEIGHT up to {MAX_SIDE}x{MAX_SIDE}, or {', '.join(SIZES)}"
            f"{did_you_mean(text, SIZES)}"
        )
    return size


def parse_all(sizes: Iterable[str | Size]) -> tuple[Size, ...]:
    """Each of several sizes once, in the order given."""
    return tuple(dict.fromkeys(parse(_text(size)) for size in sizes))


def _text(size: object) -> str:
    match size:
        case (width, height):
            return f"{width}x{height}"
        case _:
            return str(size)


def name(size: Size) -> str:
    """The size as "960x540"."""
    return f"{size[0]}x{size[1]}"


def of_input(graph: Graph) -> Size | None:
    """The size of a model's input; None where that is not one image of fixed size."""
    from ecbsr_mobile import tflite

    try:
        size = tflite.input_size(graph)
    except EcbsrError:
        return None
    return size if min(size) > 0 else None


def sized(model: bytes, size: Size | None = None) -> bytes:
    """The model at a size of the LR input; without one, at its own or, if that is dynamic, at 960x540.

    The batch is then one image, too.

    Raises:
        EcbsrError: the model does not support the size.
    """
    from ecbsr_mobile import tflite

    graph = tflite.read(model)
    if size is None and all(tensor.signature is None for tensor in graph.tensors):
        return model
    own = tflite.input_size(graph)
    return tflite.write(tflite.at_size(graph, *(size or (own if min(own) > 1 else DEFAULT))))
