"""Float graph → int8 graph, by what is known of the network: trained as int8, learned now, or ranges searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import recipe, tflite
from ..convert.onnx_builder import onnx_model
from ..options import FINETUNE_SECONDS
from ..transforms.prelu import decompose_prelu
from ..validation import quality
from ..validation.sample_images import CONVERSION_SIZE, Sample, frame
from .calibration import calibrate
from .finetune import refine
from .qat_weights import decomposition_for, qat_ranges, with_qat_weights
from .quantizer import quantize

if TYPE_CHECKING:
    from ecbsr_mobile.network import Int8Weights, PlainNet


def int8_graph(
    graph: tflite.Graph,
    net: PlainNet,
    pictures: Sequence[Sample],
    target: str,
    seconds: float | None,
    progress: Callable[[str], None],
) -> tuple[tflite.Graph, dict[str, Any]]:
    """The int8 graph, and what its recipe says of its weights and ranges.

    Args:
        graph: the converted float graph of `net`.
        net: the float network, with what it was trained to be in int8, if anything.
        pictures: to learn or calibrate on.
        target: what runs it (see `forms`).
        seconds: of learning; None: 60, or 0 for a network that was trained for int8 in the target's form.
        progress: is told what is being done.

    Raises:
        EcbsrError: the learned weights and the graph do not agree.
    """
    form = decomposition_for(target)
    trained = net.int8.get(form)
    seconds = seconds if seconds is not None else 0 if trained else FINETUNE_SECONDS
    if seconds:
        refined = refine(net, form, pictures, seconds, progress)
        weights, method = refined.weights, f"{refined.steps} steps of {refined.batch} crops"
        told: dict[str, Any] = {
            "method": f"learned from the float network's results in {method}",
            "pictures": [sample.name for sample in pictures],
        }
    elif trained:
        weights, told = trained, {"method": "learned in training"}
    else:
        found = calibrate(decompose_prelu(graph, target), pictures, progress)
        return _told(quantize(found.graph, found.ranges), found.to_json(), found.ranges)
    formed = decompose_prelu(_with_weights(graph, weights, pictures[0]), target)
    ranges = qat_ranges(formed, weights)
    return _told(quantize(formed, ranges), {**told, "weights_sha256": recipe.weights_hash(weights.net)}, ranges)


def _told(
    graph: tflite.Graph, told: dict[str, Any], ranges: dict[str, tuple[float, float]]
) -> tuple[tflite.Graph, dict[str, Any]]:
    return graph, {**told, "ranges": {name: [round(end, 6) for end in limits] for name, limits in ranges.items()}}


def _with_weights(graph: tflite.Graph, weights: Int8Weights, picture: Sample) -> tflite.Graph:
    """The float graph with the weights learned for int8, compared with onnxruntime's word on them."""
    learned = with_qat_weights(graph, weights.net)
    reference = quality.Reference(onnx_model(weights.net), weights.net.architecture.radius)
    quality.check_float(
        tflite.write(learned), reference, frame(picture, CONVERSION_SIZE), "the network learned for int8"
    )
    return learned
