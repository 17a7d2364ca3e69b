"""The table of XNNPACK against the runtime of this machine: one test per case in `tests/helpers/audit_cases.py`."""

from __future__ import annotations

import pytest

from ecbsr_mobile.tflite import write, xnnpack_probe_worker
from ecbsr_mobile.tflite.xnnpack_probe import report
from export.audit.delegate_audit import audit_delegate
from export.audit.delegates import XNNPACK
from tests.helpers.audit_cases import CASES


@pytest.mark.parametrize("name", CASES)
def test_the_table_agrees_with_the_runtime(name: str) -> None:
    graph = CASES[name]()
    table, runtime = audit_delegate(graph, XNNPACK), report(xnnpack_probe_worker.load(write(graph)))
    assert table.loads == runtime.loads, runtime
    assert table.unknown == 0
    if table.loads:
        refused = {unsupported.node for unsupported in table.refused}
        assert [number for number in range(table.total) if number not in refused] == list(runtime.nodes)
        assert (table.taken, table.total, table.partitions) == (
            len(runtime.nodes),
            runtime.total,
            runtime.partitions,
        )


def test_the_cases_cover_refused_and_fatal_nodes() -> None:
    verdicts = {
        unsupported.verdict for make in CASES.values() for unsupported in audit_delegate(make(), XNNPACK).refused
    }
    assert verdicts == {"refused", "fatal"}
