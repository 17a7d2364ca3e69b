from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Graph, interpreter, xnnpack_probe
from export.audit.invariants import broken_invariants
from export.quantize.quantizer import activation_indices, pinned, quantization, quantize
from export.transforms.prelu import decompose_prelu
from tests.helpers.networks import CASES, graph, observed_ranges, photo

pytestmark = pytest.mark.slow  # the graphs come from TensorFlow


def simulated(graph: Graph, image: np.ndarray) -> np.ndarray:
    """The result by TFLite's specification: PyTorch in float64, each activation rounded with its scale."""

    def real(index: int) -> torch.Tensor:
        tensor = graph.tensors[index]
        scale, zero_point = tensor.quantization.scale.astype(np.float64), tensor.quantization.zero_point
        shape = [1] * len(tensor.shape)
        if len(scale) > 1:
            shape[tensor.quantization.axis] = -1
        return torch.from_numpy((tensor.data.astype(np.float64) - zero_point.reshape(shape)) * scale.reshape(shape))

    values = {graph.inputs[0]: torch.from_numpy(image.astype(np.float64).transpose(2, 0, 1))[None]}
    for node in graph.nodes:
        inputs = [values[index] for index in node.inputs if index in values]
        if node.operator == "CONV_2D":
            weight = real(node.inputs[1]).permute(0, 3, 1, 2)
            y = torch.nn.functional.conv2d(inputs[0], weight, real(node.inputs[2]), padding=weight.shape[2] // 2)
        elif node.operator == "DEPTHWISE_CONV_2D":
            y = inputs[0] * real(node.inputs[1]).reshape(1, -1, 1, 1) + real(node.inputs[2]).reshape(1, -1, 1, 1)
        elif node.operator == "ADD":
            y = inputs[0] + inputs[1]
        elif node.operator == "PRELU":
            y = torch.where(inputs[0] < 0, inputs[0] * real(node.inputs[1]).reshape(1, -1, 1, 1), inputs[0])
        elif node.operator == "LEAKY_RELU":
            y = torch.nn.functional.leaky_relu(inputs[0], node.options.alpha)
        else:
            block = node.options.blockSize
            n, c, h, w = inputs[0].shape
            y = inputs[0].reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
            y = y.reshape(n, c // block**2, h * block, w * block)
        if tflite.fused_activation(node) == "RELU":
            y = y.clamp(min=0)
        qparams = graph.tensors[node.outputs[0]].quantization
        scale, zero_point = float(qparams.scale[0]), int(qparams.zero_point[0])
        y = ((y / scale).round() + zero_point).clamp(-128, 127)
        values[node.outputs[0]] = (y - zero_point) * scale
    return values[graph.outputs[0]][0].numpy().transpose(1, 2, 0)


@pytest.mark.parametrize("case", CASES)
def test_the_runtime_gives_the_result_of_the_specification(case) -> None:
    decomposed = decompose_prelu(graph(*case[:3]), case[3])
    image = photo(case[0])
    quantized = quantize(decomposed, observed_ranges(decomposed, image))
    difference = np.abs(interpreter.run(quantized, image) - simulated(quantized, image)) * 255
    if {"PRELU", "LEAKY_RELU"} & set(tflite.operators(quantized)):
        # These kernels round in fixed point, sometimes to the other integer, and later layers amplify that.
        assert difference.max() < 3.5
        assert np.mean(difference > 0.5) < 0.25
    else:
        assert np.mean(difference > 0.5) < 0.001


@pytest.mark.parametrize("case", CASES)
def test_activations_and_sums_are_not_requantized(case) -> None:
    """In the runtime's results: the positive half of an activation function, and the image with the residual added."""
    decomposed = decompose_prelu(graph(*case[:3]), case[3])
    limits = dict.fromkeys((decomposed.tensors[index].name for index in activation_indices(decomposed)), (-1.2, 1.1))
    for node in decomposed.nodes:
        if node.operator in ("PRELU", "LEAKY_RELU"):
            limits[decomposed.tensors[node.outputs[0]].name] = (-0.2, 0.5)  # a third of the scale before it
    quantized = quantize(decomposed, limits)
    indices = activation_indices(quantized)
    values = dict(zip(indices, interpreter.activations(quantized, photo(case[0]), indices), strict=True))
    qparams = {index: quantized.tensors[index].quantization for index in indices}
    nodes = [node for node in quantized.nodes if node.operator in ("ADD", "PRELU", "LEAKY_RELU")]
    assert nodes
    for node in nodes:
        source, result, out = values[node.inputs[0]], values[node.outputs[0]], qparams[node.outputs[0]]
        is_sum = node.operator == "ADD"
        expected = sum(values[index] for index in node.inputs) if is_sum else source
        unchanged = np.full(source.shape, True) if is_sum else source >= 0
        bottom, top = ((stored - out.zero_point) * out.scale for stored in (-128, 127))
        np.testing.assert_allclose(
            result[unchanged], expected.clip(bottom, top)[unchanged], atol=0.01 * float(out.scale[0])
        )


@pytest.mark.parametrize("case", CASES)
def test_int8_is_near_the_float_network(case) -> None:
    decomposed = decompose_prelu(graph(*case[:3]), case[3])
    image = photo(case[0])
    quantized = quantize(decomposed, observed_ranges(decomposed, image))
    expected = np.clip(interpreter.run(decomposed, image), 0, 1)
    assert np.sqrt(np.mean((interpreter.run(quantized, image) - expected) ** 2)) < 3 / 255


@pytest.mark.parametrize("case", CASES)
def test_all_tensors_are_int8_and_input_and_output_are_pixels(case) -> None:
    decomposed = decompose_prelu(graph(*case[:3]), case[3])
    quantized = tflite.read(tflite.write(quantize(decomposed, observed_ranges(decomposed, photo(case[0])))))
    assert {tensor.type_name for tensor in quantized.tensors} == {"INT8", "INT32"}
    for index in (*quantized.inputs, *quantized.outputs):
        quantization = quantized.tensors[index].quantization
        assert quantization.scale[0] == np.float32(1 / 255)
        assert quantization.zero_point[0] == -128
    assert not broken_invariants(quantized)
    for node in quantized.nodes:
        if node.operator in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            weight = quantized.tensors[node.inputs[1]]
            assert len(weight.quantization.scale) == weight.shape[weight.quantization.axis]
            assert not weight.quantization.zero_point.any()
    shuffle = quantized.nodes[-1]
    before, after = (quantized.tensors[index].quantization for index in (shuffle.inputs[0], shuffle.outputs[0]))
    assert before.scale == after.scale and before.zero_point == after.zero_point


@pytest.mark.parametrize("case", [case for case in CASES if case[3] == "single"])
def test_xnnpack_delegates_every_node_of_a_cpu_graph(case) -> None:
    decomposed = decompose_prelu(graph(*case[:3]), "single")
    measured = xnnpack_probe.probe(tflite.write(quantize(decomposed, observed_ranges(decomposed, photo(case[0])))))
    assert (len(measured.nodes), measured.partitions) == (measured.total, 1), measured.error


def test_the_residual_is_exact() -> None:
    """A network whose convolutions are all zero must return every pixel unchanged."""
    plain = graph(1, 2, "prelu")
    tensors = list(plain.tensors)
    for node in plain.nodes:
        if node.operator == "CONV_2D" and tensors[node.inputs[1]].shape[1] == 3:
            for index in node.inputs[1:]:
                tensors[index] = replace(tensors[index], data=np.zeros_like(tensors[index].data))
    decomposed = decompose_prelu(replace(plain, tensors=tuple(tensors)), "single")
    quantized = quantize(decomposed, observed_ranges(decomposed, photo(1)))
    image = (np.arange(256, dtype=np.float32) / np.float32(255)).reshape(16, 16, 1)
    assert np.allclose(interpreter.run(quantized, image), image.repeat(2, 0).repeat(2, 1), atol=1e-6)


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3, 1e5])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_xnnpack_loads_a_graph_with_extreme_weights(factor, layer) -> None:
    """One convolution far larger or smaller than the rest, and a dead channel with a large bias."""
    plain = graph(1, 2, "prelu")
    tensors = list(plain.tensors)
    node = [node for node in plain.nodes if node.operator == "CONV_2D" and tensors[node.inputs[1]].shape[1] == 3][layer]
    weight, bias = (tensors[index].data.copy() for index in node.inputs[1:])
    weight *= np.float32(factor)
    weight[0], bias[0] = 0, 50
    for index, value in zip(node.inputs[1:], (weight, bias), strict=True):
        tensors[index] = replace(tensors[index], data=value)
    decomposed = decompose_prelu(replace(plain, tensors=tuple(tensors)), "single")
    quantized = quantize(decomposed, observed_ranges(decomposed, photo(1)))
    assert not broken_invariants(quantized)
    measured = xnnpack_probe.probe(tflite.write(quantized))
    assert measured.loads and measured.partitions == 1, measured.error


