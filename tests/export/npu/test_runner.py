"""What is compiled, before a compiler runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.tflite import write
from export.npu import runner
from export.resolutions import sized
from tests.helpers import upscalers
from tests.helpers.tflite_models import GraphBuilder, plain_network


def test_rejects_two_models_with_one_name(tmp_path: Path) -> None:
    model = write(plain_network())
    with pytest.raises(UsageError, match="two of the models have the same file name"):
        runner.compile_models({"a/x.tflite": model, "b/x.tflite": model}, keep=tmp_path)


def test_a_model_with_a_dynamic_size_gets_a_fixed_one() -> None:
    make = GraphBuilder()
    image = make.input((1, 8, 8, 1))
    graph = make.graph(make.conv(image, 4))
    loose = [replace(t, signature=(1, -1, -1, t.shape[3])) if t.data is None else t for t in graph.tensors]
    model = write(replace(graph, tensors=tuple(loose)))
    assert tflite.input_size(tflite.read(sized(model))) == (960, 540)
    assert tflite.input_size(tflite.read(sized(model, (40, 24)))) == (40, 24)
    assert sized(write(graph)) == write(graph)
    batch = tflite.read(sized(write(upscalers.with_dynamic(graph, [0], placeholder=False))))
    assert tflite.input_size(batch) == tflite.input_size(graph)
    assert all(tensor.signature is None for tensor in batch.tensors)
