"""The end of an int8 network for four pixels at a time, against the same network without it, in LiteRT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecbsr_mobile import zoo
from ecbsr_mobile.tflite import Graph, Node, at_size, read, write
from ecbsr_mobile.tflite.four_pixels import with_four_pixels, without_four_pixels
from ecbsr_mobile.tflite.receptive_field import receptive_field
from tests.helpers.litert import interpreter, run
from tests.helpers.tflite_models import plain_network

LUMA_X2 = [name for name in zoo.names() if name.endswith("-x2") and "rgb" not in name]


def _plain(graph: Graph) -> Graph:
    return without_four_pixels(graph) or graph


def _assert_same(graph: Graph, expected: Graph) -> None:
    """The same nodes with the same constants, and the same result."""
    for node, other in zip(graph.nodes, expected.nodes, strict=True):
        assert node.operator == other.operator
        assert node.options is None or vars(node.options) == vars(other.options)
        for index, other_index in zip(node.inputs, other.inputs, strict=True):
            np.testing.assert_array_equal(graph.tensors[index].data, expected.tensors[other_index].data)
    np.testing.assert_array_equal(run(write(graph)), run(write(expected)))


@pytest.mark.parametrize("size", [(48, 32), (34, 50), (2, 2)])
@pytest.mark.parametrize("name", LUMA_X2)
def test_the_bytes_are_equal(name: str, size: tuple[int, int]) -> None:
    plain = at_size(_plain(read(zoo.tflite(name, "int8"))), *size)
    four = with_four_pixels(plain)
    assert [node.operator for node in four.nodes] == [node.operator for node in plain.nodes]
    assert four.nodes[-1].options.blockSize == 4
    np.testing.assert_array_equal(run(write(four)), run(write(plain)))


@pytest.mark.parametrize("activation", ["prelu", "relu", "leaky"])
def test_a_network_with_random_weights(activation: str) -> None:
    """XNNPACK and the built-in kernels, which do not agree with each other, agree with themselves."""
    plain = plain_network("int8", size=(26, 14), activation=activation)
    four = with_four_pixels(plain)
    np.testing.assert_array_equal(run(write(four)), run(write(plain)))


def test_it_can_be_undone() -> None:
    plain = plain_network("int8", size=(26, 14))
    undone = without_four_pixels(with_four_pixels(plain))
    assert undone is not None
    _assert_same(undone, plain)


def test_a_file_runs_at_sizes_with_odd_sides() -> None:
    plain = plain_network("int8", size=(26, 14))
    four = read(write(with_four_pixels(plain)))
    for size in ((25, 14), (26, 13), (7, 5)):
        _assert_same(at_size(four, *size), at_size(plain, *size))
    _assert_same(at_size(four, 8, 6), with_four_pixels(at_size(plain, 8, 6)))


def test_tiles_may_start_at_any_pixel() -> None:
    plain = plain_network("int8", size=(26, 14), blocks=2)
    assert receptive_field(with_four_pixels(plain)) == receptive_field(plain) == (4, 1)


@pytest.mark.parametrize(
    "graph",
    [
        plain_network("int8", scale=3),
        plain_network("int8", scale=4),
        plain_network("int8", colors=3),
        plain_network("float32"),
        plain_network("int8", size=(21, 12)),
        plain_network("int8", size=(20, 13)),
    ],
    ids=["x3", "x4", "RGB", "float", "odd width", "odd height"],
)
def test_others_stay_as_they_are(graph: Graph) -> None:
    assert with_four_pixels(graph) is graph
    assert without_four_pixels(graph) is None


def test_another_convolution_of_stride_2_stays() -> None:
    """Its kernel has other values where ours has zeros, so its result depends on where 2x2 pixels begin."""
    four = with_four_pixels(plain_network("int8", size=(26, 14)))
    number = next(n for n, node in enumerate(four.nodes) if node.operator == "CONV_2D" and node.options.strideH == 2)
    weight = four.nodes[number].inputs[1]
    data = four.tensors[weight].data
    assert data is not None
    changed = data.copy()
    changed[changed == 0] = 1
    tensors = list(four.tensors)
    tensors[weight] = replace(tensors[weight], data=changed)
    assert without_four_pixels(replace(four, tensors=tuple(tensors))) is None


@pytest.mark.parametrize("inputs", [(0,), (0, -1, -1), (0, 1)])
def test_a_damaged_convolution_stays(inputs: tuple[int, ...]) -> None:
    graph = plain_network("int8", size=(26, 14))
    nodes = [replace(node, inputs=inputs) if node.operator == "CONV_2D" else node for node in graph.nodes]
    damaged = replace(graph, nodes=tuple(nodes))
    assert with_four_pixels(damaged) is damaged
    without = replace(graph, nodes=(*graph.nodes[:-1], Node("DEPTH_TO_SPACE", graph.nodes[-1].inputs, graph.outputs)))
    assert with_four_pixels(without) is without


def test_xnnpack_runs_it_in_one_piece() -> None:
    """LiteRT with its default delegate, which the other tests leave out."""
    from ai_edge_litert.interpreter import Interpreter

    plain = at_size(_plain(read(zoo.tflite("ecbsr-m4c8-x2", "int8"))), 48, 32)
    image = np.random.default_rng(0).integers(-128, 128, (1, 32, 48, 1)).astype(np.int8)
    results = []
    for graph in (plain, with_four_pixels(plain)):
        runner = Interpreter(model_content=write(graph), num_threads=1)
        runner.allocate_tensors()
        runner.set_tensor(runner.get_input_details()[0]["index"], image)
        runner.invoke()
        results.append(runner.get_tensor(runner.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(*results)
    assert interpreter(write(with_four_pixels(plain))).get_output_details()[0]["shape"].tolist() == [1, 64, 96, 1]
