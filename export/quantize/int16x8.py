"""Float graph → graph of 16-bit activations and 8-bit weights (TFLite's int16x8), with int8 pixels as input and output.

Activations are int16 with zero point 0 and one scale per tensor, weights int8 with one scale per output channel, biases
int64 (https://ai.google.dev/edge/litert/models/post_training_integer_quant_16x8). PReLU is MUL and MAXIMUM (see
`transforms.maximum`). DEPTH_TO_SPACE has no int16 kernel, so the result becomes int8 before it
(tflite/kernels/depth_to_space.cc).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.quantization import qparams
from ecbsr_mobile.quantization.qparams import IMAGE_RANGE, MIN_RANGE_WIDTH
from ecbsr_mobile.tflite import Graph, Node, Quantization, Tensor, interpreter
from ecbsr_mobile.utils.progress import Notify

from ..transforms.maximum import prelu_as_maximum
from ..transforms.prelu import decompose_prelu, fold_steep_slopes
from ..validation.sample_images import Sample
from .calibration import sheet
from .quantizer import copies_image, quantization, quantized_weight_and_bias
from .weight_rounding import equalize, round_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The version of each operator that stands for int16 activations (tflite/converter/tools/versioning/op_version.cc).
INT16_VERSIONS = {"CONV_2D": 4, "ADD": 3, "MUL": 4, "MAXIMUM": 4, "LEAKY_RELU": 2}
_LARGEST = 32767

IMAGE_SCALE = np.float32(1 / 255) / np.float32(128)
"""Scale of the image: a pixel is stored as 128 times its value, exactly."""

RESULT_SCALE = 2 * IMAGE_SCALE
"""Scale of the result, and of what is added to the image: it reaches to ±2, and the result is clipped at 0 and 1."""

HEADROOM = 2.0
"""Largest value of an activation over the largest that was seen: costs one bit of 16, where clipping would be seen."""


def int16x8_graph(graph: Graph, samples: Sequence[Sample], progress: Notify) -> tuple[Graph, dict[str, Any]]:
    """Quantize a converted float graph to 16-bit activations.

    Args:
        graph: the converted float graph of a network.
        samples: images that the weights are rounded for and the ranges observed on.
        progress: called with a message when a step starts.

    Returns:
        The graph, and the recipe's entry on its weights and ranges.

    Raises:
        EcbsrError: the graph cannot be quantized.
    """
    pixels = sheet([view for sample in samples for view in sample.views])
    image = pixels.astype(np.float32) / np.float32(255)
    prepared = prelu_as_maximum(equalize(fold_steep_slopes(decompose_prelu(graph, "native"))))
    rounded = round_weights(prepared, image, progress)
    largest = observed_maxima(rounded.graph, image)
    entry = {
        "method": f"channels equalized, weights rounded for the pictures, ranges {HEADROOM:g} times those observed",
        "pictures": [sample.name for sample in samples],
        "pixels": pixels.shape[0] * pixels.shape[1],
        "ranges": {name: [round(-HEADROOM * value, 6), round(HEADROOM * value, 6)] for name, value in largest.items()},
    }
    return quantize_int16x8(rounded.graph, largest, rounded.scales), entry


def observed_maxima(graph: Graph, image: NDArray[np.float32]) -> dict[str, float]:
    """The largest absolute value of each activation for an image [H, W, C], by tensor name.

    MAXIMUM compares integers, so its inputs and its output have one scale, and with it one largest value: what a
    product exceeds it by is clipped, for it is not the larger one there. Activations of a fixed scale are left out.
    """
    fixed = _fixed_scales(graph)
    indices = [node.outputs[0] for node in graph.nodes if node.operator != "MUL" and node.outputs[0] not in fixed]
    values = interpreter.activations(graph, image, indices) if indices else []
    largest = {index: float(np.abs(value).max()) for index, value in zip(indices, values, strict=True)}
    for node in graph.nodes:
        if node.operator == "MAXIMUM":
            source, product, result = *node.inputs, *node.outputs
            largest |= dict.fromkeys((source, product, result), max(largest[source], largest[result]))
    return {graph.tensors[index].name: value for index, value in largest.items()}


def _fixed_scales(graph: Graph) -> dict[int, np.float32]:
    """The int16 activations whose scale does not depend on the network, by index.

    The image and its copies have `IMAGE_SCALE`; the result before it is clipped, and what is added to the copies,
    `RESULT_SCALE`.
    """
    results = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node.operator in ("DEPTH_TO_SPACE", "ADD") and node.outputs[0] in results:
            results |= set(node.inputs)
    copies = [node.outputs[0] for node in graph.nodes if node.inputs[0] in graph.inputs and copies_image(graph, node)]
    return dict.fromkeys(sorted(results), RESULT_SCALE) | dict.fromkeys([*graph.inputs, *copies], IMAGE_SCALE)


def quantize_int16x8(
    graph: Graph, largest: Mapping[str, float], scales: Mapping[int, NDArray[np.float32]] | None = None
) -> Graph:
    """The int16x8 graph of a float graph whose image is in [0, 1].

    Args:
        graph: a float graph with PReLU as MUL and MAXIMUM.
        largest: the largest absolute value of each activation by tensor name (see `observed_maxima`).
        scales: of weights that are multiples of them already, by tensor index (see `weight_rounding`).

    Raises:
        EcbsrError: an operator that is not in `INT16_VERSIONS`, or an activation without a largest value.
    """
    editor = _Editor(graph, largest, scales or {})
    for index in graph.inputs:
        editor.add_quantize(index, editor.int16[index])
    for node in graph.nodes:
        editor.add(node)
    return replace(graph, tensors=tuple(editor.tensors), nodes=tuple(editor.nodes))


class _Editor:
    """Collects the tensors and nodes of the new graph; tensor indices of the given graph stay valid.

    Pixels (the image, the result, and what DEPTH_TO_SPACE moves to become it) are int8 at their index; `int16` has the
    index of each activation in 16 bits, which is another one for pixels.
    """

    def __init__(self, graph: Graph, largest: Mapping[str, float], scales: Mapping[int, NDArray[np.float32]]) -> None:
        self.graph, self.scales = graph, scales
        self.tensors: list[Tensor] = list(graph.tensors)
        self.nodes: list[Node] = []
        self.int16: dict[int, int] = {}
        fixed = _fixed_scales(graph)
        pixels = {*graph.inputs, *graph.outputs}
        for node in reversed(graph.nodes):
            if node.operator == "DEPTH_TO_SPACE" and node.outputs[0] in pixels:
                pixels.add(node.inputs[0])
        computed = [node.outputs[0] for node in graph.nodes if node.operator != "DEPTH_TO_SPACE"]
        for index in (*graph.inputs, *computed):
            tensor = graph.tensors[index]
            scale = fixed[index] if index in fixed else _scale_for(tensor, largest)
            name = f"{tensor.name}/int16" if index in pixels else tensor.name
            new = replace(tensor, name=name, dtype=np.dtype(np.int16), quantization=_symmetric(scale))
            self.int16[index] = self._append(new) if index in pixels else index
            if index not in pixels:
                self.tensors[index] = new
        for index in pixels:
            pixel = replace(graph.tensors[index], dtype=np.dtype(np.int8), quantization=quantization(IMAGE_RANGE))
            self.tensors[index] = pixel

    def _append(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add_quantize(self, source: int, result: int) -> None:
        """Append a QUANTIZE node."""
        from ai_edge_litert import schema_py_generated as schema

        version = 2 if self.tensors[result].dtype == np.int16 else 1
        self.nodes.append(Node("QUANTIZE", (source,), (result,), version, schema.QuantizeOptionsT()))

    def add(self, node: Node) -> None:
        """Append a node: DEPTH_TO_SPACE in int8, any other in int16."""
        if node.operator == "DEPTH_TO_SPACE" and node.outputs[0] not in self.int16:
            self.nodes.append(replace(node, version=2))
            return
        if node.operator not in INT16_VERSIONS:
            raise EcbsrError(f"{node.operator} cannot be quantized to int16; {', '.join(INT16_VERSIONS)} can")
        result = self.int16[node.outputs[0]]
        inputs = [self.int16.get(index, index) for index in node.inputs]
        if node.operator == "CONV_2D":
            inputs[1:] = self._weight_and_bias(node, inputs[0], result)
        elif node.operator == "MUL":
            inputs[1] = self._append(_slopes(self.graph.tensors[inputs[1]]))
        if any(self.tensors[index].dtype == np.float32 for index in inputs):
            raise EcbsrError(f"{node.operator} with a constant input cannot be quantized")
        options = node.options
        if node.operator == "ADD":
            options = copy(options)
            options.potScaleInt16 = False  # the scales are not powers of two
        version = INT16_VERSIONS[node.operator]
        self.nodes.append(Node(node.operator, tuple(inputs), (result,), version, options))
        if result != node.outputs[0]:
            self.add_quantize(result, node.outputs[0])

    def _weight_and_bias(self, node: Node, source: int, result: int) -> list[int]:
        weight, bias = (self.graph.tensors[index] for index in node.inputs[1:])
        if weight.data is None or bias.data is None:
            raise EcbsrError(f"CONV_2D {self.tensors[result].label} has no constant weights and bias")
        in_scale, out_scale = (_scale(self.tensors[index]) for index in (source, result))
        scales = self.scales.get(node.inputs[1])
        constants = quantized_weight_and_bias(weight, bias, in_scale, out_scale, bias_dtype=np.int64, scales=scales)
        return [self._append(constant) for constant in constants]


def _slopes(tensor: Tensor) -> Tensor:
    """Constant factors as int16 with one scale."""
    assert tensor.data is not None
    scale = np.float32(max(float(np.abs(tensor.data).max()), MIN_RANGE_WIDTH) / _LARGEST)
    values = qparams.quantize(tensor.data, float(scale), dtype=np.int16, narrow=True)
    return _constant(tensor, values, _symmetric(scale))


def _scale_for(tensor: Tensor, largest: Mapping[str, float]) -> float:
    if tensor.name not in largest:
        raise EcbsrError(f"no range is known for the activation {tensor.label}; calibrate the graph that is quantized")
    return max(largest[tensor.name] * HEADROOM, MIN_RANGE_WIDTH) / _LARGEST


def _symmetric(scale: float | np.floating) -> Quantization:
    return Quantization(np.array([scale], np.float32), np.zeros(1, np.int64))


def _scale(tensor: Tensor) -> float:
    assert tensor.quantization is not None
    return float(tensor.quantization.scale[0])


def _constant(tensor: Tensor, values: np.ndarray, parameters: Quantization) -> Tensor:
    return replace(tensor, dtype=values.dtype, data=values, quantization=parameters)
