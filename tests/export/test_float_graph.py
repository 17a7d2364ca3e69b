from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from ecbsr_mobile import Picture, images, tflite, zoo
from ecbsr_mobile.architecture import Architecture
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.network import PlainNet
from ecbsr_mobile.tflite import recipe
from export import Exported, ExportOptions
from export.convert import onnx_to_tflite
from export.convert.direct import direct_graph
from export.convert.onnx_builder import onnx_model
from export.pipeline import export
from tests.helpers import networks
from tests.helpers.networks import SHAPES, net, random_net, use_graph

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:the network gives")]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> ExportOptions:
    """A quick export: one small file of each precision, from one small picture, whatever it loses."""
    folder = tmp_path_factory.mktemp("pictures")
    images.write(Picture(images.read(zoo.pictures()[0]).rgb()[:64, :96]), folder / "crop.png")
    return ExportOptions(
        precisions=["fp32", "fp16", "int8"], sizes=["40x30"], finetune=0, max_drop=100, calibration=folder
    )


def check_files(plain: PlainNet, exported: Exported) -> None:
    """Compare each file's result with onnxruntime's."""
    from ai_edge_litert.interpreter import Interpreter

    session = onnxruntime.InferenceSession(onnx_model(plain).SerializeToString())
    colors = plain.architecture.colors
    pixels = np.random.default_rng(0).integers(0, 256, (1, 30, 40, colors), np.uint8)
    image = pixels.astype(np.float32) / 255
    expected = session.run(None, {"image": image.transpose(0, 3, 1, 2)})[0].transpose(0, 2, 3, 1)
    for file in exported.files:
        runner = Interpreter(str(file.path)).get_signature_runner("serving_default")
        if file.precision == "int8":
            result = (runner(image=(pixels ^ 0x80).view(np.int8))["upscaled"].view(np.uint8) ^ 0x80) / 255.0
            assert np.sqrt(np.mean((result - np.clip(expected, 0, 1)) ** 2)) < 10 / 255  # noise, not calibrated on
        else:
            error = np.abs(runner(image=image)["upscaled"] - expected).max()
            assert error < {"fp32": 1e-5, "fp16": 1e-2}[file.precision] * max(1, np.abs(expected).max())


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ("m10c32", "cpu"),
        ("m10c32", "npu"),
        ("m16c64", "cpu"),
        ("channels 1", "cpu"),
        ("channels of the kernel and the image", "gpu"),
        ("channels of the output", "nnapi"),
        ("channels of a side", "npu"),
        ("channels of the check's height", "cpu"),
        ("no blocks", "gpu"),
        ("odd", "cpu"),
        ("no residual", "cpu"),
    ],
)
def test_every_shape_is_exported(shape, target, options, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = random_net(SHAPES[shape])
    use_graph(monkeypatch, networks.converted(plain))
    exported = export(plain, tmp_path, options, target=target)
    check_files(plain, exported)
    for file in exported.files:
        assert recipe.read(tflite.read(file.path))["converter"] == "onnx2tf"


def wrong(graph: tflite.Graph, kind: str) -> tflite.Graph:
    """A graph with an error that converters have made."""
    tensors = list(graph.tensors)
    last = next(node for node in graph.nodes if node.outputs[0] == graph.nodes[-2].inputs[0])
    if kind == "a bias":
        bias = tensors[last.inputs[2]]
        tensors[last.inputs[2]] = replace(bias, data=bias.data + np.float32(1e-3))
    elif kind == "the order of sub-pixels":
        for index in last.inputs[1:]:
            tensors[index] = replace(tensors[index], data=np.ascontiguousarray(tensors[index].data[::-1]))
    elif kind == "not a number":
        tensors[last.inputs[2]] = replace(tensors[last.inputs[2]], data=np.full(4, np.nan, np.float32))
    elif kind == "no shuffle":
        return replace(graph, nodes=graph.nodes[:-1], outputs=graph.nodes[-1].inputs[:1], signature=None)
    elif kind == "a transpose of the shuffle":  # onnx2tf 1.29.17 to 2.6.9
        permutation = tflite.Tensor("order", (4,), np.dtype(np.int32), np.array([0, 2, 1, 3], np.int32))
        result = replace(tensors[graph.outputs[0]], name="turned")
        tensors += [permutation, result]
        turn = tflite.Node("TRANSPOSE", (graph.outputs[0], len(tensors) - 2), (len(tensors) - 1,))
        return replace(graph, tensors=tuple(tensors), nodes=(*graph.nodes, turn), outputs=turn.outputs, signature=None)
    return replace(graph, tensors=tuple(tensors))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("a bias", "onnx2tf's graph is .+ from onnxruntime's result, more than 1e-05"),
        ("the order of sub-pixels", "onnx2tf's graph is .+ from onnxruntime's result"),
        ("not a number", "onnx2tf's graph is nan from onnxruntime's result"),
        (
            "no shuffle",
            "onnx2tf wrote 1 ADD, 5 CONV_2D, 3 PRELU instead of .+, 1 DEPTH_TO_SPACE, 3 PRELU",
        ),
        ("a transpose of the shuffle", "onnx2tf wrote .+ 1 TRANSPOSE instead of"),
    ],
)
def test_a_wrong_conversion_is_replaced(kind, reason, options, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = net(1, 2, "prelu")
    use_graph(monkeypatch, wrong(networks.graph(1, 2, "prelu"), kind))
    with pytest.warns(UserWarning, match=f"{reason}.*; the graph was built directly instead"):
        exported = export(plain, tmp_path, options)
    check_files(plain, exported)
    for file in exported.files:
        entry = recipe.read(tflite.read(file.path))
        assert entry["converter"] == "direct"
        assert re.match(reason, entry["converter_failure"])


def test_a_converter_that_dies_or_hangs_is_replaced(options, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = net(1, 2, "prelu")
    use_graph(monkeypatch, networks.graph(1, 2, "prelu"))
    expected = export(plain, tmp_path / "converted", options)
    monkeypatch.undo()
    monkeypatch.setattr(onnx_to_tflite, "TIMEOUT_SECONDS", 0.01)
    with pytest.warns(UserWarning, match="did not end within 0.01 s; the graph was built directly instead"):
        exported = export(plain, tmp_path / "hung", options)
    for one, other in zip(expected.files, exported.files, strict=True):
        assert (one.operators, one.loss, one.max_abs_error) == (other.operators, other.loss, other.max_abs_error)
    monkeypatch.setattr(onnx_to_tflite, "WORKER", "no.such.module")
    monkeypatch.setattr(onnx_to_tflite, "TIMEOUT_SECONDS", 600)
    with pytest.warns(UserWarning, match="could not convert the model: .*no.*; the graph was built directly instead"):
        check_files(plain, export(plain, tmp_path / "dead", options, precisions=["fp32"], finetune=None))


def test_right_values_of_other_operators_are_replaced(options, tmp_path: Path) -> None:
    """onnx2tf and TensorFlow write PReLU with slopes of -1 as NEG, RELU and ADD, which int8 would not know."""
    plain = deepcopy(random_net(Architecture(0, 8, 2, 1)))
    plain.acts[0].weight.data = torch.full((8,), -1.0)
    with pytest.warns(UserWarning, match="onnx2tf wrote .*1 NEG.* instead of"):
        exported = export(plain, tmp_path, options)
    check_files(plain, exported)
    assert exported.files[0].operators == {"CONV_2D": 3, "PRELU": 1, "ADD": 1, "DEPTH_TO_SPACE": 1}


def test_a_network_that_overflows_is_refused_as_that(options, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = deepcopy(random_net(Architecture(0, 8, 2, 1)))
    for conv in plain.convolutions:
        conv.weight.data *= 1e25
    use_graph(monkeypatch, direct_graph(plain, networks.SIZE))
    with pytest.raises(EcbsrError, match="ecbsr-m0c8-x2 gives infinities or NaN"):
        export(plain, tmp_path / "out", options)
    assert not list(tmp_path.iterdir())
