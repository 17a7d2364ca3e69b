"""Whole networks by the table of each delegate, and rules that several delegates share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecbsr_mobile.tflite import Graph, at_size, read, write
from export.audit.delegates import DELEGATES
from export.audit.delegates.base import SOURCES
from export.audit.invariants import COMMON_INVARIANTS, INVARIANTS
from tests.helpers import upscalers
from tests.helpers.audit_cases import SHAPE, alone, concatenation, leaky
from tests.helpers.delegates import audited, reasons, supported
from tests.helpers.tflite_models import GraphBuilder, plain_network


def test_an_int8_network_with_prelu() -> None:
    """In int8, the NPUs and the GPU support PRELU and XNNPACK does not; MediaTek does not support DEPTH_TO_SPACE."""
    graph = plain_network("int8", blocks=2)
    whole = ("gpu", "gpu_ml_drift", "nnapi_29", "nnapi_30", "qnn")
    assert {name: audited(graph, name).taken for name in whole} == dict.fromkeys(whole, len(graph.nodes))
    assert "PRELU" not in supported(graph, "xnnpack")
    assert reasons(graph, "mediatek").keys() == {"DEPTH_TO_SPACE"}
    assert reasons(graph, "nnapi_28").keys() == {"CONV_2D", "PRELU"}
    assert reasons(graph, "hexagon").keys() == {"PRELU"}
    samsung = audited(graph, "samsung")
    assert (samsung.loads, samsung.taken, samsung.accepted) == (False, 0, len(graph.nodes) - 4)
    tensor = audited(graph, "google_tensor")
    assert (tensor.taken, tensor.unknown, tensor.loads) == (0, len(graph.nodes), True)


def test_weights_of_4_bits_are_not_verified() -> None:
    """XNNPACK refuses them in convolutions, ML Drift takes them (both measured); of the others, no source says it."""
    graph = plain_network("int8", activation="relu")
    weights = {node.inputs[1] for node in graph.nodes if node.operator == "CONV_2D"}
    tensors = (
        replace(tensor, kind="INT4", data=np.zeros(-(-tensor.data.size // 2), np.uint8))
        if index in weights and tensor.data is not None
        else tensor
        for index, tensor in enumerate(graph.tensors)
    )
    graph = replace(graph, tensors=tuple(tensors))
    assert "CONV_2D" not in supported(graph, "xnnpack")
    assert "CONV_2D" in supported(graph, "gpu_ml_drift")
    for delegate in ("gpu", "nnapi_30", "hexagon", "qnn", "mediatek", "samsung"):
        found = {unsupported.node: unsupported for unsupported in audited(graph, delegate).refused}
        nodes = [number for number, node in enumerate(graph.nodes) if node.operator == "CONV_2D"]
        assert {found[number].verdict for number in nodes} == {"unknown"}


def test_a_float_network_is_delegated_whole_since_api_29() -> None:
    graph = plain_network("float32")
    assert audited(graph, "nnapi_29").taken == audited(graph, "xnnpack").taken == len(graph.nodes)
    assert reasons(graph, "nnapi_27").keys() == {"PRELU"}
    assert audited(graph, "hexagon").taken == 0


def test_an_int8_network_with_fused_relu_is_delegated_whole() -> None:
    graph = plain_network("int8", activation="relu")
    for name in ("xnnpack", "gpu", "gpu_ml_drift", "nnapi_29", "nnapi_30", "qnn", "hexagon"):
        assert audited(graph, name).taken == len(graph.nodes), name
    assert supported(graph, "mediatek") == [node.operator for node in graph.nodes[:-1]]


def chain(operators: Sequence[str]) -> Graph:
    """Nodes one after the other."""
    make = GraphBuilder()
    value = make.input(SHAPE)
    for operator in operators:
        value = make.unary(operator, value)
    return make.graph(value)


def test_the_gpu_gets_only_the_largest_partition() -> None:
    result = audited(chain(["RELU", "SIGN", "RELU", "RELU", "RELU", "SIGN", "RELU"]), "gpu")
    assert (result.accepted, result.accepted_partitions, result.taken, result.partitions) == (5, 3, 3, 1)


def test_nnapi_gets_three_partitions() -> None:
    result = audited(chain(["RELU", "SIGN"] * 5 + ["RELU", "RELU"]), "nnapi_30")
    assert (result.accepted, result.accepted_partitions, result.taken, result.partitions) == (7, 6, 4, 3)


def test_gpu_and_nnapi_do_not_support_a_dynamic_size() -> None:
    graph = plain_network()
    tensors = list(graph.tensors)
    tensors[0] = replace(tensors[0], signature=(1, -1, -1, 1))
    graph = replace(graph, tensors=tuple(tensors))
    for name in ("gpu", "nnapi_30"):
        result = audited(graph, name)
        assert (result.taken, result.accepted) == (0, len(graph.nodes))
        assert any("dynamic image size" in note for note in result.notes)
    assert audited(graph, "xnnpack").taken == len(graph.nodes)
    assert audited(at_size(graph, 20, 12), "gpu").taken == len(graph.nodes)


def test_a_dynamic_batch_is_no_dynamic_size() -> None:
    """A Keras model says [None, H, W, C]; LiteRT runs it for one image, at a size that nothing changes."""
    graph = upscalers.with_dynamic(plain_network(), [0], placeholder=False)
    for name in ("gpu", "nnapi_30", "qnn"):
        assert audited(graph, name) == audited(plain_network(), name)


def test_clipping_operators() -> None:
    """XNNPACK, NNAPI and ML Drift do not support RELU_0_TO_1; MediaTek does not support RELU6."""
    graph = alone("RELU_0_TO_1", "float32")
    assert all(reasons(graph, name) for name in ("xnnpack", "nnapi_30", "gpu_ml_drift", "mediatek", "hexagon"))
    assert not reasons(graph, "gpu")
    assert reasons(alone("RELU6", "float32"), "mediatek")["RELU6"][0] == "refused"


def test_a_negative_slope_is_not_supported_where_it_becomes_a_scale() -> None:
    for name in ("nnapi_30", "qnn"):
        support, reason = reasons(leaky("int8", -0.2), name)["LEAKY_RELU"]
        assert support == "refused" and "would be a scale" in reason
        assert not reasons(leaky("int8", 0.2), name)
        assert not reasons(leaky("float32", -0.2), name)


def test_gpu_and_nnapi_limit_version_and_rank() -> None:
    graph = concatenation("float32", 2)
    newer = replace(graph, nodes=(replace(graph.nodes[0], version=4),))
    assert "version 2" in reasons(newer, "gpu")["CONCATENATION"][1]
    assert "version 2" in reasons(newer, "nnapi_30")["CONCATENATION"][1]
    make = GraphBuilder()
    source = make.input((1, 2, 2, 2, 2))
    graph = make.graph(make.unary("RELU", source))
    for name in ("gpu", "gpu_ml_drift", "nnapi_30"):
        assert "rank 4" in reasons(graph, name)["RELU"][1]


def test_no_delegate_supports_custom_operators() -> None:
    make = GraphBuilder()
    output = make.node("RELU", [make.input(SHAPE)], SHAPE, custom=True, custom_options=b"x")
    graph = read(write(make.graph(output)))
    assert all(audited(graph, delegate.name).taken == 0 for delegate in DELEGATES)


def test_every_rule_has_a_known_source() -> None:
    tables = [rules for delegate in DELEGATES for rules in (*delegate.operators.values(), delegate.common_rules)]
    for rule in [rule for rules in (*tables, *INVARIANTS.values(), COMMON_INVARIANTS) for rule in rules]:
        assert rule.source.split()[0].rstrip(";:") in SOURCES, rule.source
