"""Small networks with every kind of slope, and their float TFLite graphs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ecbsr_mobile import tflite
from ecbsr_mobile.architecture import Activation, Architecture
from ecbsr_mobile.network import PlainNet
from ecbsr_mobile.tflite import Graph, interpreter
from export.convert import onnx_to_tflite
from export.convert.onnx_builder import onnx_model
from export.convert.onnx_to_tflite import CONVERSION_SIZE
from export.quantize.quantizer import activation_indices
from tests.helpers.shared import made_once

# None is a round number: products with those often lie halfway between two integers, which runtimes round differently.
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
    """The network's float graph, converted by onnx2tf and TensorFlow once in a run of the tests."""

    def convert(path: Path) -> None:
        with onnx_to_tflite.converter() as converter:
            path.write_bytes(tflite.write(converter.float_graph(onnx_model(net(colors, scale, activation), SIZE))))

    return tflite.read(made_once(f"{colors}-{scale}-{activation}.tflite", convert))


def use_graph(monkeypatch: pytest.MonkeyPatch, graph: Graph) -> None:
    """Let `export` take this graph as the result of every conversion."""

    class Ready:
        def float_graph(self, _model: object) -> Graph:
            return graph

    @contextmanager
    def converter() -> Iterator[Ready]:
        yield Ready()

    monkeypatch.setattr(onnx_to_tflite, "converter", converter)


def photo(colors: int, height: int = 40, width: int = 56) -> np.ndarray:
    """A smooth image with edges [height, width, colors], of multiples of 1/255 in [0, 1]."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    planes = [np.sin(x / (5 + c)) * np.cos(y / 7) * 0.3 + 0.5 * (x > 20 + 3 * c) for c in range(colors)]
    return np.round(np.clip(np.stack(planes, axis=-1) + 0.2, 0, 1) * 255).astype(np.float32) / np.float32(255)


def observed_ranges(graph: Graph, image: np.ndarray) -> dict[str, tuple[float, float]]:
    """The minimum and maximum of each activation for an image, by tensor name."""
    indices = activation_indices(graph)
    values = interpreter.activations(graph, image, indices)
    return {
        graph.tensors[index].name: (float(value.min()), float(value.max()))
        for index, value in zip(indices, values, strict=True)
    }
