"""Run a TFLite graph on this machine: an image in, an image or real values out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EcbsrError
from ..quantization import qparams
from ..utils.native_messages import without_info
from ..utils.scheduling import usable_cores
from ..utils.text import last_line
from .graph import Graph, Tensor
from .image_io import input_image, output_image
from .reader import read
from .resize import at_size
from .writer import write

if TYPE_CHECKING:
    from numpy.typing import NDArray


def run(graph: Graph, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the graph at the image's size: [H, W, C] in [0, 1] in, [s·H, s·W, C] out, not clipped.

    A quantized input rounds the image to its scale; see `image_io` for what each input and output stores.

    Raises:
        EcbsrError: LiteRT cannot run the graph.
    """
    return activations(graph, image, graph.outputs)[0]


def activations(graph: Graph, image: NDArray[np.float32], tensors: Sequence[int]) -> list[NDArray[np.float32]]:
    """Like `run`, with several activations [H, W, C], by their tensor index, as the result.

    An output of the graph is an image; the others are real values.
    """
    sized = at_size(graph, image.shape[1], image.shape[0])
    data = write(replace(sized, outputs=tuple(tensors), signature=None))
    return run_bytes(data, sized, image, tensors, threads=1)  # for small images, more threads are slower


def run_bytes(
    data: bytes, graph: Graph, image: NDArray[np.float32], tensors: Sequence[int], threads: int | None = None
) -> list[NDArray[np.float32]]:
    """Run a file of the image's size.

    Args:
        data: bytes of the file.
        graph: the graph of the file, for the data types and quantization of its tensors.
        image: [H, W, C] in [0, 1].
        tensors: for each output of the file, its index in `graph`.
        threads: number of threads; None for one per core.

    Returns:
        Each output: an image [H, W, C] if it is one of `graph`, else real values [H, W, C].

    Raises:
        EcbsrError: LiteRT cannot run the file.
    """
    from ai_edge_litert.interpreter import Interpreter

    with litert_errors("run the graph"):
        with without_info():
            interpreter = Interpreter(model_content=data, num_threads=threads or len(usable_cores()))
            interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], input_image(graph).store(image))
        interpreter.invoke()
    outputs = [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
    return [
        output_image(graph).load(stored) if index in graph.outputs else _real(stored[0], graph.tensors[index])
        for index, stored in zip(tensors, outputs, strict=True)
    ]


def check_shapes(data: bytes, name: str) -> None:
    """Compare the shapes in a file with those that LiteRT infers from the input's.

    Nothing is computed, so this takes a millisecond at any size.

    Raises:
        EcbsrError: LiteRT cannot load the file, or infers other shapes.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with litert_errors("open the graph"), without_info():
        built_in_kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_content=data, experimental_op_resolver_type=built_in_kernels)
        interpreter.allocate_tensors()
    inferred = {detail["index"]: tuple(detail["shape"].tolist()) for detail in interpreter.get_tensor_details()}
    for index, tensor in enumerate(read(data).tensors):
        if inferred[index] != tensor.shape:
            raise EcbsrError(
                f"{name}: {tensor.name} has the shape {tensor.shape} in the file, but LiteRT infers {inferred[index]}, "
                "so nothing was written; please report the version of ai-edge-litert"
            )


def _real(stored: np.ndarray, tensor: Tensor) -> NDArray[np.float32]:
    """The real values of what an activation stores."""
    if tensor.quantization is None:
        return stored.astype(np.float32)
    return qparams.dequantize(stored, tensor.quantization.scale[0], tensor.quantization.zero_point[0])


@contextmanager
def litert_errors(action: str) -> Iterator[None]:
    """Say in one sentence that LiteRT cannot do something.

    Raises:
        EcbsrError: LiteRT raised an error in the body.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise EcbsrError(f"LiteRT cannot {action}: {last_line(str(error), 'no reason given')}") from None
