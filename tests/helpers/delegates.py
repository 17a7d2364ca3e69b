"""What each delegate does with a graph, by its table."""

from __future__ import annotations

from ecbsr_mobile.tflite import Graph
from export.audit.delegate_audit import DelegateAudit, audit_delegate
from export.audit.delegates import DELEGATES

BY_NAME = {delegate.name: delegate for delegate in DELEGATES}


def audited(graph: Graph, delegate: str) -> DelegateAudit:
    """The audit of a graph by the delegate of this name."""
    return audit_delegate(graph, BY_NAME[delegate])


def supported(graph: Graph, delegate: str) -> list[str]:
    """The operators of the nodes that the delegate supports."""
    refused = {unsupported.node for unsupported in audited(graph, delegate).refused}
    return [node.operator for number, node in enumerate(graph.nodes) if number not in refused]


def reasons(graph: Graph, delegate: str) -> dict[str, tuple[str, str]]:
    """Unsupported operator → (what happens to it, the reason)."""
    return {
        unsupported.operator: (unsupported.verdict, unsupported.reason)
        for unsupported in audited(graph, delegate).refused
    }
