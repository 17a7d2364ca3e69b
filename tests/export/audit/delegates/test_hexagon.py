"""The documented limits of the Hexagon delegate."""

from __future__ import annotations

from tests.helpers.audit_cases import convolution
from tests.helpers.delegates import reasons


def test_a_depthwise_kernel_has_at_least_two_rows() -> None:
    assert "rows" in reasons(convolution("int8", depthwise=True, kernel=1), "hexagon")["DEPTHWISE_CONV_2D"][1]
    assert not reasons(convolution("int8", depthwise=True), "hexagon")
