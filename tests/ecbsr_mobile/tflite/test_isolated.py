"""A model that runs in a process of its own."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import interpreter, isolated, write
from ecbsr_mobile.tflite.image_io import image_io
from ecbsr_mobile.utils.subprocess_runner import Canceled
from tests.helpers.tflite_models import GraphBuilder, plain_network

PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)


def test_runs_a_model_as_the_interpreter_does(tmp_path: Path) -> None:
    graph = plain_network("int8", size=(16, 16))
    path = tmp_path / "model.tflite"
    path.write_bytes(write(graph))
    image, io = (PIXELS / 255).astype(np.float32), image_io(graph)
    output = isolated.run(path, io.input.store(image).tobytes(), tmp_path, 120, threading.Event())
    np.testing.assert_array_equal(io.output.load(io.output.array(output)), interpreter.run(graph, image))


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
