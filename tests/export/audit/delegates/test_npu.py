"""The documented limits of the NPU plugins."""

from __future__ import annotations

import pytest

from tests.helpers.audit_cases import alone, leaky, pair, shuffle
from tests.helpers.delegates import audited, reasons


def test_qualcomm_needs_a_positive_slope_in_int8() -> None:
    assert "would be a scale" in reasons(leaky("int8", -0.2), "qnn")["LEAKY_RELU"][1]
    assert not reasons(leaky("int8", 0.2), "qnn")


def test_mediatek_has_no_depth_to_space() -> None:
    assert reasons(shuffle("int8"), "mediatek") == {
        "DEPTH_TO_SPACE": ("refused", "is not among the 45 operators of its table")
    }


def test_samsung_accepts_operators_on_which_it_then_fails() -> None:
    audit = audited(shuffle("int8"), "samsung")
    assert (audit.loads, audit.taken, audit.accepted) == (False, 0, 1)
    assert reasons(shuffle("int8"), "samsung")["DEPTH_TO_SPACE"][0] == "fatal"


def test_nothing_is_verified_about_google_tensor() -> None:
    assert reasons(alone("RELU", "float32"), "google_tensor") == {
        "RELU": ("unknown", "is offered, but not verified")
    }  # fmt: skip


@pytest.mark.parametrize("delegate", ["qnn", "mediatek", "samsung"])
def test_broadcasting_is_not_verified(delegate: str) -> None:
    graph = pair("ADD", "float32", shapes=((1, 8, 8, 4), (1, 8, 8, 1)))
    assert reasons(graph, delegate)["ADD"][0] == "unknown"
    assert not reasons(pair("ADD", "float32"), delegate)
