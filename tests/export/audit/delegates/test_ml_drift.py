"""The table of ML Drift against the delegate on this machine: one test per case in `tests/helpers/gpu_cases.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ecbsr_mobile.tflite import Graph, write
from export.audit.delegate_audit import audit_delegate
from export.audit.delegates import GPU_ML_DRIFT
from export.gpu.accelerator import Answer, Query, run
from tests.helpers.gpu import adapter
from tests.helpers.gpu_cases import CASES

FUNCTIONS = {
    "ADD": np.add, "MUL": np.multiply, "SUB": np.subtract, "MAXIMUM": np.maximum, "MINIMUM": np.minimum,
}  # fmt: skip


def inputs_of(graph: Graph) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.uniform(0.1, 1, graph.tensors[index].shape).astype(np.float32) for index in graph.inputs]


def answers_to(queries: Sequence[Query]) -> list[Answer]:
    """The answer to each query; a model that ends the process does not keep the next ones from being asked."""
    found, answers = adapter(), list[Answer]()
    while len(answers) < len(queries):
        answers += run(queries[len(answers) :], "fp32", found.environment)
    return answers


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """What the delegate does with each case; the cases that broadcast are run."""
    found: dict[str, Answer] = {}
    # An invalid GPU program is reported once in a process: floats and integers have the same programs.
    for names in ([name for name in CASES if "float32" in name], [name for name in CASES if "float32" not in name]):
        graphs = {name: CASES[name]() for name in names}
        queries = [
            Query(write(graph), tuple(inputs_of(graph)) if name.startswith("broadcast") else ())
            for name, graph in graphs.items()
        ]
        found |= zip(names, answers_to(queries), strict=True)
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_table_agrees_with_the_delegate(answers: dict[str, Answer], name: str) -> None:
    graph, answer = CASES[name](), answers[name]
    table = audit_delegate(graph, GPU_ML_DRIFT)
    assert table.unknown == 0
    if name.startswith("cast"):  # taken, but the values are others, see below
        assert answer.whole and not table.loads
        return
    if not answer.opens and answer.failure is None:  # LiteRT's own kernels reject it, with the delegate or without
        assert answer.log.error
        return
    assert table.loads == (answer.failure is None and not answer.log.program_error), answer
    if not table.loads:
        return
    assert table.taken == (table.total if answer.whole else answer.log.taken)
    refused = {node.operator for node in table.refused}
    assert refused == {operator for operator, _ in answer.log.refused}


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("broadcast")])
def test_broadcasts_have_the_values_of_numpy(answers: dict[str, Answer], name: str) -> None:
    graph = CASES[name]()
    output = answers[name].output
    assert output is not None
    expected = FUNCTIONS[graph.nodes[0].operator](*inputs_of(graph))
    np.testing.assert_allclose(np.frombuffer(output, np.float32).reshape(expected.shape), expected, atol=1e-6)


def test_a_cast_of_a_quantized_tensor_differs_from_the_cpu() -> None:
    """The CPU gives the stored integers, the delegate the real values."""
    graph = CASES["cast int8 float32"]()
    stored = np.arange(1, 9, dtype=np.int8).repeat(32).reshape(1, 8, 8, 4)
    (answer,) = answers_to([Query(write(graph), (stored,))])
    assert answer.output is not None
    values = np.frombuffer(answer.output, np.float32).reshape(stored.shape)
    quantization = graph.tensors[graph.inputs[0]].quantization
    assert quantization is not None
    np.testing.assert_allclose(values, stored * quantization.scale[0], atol=1e-6)
    assert audit_delegate(graph, GPU_ML_DRIFT).refused[0].verdict == "fatal"
