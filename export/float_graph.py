"""The float TFLite graph of a network: onnx2tf's, or one that is built directly where onnx2tf's is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError

from .convert.direct import direct_graph
from .convert.onnx_builder import onnx_model
from .convert.onnx_to_tflite import conversion_size
from .validation import quality
from .validation.sample_images import Sample, frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecbsr_mobile.network import PlainNet

    from .convert.onnx_to_tflite import Converter

ONNX2TF, DIRECT = "onnx2tf", "direct"
"""The recipe's names for a graph that onnx2tf converted, and for one of `convert.direct`."""


@dataclass(frozen=True, eq=False)
class FloatGraph:
    """A float graph that gives onnxruntime's result.

    Attributes:
        graph: at `quality.CHECK_SIZE`.
        failure: why onnx2tf's graph is not used, as a sentence; None for onnx2tf's.
    """

    graph: tflite.Graph
    failure: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the recipe."""
        return {"converter": DIRECT, "converter_failure": self.failure} if self.failure else {"converter": ONNX2TF}


def float_graph(net: PlainNet, converter: Converter, reference: quality.Reference, sample: Sample) -> FloatGraph:
    """Convert a network, check the result on noise and on a sample, and build the graph directly if it is wrong.

    Args:
        net: the plain network, for values in [0, 1].
        converter: a converter that was not used yet.
        reference: runs `net` in onnxruntime.
        sample: an image of the network's scale and colors.

    Raises:
        EcbsrError: the network's result is not finite, or the graph that is built directly does not give it either.
    """
    width, height = size = quality.CHECK_SIZE
    noise = np.random.default_rng(0).random((height, width, net.architecture.colors), np.float32)
    images = (noise, frame(sample, size))
    if not all(np.isfinite(reference.run(image)).all() for image in images):
        raise EcbsrError(f"{net.name} gives infinities or NaN for an image in [0, 1]; check its weights")
    direct = direct_graph(net, size)
    try:
        graph = converter.float_graph(onnx_model(net, conversion_size(net.architecture)))
        failure = _other_operators(graph, direct)
        if not failure:
            graph = tflite.at_size(graph, *size)
            failure = _other_values(graph, reference, images)
    except EcbsrError as error:
        failure = str(error)
    if failure:
        graph = direct
        for image in images:
            quality.check_float(tflite.write(graph), reference, image, "the float graph")
    return FloatGraph(graph, failure)


def _other_operators(graph: tflite.Graph, direct: tflite.Graph) -> str | None:
    """Which operators onnx2tf wrote, as a sentence, if they are not those of the network.

    Other ones, though right in float, may be slow or unknown in int8.
    """
    written, expected = tflite.operators(graph), tflite.operators(direct)
    return None if written == expected else f"onnx2tf wrote {_listed(written)} instead of {_listed(expected)}"


def _other_values(
    graph: tflite.Graph, reference: quality.Reference, images: Sequence[NDArray[np.float32]]
) -> str | None:
    """How far onnx2tf's graph is from onnxruntime's result, as a sentence, if that is too far."""
    for image in images:
        error, tolerance = quality.float_error(tflite.write(graph), reference, image)
        if not error <= tolerance:
            return f"onnx2tf's graph is {error:.1e} from onnxruntime's result, more than {tolerance:.0e}"
    return None


def _listed(operators: dict[str, int]) -> str:
    return ", ".join(f"{count} {operator}" for operator, count in sorted(operators.items()))
