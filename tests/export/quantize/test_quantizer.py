from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.quantization.qparams import align_activation_ranges, align_addend_max
from export import tflite
from export.audit.invariants import broken_invariants
from export.quantize import calibration
from export.quantize.layer_reconstruction import refit
from export.quantize.quantizer import activations, affine, pinned, quantize
from export.tflite import Graph, interpreter, xnnpack_probe
from export.transforms.io_dtype import with_io_dtype
from export.transforms.prelu import decompose_prelu
from tests.helpers.networks import CASES, graph

pytestmark = pytest.mark.slow  # the graphs come from TensorFlow


def photo(colors: int, height: int = 40, width: int = 56) -> np.ndarray:
    """Something like a picture, on int8's grid: smooth, with edges."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    planes = [np.sin(x / (5 + c)) * np.cos(y / 7) * 0.3 + 0.5 * (x > 20 + 3 * c) for c in range(colors)]
    return np.round(np.clip(np.stack(planes, axis=-1) + 0.2, 0, 1) * 255).astype(np.float32) / np.float32(255)


def span(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def ranged(formed: Graph, image: np.ndarray) -> dict[str, tuple[float, float]]:
    """Ranges that hold every value seen."""
    found = activations(formed)
    values = interpreter.activations(formed, image, found)
    return {formed.tensors[index].name: span(value) for index, value in zip(found, values, strict=True)}


def simulated(graph: Graph, image: np.ndarray) -> np.ndarray:
    """What TFLite's specification says of the graph: torch in float64, each result rounded to its tensor's grid."""

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
        grid = graph.tensors[node.outputs[0]].quantization
        scale, zero_point = float(grid.scale[0]), int(grid.zero_point[0])
        y = ((y / scale).round() + zero_point).clamp(-128, 127)
        values[node.outputs[0]] = (y - zero_point) * scale
    return values[graph.outputs[0]][0].numpy().transpose(1, 2, 0)


@pytest.mark.parametrize("case", CASES)
def test_runtime_gives_what_the_specification_says(case) -> None:
    formed = decompose_prelu(graph(*case[:3]), case[3])
    image = photo(case[0])
    quantized = quantize(formed, ranged(formed, image))
    difference = np.abs(interpreter.run(quantized, image) - simulated(quantized, image)) * 255
    if {"PRELU", "LEAKY_RELU"} & set(tflite.operators(quantized)):
        # Their kernels round in fixed point, now and then to the other neighbour, which later layers carry on.
        assert difference.max() < 3.5
        assert np.mean(difference > 0.5) < 0.25
    else:
        assert np.mean(difference > 0.5) < 0.001


@pytest.mark.parametrize("case", CASES)
def test_what_passes_through_or_is_added_is_not_rounded_again(case) -> None:
    """As the runtime computes it: an activation's positive half, and image plus residual."""
    formed = decompose_prelu(graph(*case[:3]), case[3])
    limits = dict.fromkeys((formed.tensors[index].name for index in activations(formed)), (-1.2, 1.1))
    for node in formed.nodes:
        if node.operator in ("PRELU", "LEAKY_RELU"):
            limits[formed.tensors[node.outputs[0]].name] = (-0.2, 0.5)  # steps a third of those before
    quantized = quantize(formed, limits)
    found = activations(quantized)
    values = dict(zip(found, interpreter.activations(quantized, photo(case[0]), found), strict=True))
    grids = {index: quantized.tensors[index].quantization for index in found}
    nodes = [node for node in quantized.nodes if node.operator in ("ADD", "PRELU", "LEAKY_RELU")]
    assert nodes
    for node in nodes:
        source, result, grid = values[node.inputs[0]], values[node.outputs[0]], grids[node.outputs[0]]
        is_sum = node.operator == "ADD"
        expected = sum(values[index] for index in node.inputs) if is_sum else source
        unchanged = np.full(source.shape, True) if is_sum else source >= 0
        bottom, top = ((end - grid.zero_point) * grid.scale for end in (-128, 127))
        np.testing.assert_allclose(
            result[unchanged], expected.clip(bottom, top)[unchanged], atol=0.01 * float(grid.scale[0])
        )


