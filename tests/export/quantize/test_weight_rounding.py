from __future__ import annotations

import numpy as np
import pytest

from ecbsr_mobile import images, tflite, zoo
from ecbsr_mobile.tflite import interpreter
from export.quantize.quantizer import copies_image
from export.quantize.weight_rounding import round_to_nearest, round_weights
from tests.helpers.int16_models import float_network


def luma(number: int) -> np.ndarray:
    """The middle of a bundled image, [96, 128, 1] in [0, 1]."""
    rgb = images.read(zoo.pictures()[number]).rgb()
    return images.luma(images.center_crop(rgb, (96, 128)))[:, :, None].astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("activation", ["prelu", "relu"])
def test_errors_are_smaller_than_to_nearest_on_another_image(activation: str) -> None:
    graph = float_network(activation)
    rounded = round_weights(graph, luma(0), lambda _text: None).graph

    def error(candidate: tflite.Graph) -> float:
        return float(np.square(interpreter.run(candidate, luma(1)) - interpreter.run(graph, luma(1))).mean())

    assert error(rounded) < 0.5 * error(round_to_nearest(graph).graph)


def test_weights_are_multiples_of_their_scales_within_8_bits_and_the_same_again() -> None:
    graph = float_network()
    first, second = (round_weights(graph, luma(0), lambda _text: None) for _ in range(2))
    assert len(first.scales) == 3
    for index, scale in first.scales.items():
        multiples = first.graph.tensors[index].data / scale[:, None, None, None]
        np.testing.assert_allclose(multiples, np.round(multiples), atol=1e-3)
        assert np.abs(multiples).max() < 127.5
        np.testing.assert_array_equal(first.graph.tensors[index].data, second.graph.tensors[index].data)
    changed = {i for i, (a, b) in enumerate(zip(graph.tensors, first.graph.tensors, strict=True)) if a is not b}
    kept = {i for n in graph.nodes if copies_image(graph, n) for i in n.inputs}
    assert changed.isdisjoint(kept)
