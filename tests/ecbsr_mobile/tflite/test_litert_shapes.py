"""Graphs with the shapes that LiteRT infers."""

from __future__ import annotations

import pytest

from ecbsr_mobile import tflite
from ecbsr_mobile.tflite.litert_shapes import at_probe_size, read_as_litert
from tests.helpers import litert, upscalers

SHUFFLE = upscalers.DOUBLING["6-D shuffle"]()


@pytest.mark.parametrize("stale", upscalers.STALE)
def test_outdated_shapes_become_those_of_the_runtime(stale: str) -> None:
    data, graph = read_as_litert(tflite.write(upscalers.with_stale_shapes(SHUFFLE, stale)))
    for tensor, expected in zip(graph.tensors, SHUFFLE.tensors, strict=True):
        assert tensor.shape == expected.shape
    assert litert.interpreter(data).get_output_details()[0]["shape"].tolist() == [1, 64, 96, 3]


def test_a_dynamic_graph_gets_a_size() -> None:
    data, graph = read_as_litert(tflite.write(upscalers.DOUBLING["dynamic size"]()))
    sized = at_probe_size(graph, data)
    assert (tflite.image_shape(sized), sized.tensors[sized.outputs[0]].shape) == ((32, 48, 3), (1, 64, 96, 3))
