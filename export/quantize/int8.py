"""Float graph → int8 graph: with weights trained for int8, or calibrated and fine-tuned here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import OptionError
from ecbsr_mobile.quantization.qparams import LEAKY_SLOPES
from ecbsr_mobile.tflite import recipe
from ecbsr_mobile.utils.progress import Notify

from ..convert.direct import direct_graph
from ..convert.onnx_builder import onnx_model
from ..validation import quality
from ..validation.quality import CHECK_SIZE
from ..validation.sample_images import Sample, as_tensors, frame
from .calibration import Calibration, calibrate, observe, search
from .distillation import targets
from .finetune import default_steps, finetune
from .qat_weights import decomposed_graph, qat_ranges, with_qat_weights
from .quantizer import Range, quantize

if TYPE_CHECKING:
    from ecbsr_mobile.architecture import PReLUDecomposition
    from ecbsr_mobile.network import Int8Weights, PlainNet

MAX_SINGLE_LOSS_DB = 0.03
"""Expected loss before fine-tuning for which "single" is still taken, since it is quicker than "double"."""

HOPELESS = 4.0
"""A search of ranges does not make up for an expected loss this many times as large."""


@dataclass(frozen=True)
class Int8Result:
    """An int8 graph, and how it came about.

    Attributes:
        graph: the int8 graph.
        entry: for the recipe: the method, the PReLU decomposition and why, the images, the ranges.
        decomposition: how PReLU is written.
        calibrated_db: the expected loss of each decomposition that was tried, before fine-tuning; see
            `distillation.expected_loss`. Empty for weights trained for int8.
        finetuned_steps: steps of fine-tuning that were taken.
    """

    graph: tflite.Graph
    entry: dict[str, Any]
    decomposition: PReLUDecomposition
    calibrated_db: Mapping[str, float] = field(default_factory=dict)
    finetuned_steps: int = 0


def decompositions(net: PlainNet, target: str, prelu: str) -> tuple[PReLUDecomposition, ...]:
    """The ways to write PReLU among which the exporter chooses, the quickest first.

    Args:
        net: the network.
        target: what runs the graph, out of `options.TARGETS`.
        prelu: out of `options.PRELU`.

    Raises:
        UsageError: a decomposition is given for a network without PReLU.
    """
    if net.architecture.activation != "prelu":
        if prelu != "auto":
            raise OptionError(f"{net.name} has no PReLU that could be written as {prelu!r}; leave {{prelu}} out")
        return ("single",) if target == "cpu" else ("native",)
    if prelu != "auto":
        return (prelu,)  # type: ignore[return-value]
    return ("single", "double") if target == "cpu" else ("native",)


def network_for_int8(net: PlainNet, graph: tflite.Graph) -> tuple[PlainNet, tflite.Graph]:
    """The network and its float graph with the activation that an int8 graph can have; they compute the same.

    XNNPACK refuses an int8 LEAKY_RELU of some slopes, such as 0.01: the network is then one with PReLU.
    """
    import torch

    from ecbsr_mobile.network import PlainNet

    if net.architecture.activation != "leaky":
        return net, graph
    slopes = [float(slope) for _, _, slope in net.layers() if slope is not None]
    if all(LEAKY_SLOPES[0] <= slope <= LEAKY_SLOPES[1] for slope in slopes):
        return net, graph
    result = PlainNet(replace(net.architecture, activation="prelu"))
    result.convs.load_state_dict(net.convs.state_dict())
    for act, slope in zip(result.acts, slopes, strict=True):
        act.weight = torch.nn.Parameter(torch.full((net.architecture.channels,), slope))
    result.requires_grad_(False).eval()
    return result, direct_graph(result, CHECK_SIZE)


def int8_graph(
    graph: tflite.Graph,
    net: PlainNet,
    samples: Sequence[Sample],
    candidates: Sequence[PReLUDecomposition],
    finetune_steps: int | None,
    progress: Notify,
) -> Int8Result:
    """Quantize the converted float graph of a network.

    Args:
        graph: the converted float graph of `net`.
        net: the float network (see `network_for_int8`), with its weights trained for int8, if there are any.
        samples: images to calibrate and fine-tune on.
        candidates: see `decompositions`.
        finetune_steps: steps of fine-tuning the calibrated weights. 0 uses the weights trained for int8 where there are
            some, and so does None, which otherwise takes as many as suit the network.
        progress: called with a message when a step starts.

    Raises:
        EcbsrError: the weights trained for int8 do not fit the graph, or the graph cannot be quantized.
    """
    trained = [name for name in candidates if name in net.int8]
    if trained and not finetune_steps:
        method = {"method": "learned in training", "prelu": trained[0]}
        return _result(graph, net.int8[trained[0]], samples[0], method, {}, 0)
    net = balanced_network(net, samples)
    calibration, losses, why = _calibrated(graph, net, samples, candidates, progress)
    weights = calibration.weights
    entry: dict[str, Any] = {**calibration.to_json(), "pictures": [sample.name for sample in samples]}
    if net.architecture.activation == "prelu":
        entry |= {"prelu": weights.decomposition, "prelu_why": why}
    progress(f"calibrated: expected loss {calibration.loss_db:.3f} dB" + (f"; {why}" if len(losses) > 1 else ""))
    steps = default_steps(net.architecture) if finetune_steps is None else finetune_steps
    if not steps:
        return _result(graph, weights, samples[0], entry, losses, 0)
    tuned = finetune(net, weights, samples, steps, progress)
    before, after = tuned.loss_db
    ended = ", interrupted, the best so far is kept" if tuned.interrupted else ""
    progress(f"fine-tuned {tuned.taken} steps{ended}: expected loss on held-out images {before:.3f} → {after:.3f} dB")
    return _result(graph, tuned.weights, samples[0], {**entry, "finetune": tuned.to_json()}, losses, tuned.taken)


def balanced_network(net: PlainNet, samples: Sequence[Sample]) -> PlainNet:
    """The network to quantize: `net` itself, unless the magnitudes of its channels are unusual."""
    from ecbsr_mobile.quantization.channel_scales import balanced
    from ecbsr_mobile.quantization.fake_quant import fold_steep_slopes

    folded = fold_steep_slopes(net)
    result = balanced(folded, as_tensors(samples))
    return net if result is folded else result


def _calibrated(
    graph: tflite.Graph,
    net: PlainNet,
    samples: Sequence[Sample],
    candidates: Sequence[PReLUDecomposition],
    progress: Notify,
) -> tuple[Calibration, dict[str, float], str]:
    """The calibration of the best candidate, the expected loss of each in dB, and why it was chosen."""
    measured = targets(net, samples)
    if len(candidates) == 1:
        (name,) = candidates
        only = calibrate(net, name, graph, samples, measured, progress)
        return only, {name: only.loss_db}, "the only one for this target" if name == "native" else "as asked for"
    progress("comparing ways to write PReLU")
    double = calibrate(net, "double", graph, samples, measured, progress)
    starts = observe(net, "single", graph, samples, measured)
    single = starts[0]
    if single.loss_db <= HOPELESS * double.loss_db + MAX_SINGLE_LOSS_DB:
        single = search(starts, graph, samples, measured, progress)
    losses = {"single": single.loss_db, "double": double.loss_db}
    compared = f"expected loss before fine-tuning: single {single.loss_db:.3f} dB, double {double.loss_db:.3f} dB"
    if single.loss_db <= double.loss_db + MAX_SINGLE_LOSS_DB:
        return single, losses, f"single is quicker ({compared})"
    return double, losses, f"double keeps more ({compared})"


def _result(
    graph: tflite.Graph,
    weights: Int8Weights,
    sample: Sample,
    entry: dict[str, Any],
    losses: Mapping[str, float],
    steps: int,
) -> Int8Result:
    float_graph = with_qat_weights(graph, weights.net)
    reference = quality.Reference(onnx_model(weights.net), weights.net.architecture.radius)
    image = frame(sample, CHECK_SIZE)
    quality.check_float(tflite.write(float_graph), reference, image, "the float graph with the int8 weights")
    decomposed = decomposed_graph(graph, weights)
    ranges = qat_ranges(decomposed, weights)
    entry = {**entry, "weights_sha256": recipe.weights_hash(weights.net), "ranges": _rounded(ranges)}
    return Int8Result(quantize(decomposed, ranges), entry, weights.decomposition, losses, steps)


def _rounded(ranges: Mapping[str, Range]) -> dict[str, list[float]]:
    return {name: [round(limit, 6) for limit in limits] for name, limits in ranges.items()}
