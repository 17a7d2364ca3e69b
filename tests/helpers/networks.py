"""Small networks with every kind of slope, and their float TFLite graphs."""

from __future__ import annotations

import math
import subprocess
import sys
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
from export.convert.names import with_our_names
from export.convert.onnx_builder import onnx_model
from export.convert.onnx_to_tflite import conversion_size
from export.quantize.quantizer import activation_indices
from export.validation.quality import CHECK_SIZE
from tests.helpers.paths import ROOT
from tests.helpers.shared import made_once

# None is a round number: products with those often lie halfway between two integers, which runtimes round differently.
SLOPES = (-0.47, 0.0, 1.0, 1.7, 0.24, -1.31, 0.87, 3.0)
SIZE = CHECK_SIZE

CASES = [  # (colors, scale, activation, decomposition)
    (1, 2, "prelu", "single"),
    (1, 2, "prelu", "native"),
    (3, 3, "leaky", "single"),
    (3, 3, "leaky", "native"),
    (3, 4, "relu", "single"),
]
"""Networks whose PReLU is written from the float graph alone; "double" also needs the ranges of channels."""


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
        plain = net(colors, scale, activation)
        with onnx_to_tflite.converter() as converter:
            converted = converter.float_graph(onnx_model(plain, conversion_size(plain.architecture)))
        path.write_bytes(tflite.write(tflite.at_size(converted, *SIZE)))

    return tflite.read(made_once(f"{colors}-{scale}-{activation}.tflite", convert))


SHAPES = {  # of each kind that a converter may mistake, and the paper's; few, for each is converted
    "m10c32": Architecture(10, 32, 2, 1),
    "m16c64": Architecture(16, 64, 2, 1),
    "channels 1": Architecture(1, 1, 3, 3),
    "channels of the kernel and the image": Architecture(1, 3, 2, 3),
    "channels of the output": Architecture(0, 27, 3, 3, "relu"),
    "channels of a side": Architecture(1, 53, 2, 1),
    "channels of the other side": Architecture(0, 41, 4, 3),
    "channels of a side that is not chosen": Architecture(0, 37, 2, 1),
    "channels of the result's height": Architecture(0, 82, 2, 1),
    "channels of the check's height": Architecture(1, 32, 4, 3, "leaky"),
    "no blocks": Architecture(0, 16, 3, 1, "leaky"),
    "odd": Architecture(2, 11, 3, 1),
    "no residual": Architecture(1, 12, 2, 3, residual=False),
}
"""Architectures by what is remarkable about them."""


@cache
def random_net(architecture: Architecture) -> PlainNet:
    """A plain network of random weights, with slopes below 0 and above 1."""
    generator = torch.Generator().manual_seed(architecture.multiplications)
    plain = PlainNet(architecture).requires_grad_(False).eval()
    for name, value in plain.state_dict().items():
        if name.startswith("acts."):
            value.copy_(torch.rand(value.shape, generator=generator) * 2.2 - 0.7)
        else:
            bound = 1 / math.sqrt(9 * (value.shape[1] if value.ndim == 4 else architecture.channels))
            value.copy_((torch.rand(value.shape, generator=generator) * 2 - 1) * bound)
    return plain


def converted(plain: PlainNet) -> Graph:
    """The graph of a `random_net` of `SHAPES` from onnx2tf; all are converted once, in one process."""

    def convert(folder: Path) -> None:
        folder.mkdir()
        for shape in SHAPES.values():
            model = onnx_model(random_net(shape), conversion_size(shape))
            (folder / f"{shape.name}.onnx").write_bytes(model.SerializeToString())
        subprocess.run([sys.executable, "-c", _CONVERT_ALL, str(ROOT)], cwd=folder, check=True, capture_output=True)

    return with_our_names(tflite.read(made_once("converted", convert) / f"{plain.name}.tflite"))


_CONVERT_ALL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import tf_keras
from export.convert import onnx2tf_worker as worker
sys.addaudithook(worker.refuse_network)
for model in sorted(Path().glob("*.onnx")):
    tf_keras.backend.clear_session()  # each as if it were the first: layers are numbered, and ordered by their names
    model.with_suffix(".tflite").write_bytes(worker.convert(model.read_bytes(), Path()))
"""


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
