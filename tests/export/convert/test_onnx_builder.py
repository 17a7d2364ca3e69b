from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from ecbsr_mobile.architecture import ACTIVATIONS
from export.convert.onnx_builder import onnx_model
from tests.helpers.networks import net


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("size", [None, (17, 9)])
def test_onnxruntime_gives_the_result_of_torch(colors, scale, activation, size, random) -> None:
    plain = net(colors, scale, activation)
    model = onnx_model(plain, size)
    image = random.random((1, colors, 9, 17), np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    result = session.run(["upscaled"], {"image": image})[0]
    with torch.inference_mode():
        expected = plain(torch.from_numpy(image)).numpy()
    assert result.shape == (1, colors, 9 * scale, 17 * scale)
    assert np.abs(result - expected).max() < 1e-5 * max(1, np.abs(expected).max())


def test_pixel_shuffle_is_one_dcr_and_the_residual_a_convolution_of_ones() -> None:
    graph = onnx_model(net(3, 2, "prelu")).graph
    assert [node.op_type for node in graph.node] == ["Conv", "PRelu"] * 3 + ["Conv", "Conv", "Add", "DepthToSpace"]
    assert {a.name: onnx.helper.get_attribute_value(a) for a in graph.node[-1].attribute}["mode"] == b"DCR"
    weights = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    residual = weights["residual.weight"]
    assert residual.shape == (12, 3, 1, 1)
    assert sorted(residual.sum(axis=(1, 2, 3))) == [1] * 12
    assert set(residual.ravel()) == {0, 1}


def test_same_network_gives_same_bytes() -> None:
    first, second = (onnx_model(net(1, 3, "leaky")).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
