from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import onnxruntime
import psutil
import pytest

from ecbsr_mobile import tflite
from ecbsr_mobile.architecture import COLORS, SCALES, Architecture
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import interpreter
from ecbsr_mobile.utils import guard
from export.convert import onnx_to_tflite
from export.convert.onnx_builder import onnx_model
from tests.helpers.networks import SIZE, graph, net
from tests.helpers.paths import ROOT

CASES = [(1, 2, "prelu"), (3, 3, "leaky"), (3, 4, "relu")]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_float_graph_gives_the_result_of_onnxruntime(case, random) -> None:
    float_graph = graph(*case)
    session = onnxruntime.InferenceSession(onnx_model(net(*case)).SerializeToString())
    for width, height in (SIZE, (31, 7), (1, 1), (2, 45)):
        image = random.random((height, width, case[0]), np.float32)
        expected = session.run(None, {"image": image.transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)
        result = interpreter.run(float_graph, image)
        assert result.shape == expected.shape
        assert np.abs(result - expected).max() < 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_float_graph_has_only_portable_operators(case) -> None:
    float_graph = graph(*case)
    acts = {"prelu": {"PRELU"}, "leaky": {"LEAKY_RELU"}, "relu": set()}[case[2]]
    assert set(tflite.operators(float_graph)) == {"CONV_2D", "ADD", "DEPTH_TO_SPACE"} | acts
    assert max(len(tensor.shape) for tensor in float_graph.tensors) == 4
    (image,), (upscaled,) = float_graph.inputs, float_graph.outputs
    assert (float_graph.tensors[image].name, float_graph.tensors[upscaled].name) == ("image", "upscaled")
    assert float_graph.signature == ("serving_default", {"image": image}, {"upscaled": upscaled})


@pytest.mark.slow
def test_the_float_graph_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnx2tf reads docstrings, which PYTHONOPTIMIZE=2 removes."""
    network, expected = net(*CASES[0]), graph(*CASES[0])
    for name, value in (("PYTHONOPTIMIZE", "2"), ("PYTHONWARNINGS", "error"), ("KERAS_BACKEND", "torch")):
        monkeypatch.setenv(name, value)
    with onnx_to_tflite.converter() as converter:
        converted = converter.float_graph(onnx_model(network, onnx_to_tflite.conversion_size(network.architecture)))
    assert tflite.write(tflite.at_size(converted, *SIZE)) == tflite.write(expected)


def test_no_side_of_a_conversion_is_a_number_of_channels() -> None:
    for channels, scale, colors in product(range(1, 257), SCALES, COLORS):
        sides = onnx_to_tflite.conversion_size(Architecture(4, channels, scale, colors))
        assert len({*sides, channels, 1, 3}) == len({channels, 1, 3}) + 2
        assert colors * scale**2 not in sides and max(sides) < 64


@pytest.mark.slow
def test_a_model_that_cannot_be_converted_is_reported_in_one_sentence() -> None:
    model = onnx_model(net(1, 2, "relu"), SIZE)
    model.graph.node[0].op_type = "NoSuchOperator"
    with (
        onnx_to_tflite.converter() as converter,
        pytest.raises(EcbsrError, match=r"could not convert .+: .+") as raised,
    ):
        converter.float_graph(model)
    assert "\n" not in str(raised.value)


def test_an_interrupt_leaves_no_process_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with guard.path(tmp_path / "none"):
        pass  # starts the guard, which stays
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(KeyboardInterrupt), onnx_to_tflite.converter():
        started = {child.pid for child in psutil.Process().children(recursive=True)} - before
        assert started
        assert list(tmp_path.iterdir())
        raise KeyboardInterrupt
    assert not any(psutil.pid_exists(pid) for pid in started)
    assert not list(tmp_path.iterdir())


def test_the_converter_cannot_reach_the_network() -> None:
    code = (
        "import sys, urllib.request\nfrom export.convert import onnx2tf_worker\n"
        "sys.addaudithook(onnx2tf_worker.refuse_network)\n"
        "try:\n    urllib.request.urlopen('http://127.0.0.1:9/')\nexcept OSError as error:\n    print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "does not need" in result.stdout
