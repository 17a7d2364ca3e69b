"""What the numbers of an image tensor stand for."""

from __future__ import annotations

import numpy as np
import pytest

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.tflite import Quantization, recipe, with_metadata
from ecbsr_mobile.tflite.image_io import ImageIO, image_io
from ecbsr_mobile.tflite.value_range import METADATA
from tests.helpers import upscalers
from tests.helpers.tflite_models import GraphBuilder, plain_network

BLACK_GRAY_WHITE = np.array([0, 51, 255], np.float32)[None, :, None] / np.float32(255)


@pytest.mark.parametrize(
    ("dtype", "scale", "stored"),
    [
        ("uint8", (1 / 255, 0), [0, 51, 255]),
        ("uint8", (1.0, 0), [0, 51, 255]),
        ("uint8", None, [0, 51, 255]),
        ("int8", (1 / 255, -128), [-128, -77, 127]),
        ("int8", (1.0, -128), [-128, -77, 127]),
        ("int8", (1.0, 0), [-128, -77, 127]),
        ("int8", None, [-128, -77, 127]),
        ("uint8", (1 / 127.5, 128), [0, 52, 255]),  # [-1, 1]: 0 is exact, 51 is between two values
        ("uint8", (0.0187, 114), [0, 51, 255]),  # a mean and deviation of pixels
        ("uint8", (1 / 255, 115), [0, 51, 255]),  # a mean, and no deviation
        ("int8", (255 / 127, 0), [0, 25, 127]),  # symmetric
        ("int16", (1 / 32767, 0), [0, 6553, 32767]),
        ("int16", (255 / 32767, 0), [0, 6553, 32767]),
        ("int16", (1 / 255, 0), [0, 51, 255]),
        ("int16", None, [0, 51, 255]),
        ("int32", None, [0, 51, 255]),
    ],
)
def test_an_integer_input_says_by_itself_what_it_stands_for(
    dtype: str, scale: tuple[float, int] | None, stored: list[int]
) -> None:
    make = GraphBuilder(dtype, scale or (1.0, 0))
    image = make.input((1, 1, 3, 1), scale)
    if scale is None:
        make.tensors[image] = make.tensors[image].__class__("image", (1, 1, 3, 1), np.dtype(dtype))
    io = image_io(make.graph(image))
    np.testing.assert_allclose(io.input.store(BLACK_GRAY_WHITE).ravel(), stored, atol=1)
    np.testing.assert_allclose(io.input.load(io.input.store(BLACK_GRAY_WHITE)), BLACK_GRAY_WHITE, atol=0.006)


@pytest.mark.parametrize(
    ("dtype", "scale", "stored"),
    [
        ("uint8", (0.84 / 255, 0), [0, 61, 255]),
        ("int8", (215 / 255, -128), [-128, -68, 127]),
        ("uint8", (1.69 / 255, 151), [0, 60, 255]),  # in [-1, 1]
    ],
)
def test_an_input_that_was_calibrated_without_white_saturates(
    dtype: str, scale: tuple[float, int], stored: list[int]
) -> None:
    make = GraphBuilder(dtype, scale)
    io = image_io(make.graph(make.input((1, 1, 3, 1))))
    np.testing.assert_allclose(io.input.store(BLACK_GRAY_WHITE).ravel(), stored, atol=1)


@pytest.mark.parametrize(
    ("dtype", "scale", "ranges"),
    [
        ("uint8", (1 / 255, 0), ["[0, 1]"]),
        ("uint8", (1.0, 0), ["[0, 255]"]),
        ("uint8", (0.0187, 114), ["[-2.1179/-2.03571/-1.80444, 2.24891/2.42857/2.64]", "[-2.1318, 2.6367]"]),
        ("uint8", (0.03, 114), ["[-3.42, 4.23]"]),
        ("uint8", (0.84 / 255, 0), ["[0, 1]", "[0, 0.84]"]),
        ("int8", (1 / 127, 0), ["[-1, 1]", "[0, 1]"]),
        ("int16", (1 / 32767, 0), ["[0, 1]", "[-1, 1]"]),
    ],
)
def test_what_a_quantization_leaves_open_is_tried(dtype: str, scale: tuple[float, int], ranges: list[str]) -> None:
    image = image_io(upscalers.quantized_resize(dtype, scale)).input
    assert [str(values) for values in (image.values, *image.others)] == ranges
    assert image.recorded == (len(ranges) == 1)


@pytest.mark.parametrize(
    ("scale", "white"),
    [((1.0024, 0), 255), ((1.2, 60), 255), ((1.05 / 255, 5), 1), ((1.6 / 255, 60), 1), ((1.65, 83), 255)],
)
def test_an_output_may_end_beyond_white(scale: tuple[float, int], white: float) -> None:
    make = GraphBuilder("uint8", scale)
    graph = make.graph(make.unary("RELU", make.input((1, 4, 4, 3), (1.0, 0))))
    assert image_io(graph).output.values.white == (white,)


def test_an_output_that_reaches_beyond_the_input_can_have_its_range() -> None:
    make = GraphBuilder("int8", (0.0227, -22))
    io = image_io(make.graph(make.unary("RELU", make.input((1, 4, 4, 3), (0.01866, -14)))))
    assert io.input.values in io.output.others


def float_graph(**metadata: bytes) -> tflite.Graph:
    graph = plain_network(size=(8, 8))
    for name, data in metadata.items():
        graph = with_metadata(graph, name, data)
    return graph


