"""The int16x8 scheme against LiteRT, and against its arithmetic written in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import interpreter
from export.quantize.int16x8 import observed_maxima, quantize_int16x8
from export.quantize.weight_rounding import round_to_nearest
from export.transforms.io_dtype import with_io_dtype
from export.transforms.maximum import prelu_as_maximum
from export.transforms.prelu import fold_steep_slopes
from tests.helpers import int16_arithmetic, litert
from tests.helpers.int16_models import float_network, int16x8_network
from tests.helpers.networks import photo

CASES = [("prelu", 1), ("prelu", 3), ("leaky", 1), ("relu", 3)]


def stored(graph: tflite.Graph, image: np.ndarray) -> np.ndarray:
    """What LiteRT's built-in kernels store for an image [1, H, W, C] of the graph's own type."""
    runner = litert.interpreter(tflite.write(tflite.at_size(graph, image.shape[2], image.shape[1])))
    runner.set_tensor(runner.get_input_details()[0]["index"], image)
    runner.invoke()
    return np.array(runner.get_tensor(runner.get_output_details()[0]["index"]))


def pixels(colors: int) -> np.ndarray:
    """A photo as int8 pixels [1, H, W, C]."""
    return (np.round(photo(colors) * 255).astype(np.uint8) ^ 0x80).view(np.int8)[None]


@pytest.mark.parametrize(("activation", "colors"), CASES)
def test_litert_computes_the_schemes_integers(activation: str, colors: int) -> None:
    graph = int16x8_network(photo(colors), activation)
    random = np.random.default_rng(0).integers(-128, 128, (1, 12, 20, colors)).astype(np.int8)
    for image in (pixels(colors), random):
        expected = int16_arithmetic.run(graph, image)
        assert expected.std() > 20
        np.testing.assert_array_equal(stored(graph, image), expected)


@pytest.mark.parametrize(("activation", "colors"), CASES)
def test_all_that_is_lost_is_in_the_weights(activation: str, colors: int) -> None:
    """Of the float network with the same weights, the result differs by its rounding, 0.29 of 255, or little more."""
    rounded = round_to_nearest(fold_steep_slopes(float_network(activation, colors))).graph
    exact = np.clip(interpreter.run(rounded, photo(colors)), 0, 1) * 255
    result = interpreter.run(int16x8_network(photo(colors), activation), photo(colors)) * 255
    assert np.sqrt(np.mean((result - exact) ** 2)) < 0.31
    assert np.abs(result - exact).max() < 1


def test_types_and_zero_points_are_those_of_the_scheme() -> None:
    graph = int16x8_network(photo(3))
    types = {}
    for node in graph.nodes:
        for index in (*node.inputs, *node.outputs):
            tensor = graph.tensors[index]
            types[index] = tensor.type_name
            if tensor.type_name != "INT8" or tensor.data is not None:
                assert not tensor.quantization.zero_point.any()
        if node.operator == "CONV_2D":
            activation, weight, bias = (graph.tensors[index] for index in node.inputs)
            assert [t.type_name for t in (activation, weight, bias)] == ["INT16", "INT8", "INT64"]
            assert len(weight.quantization.scale) == weight.shape[0] and weight.quantization.axis == 0
            products = activation.quantization.scale * weight.quantization.scale
            np.testing.assert_array_equal(bias.quantization.scale, products.astype(np.float32))
            assert weight.data.min() >= -127 and np.abs(bias.data).max() < 2**31
    assert [graph.tensors[graph.nodes[number].outputs[0]].type_name for number in (0, -1)] == ["INT16", "INT8"]
    for index in (*graph.inputs, *graph.outputs):
        parameters = graph.tensors[index].quantization
        assert graph.tensors[index].type_name == "INT8"
        assert (parameters.scale[0], parameters.zero_point[0]) == (np.float32(1 / 255), -128)


def test_the_image_and_its_sum_with_zero_are_exact() -> None:
    graph = float_network()
    tensors = [
        replace(t, data=np.zeros_like(t.data)) if t.data is not None and t.shape[1:3] == (3, 3) else t
        for t in graph.tensors
    ]
    tensors = [
        replace(t, data=np.zeros_like(t.data)) if t.data is not None and t.data.ndim == 1 else t for t in tensors
    ]
    graph = prelu_as_maximum(fold_steep_slopes(replace(graph, tensors=tuple(tensors))))
    image = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16, 1)
    quantized = quantize_int16x8(graph, observed_maxima(graph, photo(1)))
    np.testing.assert_array_equal(stored(quantized, image), image.repeat(2, axis=1).repeat(2, axis=2))


def test_every_io_dtype_gives_the_same_pixels() -> None:
    graph = int16x8_network(photo(1))
    expected = stored(graph, pixels(1)).view(np.uint8) ^ 0x80
    as_uint8 = stored(with_io_dtype(graph, "uint8"), pixels(1).view(np.uint8) ^ 0x80)
    np.testing.assert_array_equal(as_uint8, expected)
    as_float = stored(with_io_dtype(graph, "float32"), photo(1)[None])
    np.testing.assert_allclose(as_float * 255, expected, atol=1e-3)


def test_values_beyond_the_observed_range_are_clipped_at_twice_of_it() -> None:
    graph = prelu_as_maximum(fold_steep_slopes(float_network()))
    largest = observed_maxima(graph, photo(1))
    quantized = quantize_int16x8(graph, largest)
    for tensor in quantized.tensors:
        if tensor.name in largest and tensor.type_name == "INT16":
            assert tensor.quantization.scale[0] * 32767 == pytest.approx(2 * largest[tensor.name])


def test_a_graph_that_cannot_be_quantized_is_refused_in_one_sentence() -> None:
    graph = float_network()
    with pytest.raises(EcbsrError, match="PRELU cannot be quantized to int16; CONV_2D, "):
        quantize_int16x8(graph, observed_maxima(graph, photo(1)))
    graph = prelu_as_maximum(fold_steep_slopes(graph))
    with pytest.raises(EcbsrError, match="no range is known for the activation t"):
        quantize_int16x8(graph, {})
