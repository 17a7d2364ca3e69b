"""A model that runs in a process of its own."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import interpreter, isolated, write
from ecbsr_mobile.tflite.image_io import image_io
from ecbsr_mobile.utils.subprocess_runner import Canceled
from tests.helpers.tflite_models import GraphBuilder, plain_network

PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)


def test_runs_a_model_as_the_interpreter_does() -> None:
    graph = plain_network("int8", size=(16, 16))
    image, io = (PIXELS / 255).astype(np.float32), image_io(graph)
    output = isolated.run(write(graph), io.input.store(image).tobytes(), 120, threading.Event())
    np.testing.assert_array_equal(io.output.load(io.output.array(output)), interpreter.run(graph, image))


def test_a_model_that_the_runtime_cannot_run_gives_a_sentence() -> None:
    make = GraphBuilder()
    model = write(make.graph(make.node("Foreign", [make.input((1, 4, 4, 1))], (1, 4, 4, 1), custom=True)))
    with pytest.raises(EcbsrError, match="cannot run the model"):
        isolated.run(model, bytes(64), 120, threading.Event())
    stop = threading.Event()
    stop.set()
    with pytest.raises(Canceled):
        isolated.run(model, bytes(64), 120, stop)
