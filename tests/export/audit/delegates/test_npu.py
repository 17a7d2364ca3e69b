"""The documented limits of the NPU plugins."""

from __future__ import annotations

import pytest

from tests.helpers.audit_cases import pair
from tests.helpers.delegates import audited, reasons
from tests.helpers.int16_models import int16_node, int16x8_network
from tests.helpers.networks import photo


@pytest.mark.parametrize("delegate", ["qnn", "mediatek", "samsung"])
def test_broadcasting_is_not_verified(delegate: str) -> None:
    graph = pair("ADD", "float32", shapes=((1, 8, 8, 4), (1, 8, 8, 1)))
    assert reasons(graph, delegate)["ADD"][0] == "unknown"
    assert not reasons(pair("ADD", "float32"), delegate)


@pytest.mark.parametrize("activation", ["prelu", "leaky", "relu"])
def test_qualcomm_takes_an_int16x8_network_whole(activation: str) -> None:
    audit = audited(int16x8_network(photo(1), activation), "qnn")
    assert (audit.taken, audit.partitions, audit.refused) == (audit.total, 1, ())


def test_qualcomm_takes_prelu_of_int16_with_int16_slopes_only() -> None:
    assert not reasons(int16_node("PRELU", "int16"), "qnn")
    assert reasons(int16_node("PRELU", "int8"), "qnn") == {
        "PRELU": ("refused", "supports INT16 slopes with INT16 activations, not INT8")
    }


@pytest.mark.parametrize("operator", ["DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE"])
def test_qualcomm_lacks_some_operators_in_int16(operator: str) -> None:
    assert "not INT16" in reasons(int16_node(operator), "qnn")[operator][1]


@pytest.mark.parametrize("delegate", ["xnnpack", "gpu", "gpu_ml_drift", "nnapi_27", "nnapi_30", "hexagon"])
@pytest.mark.parametrize("operator", ["CONV_2D", "PRELU", "ADD", "LEAKY_RELU", "DEPTH_TO_SPACE", "MUL", "MAXIMUM"])
def test_other_delegates_take_nothing_in_int16(delegate: str, operator: str) -> None:
    elementwise = delegate == "gpu_ml_drift" and operator in ("ADD", "MUL", "MAXIMUM")  # as the delegate itself says
    assert elementwise or reasons(int16_node(operator), delegate)[operator][0] == "refused"


def test_mediatek_takes_int16_but_for_the_pixel_shuffle() -> None:
    assert list(reasons(int16x8_network(photo(1)), "mediatek")) == ["DEPTH_TO_SPACE"]