@pytest.mark.parametrize("case", CASES)
def test_int8_is_near_the_float_network(case) -> None:
    formed = decompose_prelu(graph(*case[:3]), case[3])
    image = photo(case[0])
    quantized = quantize(formed, ranged(formed, image))
    expected = np.clip(interpreter.run(formed, image), 0, 1)
    assert np.sqrt(np.mean((interpreter.run(quantized, image) - expected) ** 2)) < 3 / 255


@pytest.mark.parametrize("case", CASES)
def test_everything_is_int8_and_the_ends_are_pixels(case) -> None:
    formed = decompose_prelu(graph(*case[:3]), case[3])
    quantized = tflite.read(tflite.write(quantize(formed, ranged(formed, photo(case[0])))))
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
    ends = [quantized.tensors[index].quantization for index in (shuffle.inputs[0], shuffle.outputs[0])]
    assert ends[0].scale == ends[1].scale and ends[0].zero_point == ends[1].zero_point


@pytest.mark.parametrize("case", [case for case in CASES if case[3] == "cpu"])
def test_xnnpack_takes_every_node_of_a_cpu_graph(case) -> None:
    formed = decompose_prelu(graph(*case[:3]), "cpu")
    measured = xnnpack_probe.probe(tflite.write(quantize(formed, ranged(formed, photo(case[0])))))
    assert (len(measured.nodes), measured.partitions) == (measured.total, 1), measured.error


def test_the_residual_is_carried_exactly() -> None:
    """A network whose convolutions are all zero must give back every pixel as it was."""
    plain = graph(1, 2, "prelu")
    tensors = list(plain.tensors)
    for node in plain.nodes:
        if node.operator == "CONV_2D" and tensors[node.inputs[1]].shape[1] == 3:
            for index in node.inputs[1:]:
                tensors[index] = replace(tensors[index], data=np.zeros_like(tensors[index].data))
    formed = decompose_prelu(replace(plain, tensors=tuple(tensors)), "cpu")
    quantized = quantize(formed, ranged(formed, photo(1)))
    image = (np.arange(256, dtype=np.float32) / np.float32(255)).reshape(16, 16, 1)
    assert np.allclose(interpreter.run(quantized, image), image.repeat(2, 0).repeat(2, 1), atol=1e-6)


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3, 1e5])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_strange_weights_still_make_a_graph_that_xnnpack_loads(factor, layer) -> None:
    """One convolution far larger or smaller than the rest, and a dead channel with a large bias."""
    plain = graph(1, 2, "prelu")
    tensors = list(plain.tensors)
    node = [node for node in plain.nodes if node.operator == "CONV_2D" and tensors[node.inputs[1]].shape[1] == 3][layer]
    weight, bias = (tensors[index].data.copy() for index in node.inputs[1:])
    weight *= np.float32(factor)
    weight[0], bias[0] = 0, 50
    for index, value in zip(node.inputs[1:], (weight, bias), strict=True):
        tensors[index] = replace(tensors[index], data=value)
    formed = decompose_prelu(replace(plain, tensors=tuple(tensors)), "cpu")
    quantized = quantize(formed, ranged(formed, photo(1)))
    assert not broken_invariants(quantized)
    measured = xnnpack_probe.probe(tflite.write(quantized))
    assert measured.loads and measured.partitions == 1, measured.error


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_other_edges_carry_the_same_values(kind) -> None:
    formed = decompose_prelu(graph(1, 2, "prelu"), "cpu")
    quantized = quantize(formed, ranged(formed, photo(1)))
    other = with_io_dtype(quantized, kind)
    assert {other.tensors[index].dtype.name for index in (*other.inputs, *other.outputs)} == {kind}
    result, expected = interpreter.run(other, photo(1)), interpreter.run(quantized, photo(1))
    assert np.abs(result - expected).max() < 1e-6
    if kind == "uint8":
        pixels = interpreter.stored(other.tensors[other.inputs[0]], np.float32([0, 1 / 255, 1]))
        assert pixels.tolist() == [0, 1, 255]


