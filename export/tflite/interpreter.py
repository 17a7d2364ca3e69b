"""Running a TFLite graph on this machine: real values in, real values out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile.errors import EcbsrError

from .graph import Graph, Tensor
from .reader import read
from .resize import at_size
from .writer import write

if TYPE_CHECKING:
    from numpy.typing import NDArray


def run(graph: Graph, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The result [s·H, s·W, C] of an image [H, W, C], both real values, at the image's size.

    Values are rounded to what the graph's input holds.

    Raises:
        EcbsrError: LiteRT does not take the graph.
    """
    return activations(graph, image, graph.outputs)[0]


def activations(graph: Graph, image: NDArray[np.float32], tensors: Sequence[int]) -> list[NDArray[np.float32]]:
    """The real values [H, W, C] of several activations, by their index."""
    sized = at_size(graph, image.shape[1], image.shape[0])
    data = write(replace(sized, outputs=tuple(tensors), signature=None))
    return run_bytes(data, sized, image, tensors, threads=1)  # pictures are small: threads would wait for each other


def run_bytes(
    data: bytes, graph: Graph, image: NDArray[np.float32], tensors: Sequence[int], threads: int | None = None
) -> list[NDArray[np.float32]]:
    """As `activations`, for a file of the image's size whose outputs are `tensors` of `graph`; on all cores."""
    from ai_edge_litert.interpreter import Interpreter

    with _said_by_litert("run"):
        interpreter = Interpreter(model_content=data, num_threads=threads or os.cpu_count())
        interpreter.allocate_tensors()
        pixels = stored(graph.tensors[graph.inputs[0]], image)[None]
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
        interpreter.invoke()
    outputs = [interpreter.get_tensor(detail["index"])[0] for detail in interpreter.get_output_details()]
    return [real(graph.tensors[index], values) for index, values in zip(tensors, outputs, strict=True)]


def check_shapes(data: bytes, name: str) -> None:
    """Have LiteRT work out the shape of each tensor of a file from its input's, at the file's own size.

    Nothing is computed, so this takes a millisecond at any size.

    Raises:
        EcbsrError: LiteRT does not take the file, or comes to other shapes than it states.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with _said_by_litert("open"):
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_content=data, experimental_op_resolver_type=plain)
        interpreter.allocate_tensors()
    found = {detail["index"]: tuple(detail["shape"].tolist()) for detail in interpreter.get_tensor_details()}
    for index, tensor in enumerate(read(data).tensors):
        if found[index] != tensor.shape:
            raise EcbsrError(
                f"{name}: {tensor.name} is {tensor.shape} in the file, where LiteRT comes to {found[index]}, "
                "so nothing was written; please report the version of ai-edge-litert"
            )


@contextmanager
def _said_by_litert(doing: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1:] or ["no reason given"]
        raise EcbsrError(f"LiteRT cannot {doing} the graph: {reason[0]}") from None


def stored(tensor: Tensor, values: NDArray[np.float32]) -> np.ndarray:
    """Real values as a tensor stores them: rounded to the nearest step, clipped to its range."""
    if tensor.quantization is None:
        return values.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    steps = np.round(values / tensor.quantization.scale[0]) + tensor.quantization.zero_point[0]
    return np.clip(steps, limits.min, limits.max).astype(tensor.dtype)


def real(tensor: Tensor, values: np.ndarray) -> NDArray[np.float32]:
    """The real values of what an activation stores."""
    if tensor.quantization is None:
        return values.astype(np.float32)
    zero_point = np.float32(tensor.quantization.zero_point[0])
    return (values.astype(np.float32) - zero_point) * tensor.quantization.scale[0]
