"""Float graph → int8 graph: with weights trained for int8, with weights fine-tuned here, or with calibrated ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import recipe, tflite
from ..convert.onnx_builder import onnx_model
from ..transforms.prelu import decompose_prelu, decomposition_for
from ..validation import quality
from ..validation.quality import CHECK_SIZE as CONVERSION_SIZE
from ..validation.sample_images import Sample, frame
from .calibration import calibrate
from .finetune import BATCH, finetune
from .qat_weights import qat_ranges, with_qat_weights
from .quantizer import Range, quantize

if TYPE_CHECKING:
    from ecbsr_mobile.network import Int8Weights, PlainNet


def int8_graph(
    graph: tflite.Graph,
    net: PlainNet,
    samples: Sequence[Sample],
    target: str,
    finetune_steps: int,
    progress: Callable[[str], None],
) -> tuple[tflite.Graph, dict[str, Any]]:
    """Quantize the converted float graph of a network.

    Args:
        graph: the converted float graph of `net`.
        net: the float network, with its weights trained for int8, if there are any.
        samples: images to fine-tune or calibrate on.
        target: what runs the graph; it decides how PReLU is written (see `transforms.prelu`).
        finetune_steps: steps of fine-tuning the float weights; 0 uses the weights trained for int8, and calibrates
            ranges where there are none for the target.
        progress: called with a message when a step starts.

    Returns:
        The int8 graph, and the recipe's entry on its weights and ranges.

    Raises:
        UsageError: `target` is not one of `options.TARGETS`.
        EcbsrError: the weights trained for int8 do not fit the graph, or the graph cannot be quantized.
    """
    decomposition = decomposition_for(target)
    if finetune_steps:
        result = finetune(net, decomposition, samples, finetune_steps, progress)
        method = f"learned from the float network's results in {result.steps} steps of {BATCH} crops"
        entry: dict[str, Any] = {"method": method, "pictures": [sample.name for sample in samples]}
        return _from_int8_weights(graph, result.weights, target, samples[0], entry)
    if decomposition in net.int8:
        return _from_int8_weights(graph, net.int8[decomposition], target, samples[0], {"method": "learned in training"})
    calibration = calibrate(decompose_prelu(graph, target), samples, progress)
    entry = {**calibration.to_json(), "ranges": _rounded(calibration.ranges)}
    return quantize(calibration.graph, calibration.ranges), entry


def _from_int8_weights(
    graph: tflite.Graph, weights: Int8Weights, target: str, sample: Sample, entry: dict[str, Any]
) -> tuple[tflite.Graph, dict[str, Any]]:
    float_graph = with_qat_weights(graph, weights.net)
    reference = quality.Reference(onnx_model(weights.net), weights.net.architecture.radius)
    image = frame(sample, CONVERSION_SIZE)
    quality.check_float(tflite.write(float_graph), reference, image, "the float graph with the int8 weights")
    decomposed = decompose_prelu(float_graph, target)
    ranges = qat_ranges(decomposed, weights)
    entry = {**entry, "weights_sha256": recipe.weights_hash(weights.net), "ranges": _rounded(ranges)}
    return quantize(decomposed, ranges), entry


def _rounded(ranges: Mapping[str, Range]) -> dict[str, list[float]]:
    return {name: [round(limit, 6) for limit in limits] for name, limits in ranges.items()}