def test_a_missing_range_and_an_unknown_operator_are_refused() -> None:
    decomposed = decompose_prelu(graph(1, 2, "prelu"), "single")
    ranges = observed_ranges(decomposed, photo(1))
    free = next(decomposed.tensors[i].name for i in activation_indices(decomposed) if i not in pinned(decomposed))
    with pytest.raises(EcbsrError, match=f"no range is known for the activation {free}"):
        quantize(decomposed, {name: limits for name, limits in ranges.items() if name != free})
    unknown = replace(decomposed, nodes=(*decomposed.nodes[:-1], replace(decomposed.nodes[-1], operator="TANH")))
    with pytest.raises(EcbsrError, match="TANH cannot be quantized"):
        quantize(unknown, ranges)


@pytest.mark.parametrize("limits", [(-1.5, 2.0), (0.0, 1.0), (-3.0, 0.0), (0.5, 2.0), (0.0, 0.0)])
def test_zero_is_exact_and_the_range_is_covered(limits) -> None:
    qparams = quantization(limits)
    scale, zero_point = float(qparams.scale[0]), int(qparams.zero_point[0])
    assert -128 <= zero_point <= 127
    assert scale * (127 - zero_point) >= limits[1] - scale
    assert scale * (-128 - zero_point) <= limits[0] + scale