def values(io: ImageIO) -> tuple[tuple[float, float], tuple[float, float]]:
    first, second = ((t.values.black[0], t.values.white[0]) for t in (io.input, io.output))
    return first, second


@pytest.mark.parametrize(
    ("mean", "std", "result", "expected"),
    [
        ([0.0], [255.0], None, ((0, 1), (0, 1))),
        ([0.0], [1.0], None, ((0, 255), (0, 255))),
        ([127.5], [127.5], None, ((-1, 1), (-1, 1))),
        ([127.5], [127.5], (127.5, 127.5), ((-1, 1), (-1, 1))),
        ([0.0], [1.0], (0.0, 1 / 255), ((0, 255), (0, 1))),
        ([0.0], [255.0], (0.0, 1.0), ((0, 1), (0, 255))),
    ],
)
def test_a_float_range_is_what_the_metadata_records(
    mean: list[float], std: list[float], result: tuple[float, float] | None, expected: object
) -> None:
    io = image_io(float_graph(**{METADATA: upscalers.normalization(mean, std, result)}))
    assert np.allclose(values(io), np.array(expected))
    assert io.input.recorded and "-0" not in str(io.input.values)


def test_each_color_can_have_its_own_mean() -> None:
    data = upscalers.normalization([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
    graph = with_metadata(plain_network(size=(8, 8), colors=3), METADATA, data)
    pixels = np.full((8, 8, 3), 200, np.float32)
    stored = image_io(graph).input.store(pixels / 255)
    np.testing.assert_allclose(
        stored[0, 0, 0], (200 - np.array([123.675, 116.28, 103.53])) / [58.395, 57.12, 57.375], rtol=1e-5
    )


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 40, bytes(40), upscalers.normalization([0.0], [0.0]), b"\x10\0\0\0M001" + b"\x01" * 30]
)
def test_damaged_metadata_records_nothing(data: bytes) -> None:
    io = image_io(float_graph(**{METADATA: data}))
    assert values(io) == ((0, 1), (0, 1))
    assert not io.input.recorded


def test_the_recipe_comes_first_and_a_nan_in_it_records_nothing() -> None:
    signed = upscalers.normalization([127.5], [127.5])
    recorded = recipe.write(float_graph(**{METADATA: signed}), {"range": [0, 255]})
    assert values(image_io(recorded)) == ((0, 255), (0, 255))
    for text in (b'{"range": [0, NaN]}', b'{"range": "wide"}', b'{"range": [1, 0]}'):
        assert values(image_io(float_graph(**{recipe.NAME: text, METADATA: b""}))) == ((0, 1), (0, 1))


def test_a_given_range_must_not_contradict_the_file() -> None:
    assert values(image_io(float_graph(), 255)) == ((0, 255), (0, 255))
    recorded = recipe.write(float_graph(), {"range": [0, 1]})
    assert image_io(recorded, 1).input.recorded
    with pytest.raises(UsageError, match=r"records values in \[0, 1\]: leave out the range 255"):
        image_io(recorded, 255)
    with pytest.raises(UsageError, match=r"\[0, 1\]: leave out the range 255"):
        image_io(plain_network("int8"), 255)
    symmetric = upscalers.quantized_resize("int8", (1 / 127, 0))
    assert values(image_io(symmetric, 1)) == ((0, 1), (0, 1))
    with pytest.raises(UsageError, match=r"\[-1, 1\]: leave out the range 255"):
        image_io(symmetric, 255)
    mixed = image_io(upscalers.mixed_ends("uint8", "float32", (1.0, 0)), 1)
    assert values(mixed) == ((0, 255), (0, 1))


@pytest.mark.parametrize(
    ("shape", "result", "channels_first"),
    [
        ((1, 3, 32, 48), (1, 3, 64, 96), True),
        ((1, 1, 32, 48), (1, 1, 64, 96), True),
        ((1, 32, 48, 1), (1, 64, 96, 1), False),
        ((1, 1, 48, 1), (1, 2, 96, 1), False),
        ((1, 3, 100, 3), (1, 3, 200, 6), True),
        ((1, 3, 100, 3), (1, 6, 200, 3), False),
    ],
)
def test_the_layout_follows_from_the_shapes(
    shape: tuple[int, ...], result: tuple[int, ...], channels_first: bool
) -> None:
    make = GraphBuilder()
    graph = make.graph(make.node("Foreign", [make.input(shape)], result, custom=True))
    assert tflite.is_channels_first(graph) == tflite.is_channels_first(graph, "output") == channels_first
    height, width, colors = tflite.image_shape(graph)
    assert sorted((height, width, colors)) == sorted(shape[1:])
    assert colors == shape[1 if channels_first else 3]


@pytest.mark.parametrize(
    ("scales", "message"), [([0.1, 0.2, 0.3], "a scale for each channel"), ([np.nan], "quantization scale nan")]
)
def test_an_image_with_a_damaged_scale_is_refused(scales: list[float], message: str) -> None:
    graph = plain_network("int8", colors=3)
    tensors = list(graph.tensors)
    broken = Quantization(np.float32(scales), np.zeros(len(scales), np.int64), 3)
    tensors[graph.inputs[0]] = tflite.Tensor("image", tensors[graph.inputs[0]].shape, np.dtype(np.int8), None, broken)
    with pytest.raises(EcbsrError, match=message):
        image_io(tflite.Graph(tuple(tensors), graph.nodes, graph.inputs, graph.outputs))
