"""Networks with every kind of slope and their float TFLite graphs; each is converted once in a run of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import torch

from ecbsr_mobile.network import Activation, Architecture, PlainNet
from export.convert import onnx2tf_worker
from export.convert.onnx_builder import onnx_model
from export.tflite import Graph
from export.validation.sample_images import CONVERSION_SIZE

# None of them round: half a step, which such slopes make often, is rounded either way.
SLOPES = (-0.47, 0.0, 1.0, 1.7, 0.24, -1.31, 0.87, 3.0)
SIZE = CONVERSION_SIZE

CASES = [  # (colors, scale, activation, target)
    (1, 2, "prelu", "cpu"),
    (1, 2, "prelu", "npu"),
    (3, 3, "leaky", "cpu"),
    (3, 3, "leaky", "npu"),
    (3, 4, "relu", "cpu"),
]


@cache
def net(colors: int, scale: int, activation: Activation, seed: int = 0) -> PlainNet:
    """A small plain network of random weights, with slopes below 0, at 0 and 1, and above 1."""
    torch.manual_seed(seed)
    plain = PlainNet(Architecture(2, len(SLOPES), scale, colors, activation))
    for number, act in enumerate(plain.acts):
        if activation == "prelu":
            act.weight.data = torch.tensor(SLOPES).roll(number)
        elif activation == "leaky":
            act.weight.data = torch.tensor([0.3 - 0.2 * number])
    return plain.requires_grad_(False).eval()


@cache
def graph(colors: int, scale: int, activation: Activation) -> Graph:
    """The network's float graph, as onnx2tf and TensorFlow make it."""
    with onnx2tf_worker.converter() as converter:
        return converter.float_graph(onnx_model(net(colors, scale, activation), SIZE))


def use_graph(monkeypatch: pytest.MonkeyPatch, graph: Graph) -> None:
    """A converter that gives this graph."""

    class Ready:
        def float_graph(self, _model: object) -> Graph:
            return graph

    @contextmanager
    def converter() -> Iterator[Ready]:
        yield Ready()

    monkeypatch.setattr(onnx2tf_worker, "converter", converter)
