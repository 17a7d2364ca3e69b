"""Pixels in and out of a model that runs in a process of its own."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Quantization, Tensor, interpreter, isolated, write
from ecbsr_mobile.utils.subprocess_runner import Canceled
from tests.helpers.tflite_models import GraphBuilder, plain_network

PIXELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


def tensor(dtype: str, scale: float | None = None, zero_point: int = 0) -> Tensor:
    quantization = None if scale is None else Quantization(np.float32([scale]), np.int64([zero_point]))
    return Tensor("image", PIXELS.shape, np.dtype(dtype), quantization=quantization)


def test_an_int8_image_is_a_pixel_minus_128() -> None:
    expected = PIXELS.astype(int) - 128
    for image in (tensor("int8"), tensor("int8", 1 / 255, -128)):
        np.testing.assert_array_equal(isolated.input_values(PIXELS, image), expected)


@pytest.mark.parametrize("image", [tensor("float32"), tensor("uint8"), tensor("int8"), tensor("int16", 1 / 255, 0)])
def test_pixels_survive_being_stored(image: Tensor) -> None:
    data = isolated.input_values(PIXELS, image).tobytes()
    np.testing.assert_allclose(isolated.output_pixels(data, image), PIXELS.ravel(), atol=1e-4)


def test_rejects_an_output_of_another_size() -> None:
    with pytest.raises(EcbsrError, match=r"the output has 3 bytes, which do not fit \[1, 16, 16, 1\] int8"):
        isolated.output_pixels(b"abc", tensor("int8"))


def test_runs_a_model_as_the_interpreter_does(tmp_path: Path) -> None:
    graph = plain_network("int8", size=(16, 16))
    path = tmp_path / "model.tflite"
    path.write_bytes(write(graph))
    source, target = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    values = isolated.input_values(PIXELS, source).tobytes()
    output = isolated.run(path, values, tmp_path, 120, threading.Event())
    expected = interpreter.run(graph, (PIXELS[0] / 255).astype(np.float32))
    np.testing.assert_allclose(isolated.output_pixels(output, target), expected.ravel() * 255, atol=1e-3)


def test_a_model_that_the_runtime_cannot_run_gives_a_sentence(tmp_path: Path) -> None:
    make = GraphBuilder()
    path = tmp_path / "model.tflite"
    path.write_bytes(write(make.graph(make.node("Foreign", [make.input((1, 4, 4, 1))], (1, 4, 4, 1), custom=True))))
    with pytest.raises(EcbsrError, match="cannot run the model"):
        isolated.run(path, bytes(64), tmp_path, 120, threading.Event())
    stop = threading.Event()
    stop.set()
    with pytest.raises(Canceled):
        isolated.run(path, bytes(64), tmp_path, 120, stop)