def test_missing_range_unknown_operator_and_unknown_edge_are_refused() -> None:
    formed = decompose_prelu(graph(1, 2, "prelu"), "cpu")
    found = ranged(formed, photo(1))
    free = next(formed.tensors[i].name for i in activations(formed) if i not in pinned(formed))
    with pytest.raises(EcbsrError, match=f"no range is known for the activation {free}"):
        quantize(formed, {name: limits for name, limits in found.items() if name != free})
    strange = replace(formed, nodes=(*formed.nodes[:-1], replace(formed.nodes[-1], operator="TANH")))
    with pytest.raises(EcbsrError, match="TANH has no int8 form"):
        quantize(strange, found)
    with pytest.raises(UsageError, match="io 'int16' is not known"):
        with_io_dtype(quantize(formed, found), "int16")


@pytest.mark.parametrize("summed", [True, False])
def test_ranges_are_widened_until_steps_fit_into_each_other(random: np.random.Generator, summed: bool) -> None:
    """Or left alone, where coarser steps would cost more than rounding twice."""
    for _ in range(200):
        given = random.uniform(0.01, 2, (2, 2)) * (-1, 1)
        conv, act = map(np.array, align_activation_ranges(*(tuple(map(float, ends)) for ends in given), summed))
        assert np.all(np.abs((conv, act)) >= np.abs(given) - 1e-12)
        times, before = (np.ptp(ends[0]) / np.ptp(ends[1]) for ends in ((conv, act), given))
        fits = abs(times - round(times)) < 1e-9
        assert fits or (not summed and before > 1.41 * math.floor(before))
        rest = float(random.uniform(0, 3))
        highest = align_addend_max(rest, (float(act[0]), float(act[1])))
        assert highest >= rest - 1e-12
        own, times = rest / np.ptp(act), highest / np.ptp(act)
        assert abs(times - round(times)) < 1e-9 or (highest == rest and math.ceil(own) ** 2 > own**2 + 1)


@pytest.mark.parametrize("limits", [(-1.5, 2.0), (0.0, 1.0), (-3.0, 0.0), (0.5, 2.0), (0.0, 0.0)])
def test_affine_ranges_hold_zero_exactly(limits) -> None:
    found = affine(limits)
    scale, zero_point = float(found.scale[0]), int(found.zero_point[0])
    assert -128 <= zero_point <= 127
    assert scale * (127 - zero_point) >= limits[1] - scale
    assert scale * (-128 - zero_point) <= limits[0] + scale


def test_refit_brings_the_result_nearer() -> None:
    """Against ranges so coarse that rounding shows."""
    formed = decompose_prelu(graph(3, 3, "leaky"), "npu")
    image = photo(3, 64, 64)
    coarse = {name: (16 * low, 16 * high) for name, (low, high) in ranged(formed, image).items()}
    expected = np.clip(interpreter.run(formed, image), 0, 1)

    def error(floats: Graph) -> float:
        return float(np.mean((interpreter.run(quantize(floats, coarse), image) - expected) ** 2))

    assert error(refit(formed, coarse, image)) < 0.9 * error(formed)


def test_calibration_beats_the_widest_ranges_and_is_repeatable() -> None:
    from export.validation.sample_images import Sample

    formed = decompose_prelu(graph(1, 2, "prelu"), "cpu")
    picture = (photo(1, 96, 130) * 255).round().astype(np.uint8)
    sample = Sample("made", picture, np.zeros((1, 1), np.uint8), (picture,))
    first, second = calibration.calibrate(formed, [sample]), calibration.calibrate(formed, [sample])
    assert (first.ranges, first.error_db) == (second.ranges, second.error_db)
    image = calibration.sheet([picture]).astype(np.float32) / np.float32(255)
    expected = np.clip(interpreter.run(formed, image), 0, 1)

    def error(quantized: Graph) -> float:
        return float(np.mean((interpreter.run(quantized, image) - expected) ** 2))

    assert error(quantize(first.graph, first.ranges)) < error(quantize(formed, ranged(formed, image)))


def test_sheet_is_one_size_whatever_is_given(random) -> None:
    for shape in ((9, 200, 1), (300, 5, 3), (700, 900, 3), (1, 1, 1)):
        made = calibration.sheet([random.integers(0, 256, shape, np.uint8)])
        assert made.shape[1:] == (64, shape[2])
        assert made.shape[0] % 64 == 0 and 64 <= made.shape[0] <= 24 * 64
