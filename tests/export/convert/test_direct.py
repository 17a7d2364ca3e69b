from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from ecbsr_mobile import tflite
from ecbsr_mobile.architecture import ACTIVATIONS, SCALES, Architecture
from ecbsr_mobile.network import PlainNet
from export.convert.direct import direct_graph
from export.convert.onnx_builder import onnx_model
from export.validation import quality
from tests.helpers import networks
from tests.helpers.networks import SHAPES, random_net


def error_over_tolerance(plain: PlainNet, size: tuple[int, int] = (13, 9)) -> float:
    """The largest error of the direct graph against onnxruntime, as a share of what is allowed."""
    image = np.random.default_rng(0).random((size[1], size[0], plain.architecture.colors), np.float32)
    reference = quality.Reference(onnx_model(plain), plain.architecture.radius)
    error, tolerance = quality.float_error(tflite.write(direct_graph(plain, size)), reference, image)
    return error / tolerance


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_number_of_channels_gives_the_result_of_onnxruntime(activation) -> None:
    for channels in range(1, 129):
        shape = Architecture(channels % 2, channels, SCALES[channels % 3], (1, 3)[channels // 3 % 2], activation)
        assert error_over_tolerance(random_net(shape)) < 1, shape


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_direct_graph_is_the_converted_one(shape: Architecture) -> None:
    plain = random_net(shape)
    converted = networks.converted(plain)
    direct = direct_graph(plain, tflite.input_size(converted))
    assert described(direct) == described(converted)


def described(graph: tflite.Graph) -> list[object]:
    """All that a graph says, whatever the order of its tensors."""

    def tensor(index: int) -> object:
        t = graph.tensors[index]
        return t.name, t.shape, t.dtype, t.signature, t.quantization, None if t.data is None else t.data.tolist()

    nodes = [
        (node.operator, node.version, type(node.options).__name__, vars(node.options) if node.options else None,
         [tensor(index) for index in (*node.inputs, *node.outputs)])
        for node in graph.nodes
    ]  # fmt: skip
    ends = [tensor(index) for index in (*graph.inputs, *graph.outputs)]
    signature = graph.signature
    assert signature is not None
    names = [(name, tensor(index)) for name, index in (signature.inputs | signature.outputs).items()]
    return [nodes, ends, signature.key, names, graph.metadata, graph.description, graph.subgraphs]


@pytest.mark.parametrize("blocks", [0, 24])
def test_the_fewest_and_the_most_blocks_and_channels(blocks) -> None:
    for channels in (1, 128):
        assert error_over_tolerance(random_net(Architecture(blocks, channels, 4, 3))) < 1


@pytest.mark.parametrize("slope", [-1.0, -0.0, 1.0, 1.5, 20.0, 1e-30])
@pytest.mark.parametrize("activation", ["prelu", "leaky"])
def test_slopes_that_other_operators_could_stand_for(activation, slope) -> None:
    plain = deepcopy(random_net(Architecture(1, 6, 2, 1, activation)))
    for act in plain.acts:
        act.weight.data = torch.full_like(act.weight.data, slope)
    graph = direct_graph(plain, (13, 9))
    assert tflite.operators(graph)[{"prelu": "PRELU", "leaky": "LEAKY_RELU"}[activation]] == 2
    assert error_over_tolerance(plain) < 1


def test_a_graph_keeps_its_values_when_the_network_is_changed() -> None:
    plain = PlainNet(Architecture(1, 4, 2, 3))
    graph = direct_graph(plain, (13, 9))
    before = tflite.write(graph)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.zero_()
    assert tflite.write(graph) == before
