"""The shapes that LiteRT infers, where those in a file are outdated: LiteRT ignores all but the input's.

LiteRT runs in a process of its own, which a damaged model can crash.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import EcbsrError
from ..utils import subprocess_runner
from ..utils.signals import signal_name
from .four_pixels import without_four_pixels
from .graph import Graph, image_shape, input_size, is_channels_first
from .reader import read, with_text_names
from .resize import PROBE_SIZE, at_size, subgraph_call

WORKER = Path(__file__).with_name("litert_shapes_worker.py")

RUN_SECONDS = 120.0
"""Safety net for one run at the size in the file."""


def read_as_litert(data: bytes, name: str = "the model") -> tuple[bytes, Graph]:
    """The bytes of a file with names that LiteRT can describe, and its graph with the shapes that LiteRT infers.

    Raises:
        EcbsrError: it is not a complete `.tflite` file, or LiteRT crashes on it.
    """
    graph = read(data, name)  # first: it refuses what is no such file
    return with_text_names(data), with_litert_shapes(graph, data)


def with_litert_shapes(graph: Graph, data: bytes) -> Graph:
    """A graph with the shapes that LiteRT infers; `data` are the bytes of its file.

    LiteRT is asked only about a file of fixed size whose shapes are not those of `at_size`.

    Raises:
        EcbsrError: LiteRT crashes on it.
    """
    width, height = _size(graph)
    if width <= 1 or height <= 1 or _is_consistent(graph):
        return graph
    return _after_run(graph, data, None)


def at_probe_size(graph: Graph, data: bytes) -> Graph:
    """A graph of no fixed size, whose shapes only LiteRT knows, at `PROBE_SIZE`; `data` are the bytes of its file.

    Raises:
        EcbsrError: LiteRT cannot run it at this size, or crashes on it.
    """
    _, _, channels = image_shape(graph)
    width, height = PROBE_SIZE
    shape = (1, channels, height, width) if is_channels_first(graph) else (1, height, width, channels)
    sized = _after_run(graph, data, shape)
    tensors = (
        replace(tensor, shape=shape if index in graph.inputs else tensor.shape, signature=None)
        for index, tensor in enumerate(sized.tensors)
    )
    return replace(sized, tensors=tuple(tensors))


def _size(graph: Graph) -> tuple[int, int]:
    """Width and height of the input; (1, 1) where it is no image, which is refused elsewhere."""
    try:
        return input_size(graph)
    except EcbsrError:
        return 1, 1


def _is_consistent(graph: Graph) -> bool:
    """Whether the shapes in the file are those that follow from the input's; False where that is not known."""
    graph = without_four_pixels(graph) or graph
    if subgraph_call(graph):
        return False
    try:
        sized = at_size(graph, *input_size(graph))
    except EcbsrError:
        return False
    computed = {index for node in graph.nodes for index in node.outputs}
    return all(graph.tensors[index].shape == sized.tensors[index].shape for index in computed)


def _after_run(graph: Graph, data: bytes, shape: Sequence[int] | None) -> Graph:
    """The graph with the shapes of its tensors after a run; `shape` is that of the input, None: as in the file.

    Raises:
        EcbsrError: LiteRT crashes, or it cannot run the model at `shape`.
    """
    command = [sys.executable, "-P", str(WORKER), *map(str, shape or ())]
    try:
        child = subprocess_runner.run(command, RUN_SECONDS, threading.Event(), content=with_text_names(data))
    except subprocess_runner.TimedOut:
        return graph  # whoever runs it waits for it, or has a limit
    if child.code < 0:
        crash = f"LiteRT crashes on it ({signal_name(-child.code)})"
        raise EcbsrError(f"{crash}: it is damaged, or has an operator that this version runs wrongly; convert it again")
    found: dict[str, Any] = json.loads(child.out) if child.code == 0 else {"error": "it ended without a reason"}
    if "error" in found:
        if shape is None:
            return graph  # whoever runs it says so
        raise EcbsrError(f"LiteRT cannot resize it: {found['error']}")
    computed = {index for node in graph.nodes for index in node.outputs}
    tensors = list(graph.tensors)
    for index, sizes in found["shapes"]:
        if index in computed and tuple(sizes) != tensors[index].shape:
            tensors[index] = replace(tensors[index], shape=tuple(sizes), signature=None)
    return replace(graph, tensors=tuple(tensors))
