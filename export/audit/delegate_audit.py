"""Which nodes of a model one delegate supports by its table, in how many partitions, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ecbsr_mobile.tflite.graph import Graph, folded_constants
from ecbsr_mobile.tflite.partitioning import partitions

from .delegates.base import Delegate, NodeSupport, Rule
from .op_rules import NodeView
from .quant_rules import QUANTIZED


@dataclass(frozen=True)
class UnsupportedNode:
    """A node that is not delegated. `node` is its index; `verdict` is what happens to it instead."""

    node: int
    operator: str
    reason: str
    verdict: NodeSupport
    source: str


@dataclass(frozen=True)
class DelegateAudit:
    """What one delegate does with a model, by its table.

    Attributes:
        name: the delegate's key in JSON documents.
        title: the delegate's name in tables.
        taken: nodes that are delegated, of `total`, in `partitions`.
        total: nodes of the model.
        partitions: groups of nodes that are delegated.
        accepted: nodes that meet the delegate's rules; more than `taken` where it is given only the largest partitions.
        accepted_partitions: groups of accepted nodes.
        loads: False where the delegate accepts a node and then fails on it, so that nothing is delegated.
        refused: the nodes that are not accepted.
        notes: what else there is to know about the delegate.
    """

    name: str
    title: str
    taken: int
    total: int
    partitions: int
    accepted: int
    accepted_partitions: int
    loads: bool
    refused: tuple[UnsupportedNode, ...]
    notes: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """Nodes whose support is not verified."""
        return sum(unsupported.verdict == "unknown" for unsupported in self.refused)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        fields = msgspec.to_builtins(self)
        del fields["name"]
        return {**fields, "unknown": self.unknown}


def audit_delegate(graph: Graph, delegate: Delegate) -> DelegateAudit:
    """Compare the nodes of a graph with the table of one delegate."""
    refused = _unsupported_nodes(graph, delegate)
    supported = [number not in refused for number in range(len(graph.nodes))]
    accepted = partitions(graph, supported)
    delegated = sorted(accepted, key=len, reverse=True)[: delegate.max_partitions]
    notes = [*delegate.notes, *(delegate.quantized_notes if is_quantized(graph) else ())]
    notes += delegate.fp16_notes if _has_fp16_weights(graph) else ()
    loads = all(unsupported.verdict != "fatal" for unsupported in refused.values())
    if not loads:
        delegated = []
        notes.append("it accepts a node and then fails on it")
    if not delegate.dynamic_shapes and any(tensor.dynamic for tensor in graph.tensors):
        delegated = []
        notes.append("it does not support a dynamic image size: export the model at a fixed size")
    return DelegateAudit(
        name=delegate.name,
        title=delegate.title,
        taken=sum(map(len, delegated)),
        total=len(graph.nodes),
        partitions=len(delegated),
        accepted=sum(supported),
        accepted_partitions=len(accepted),
        loads=loads,
        refused=tuple(refused[number] for number in sorted(refused)),
        notes=tuple(notes),
    )


def is_quantized(graph: Graph) -> bool:
    """Whether a node of the graph writes integers that stand for real values."""
    return any(graph.tensors[index].type_name in QUANTIZED for node in graph.nodes for index in node.outputs)


def _has_fp16_weights(graph: Graph) -> bool:
    kinds = {tensor.type_name for tensor in graph.tensors if tensor.data is not None}
    return "FLOAT16" in kinds


def _unsupported_nodes(graph: Graph, delegate: Delegate) -> dict[int, UnsupportedNode]:
    """The nodes that the delegate does not support, by their index."""
    folded = frozenset(folded_constants(graph))
    refused = {}
    for number, node in enumerate(graph.nodes):
        unsupported = _check_node(number, NodeView(graph, node, folded), delegate)
        if unsupported is not None:
            refused[number] = unsupported
    return _fold_constants(graph, delegate, folded, refused) if delegate.folds_constants else refused


def _check_node(number: int, view: NodeView, delegate: Delegate) -> UnsupportedNode | None:
    node = view.node
    if node.custom:
        return UnsupportedNode(number, node.operator, "is a custom operator", "refused", delegate.source)
    if node.operator not in delegate.operators:
        reason = "is not in the table" if delegate.operators else "is offered, but not verified"
        return UnsupportedNode(number, node.operator, reason, delegate.unlisted, delegate.source)
    violation = _first_violation(view, [*delegate.operators[node.operator], *delegate.common_rules])
    if violation is None:
        return None
    rule, reason = violation
    return UnsupportedNode(number, node.operator, reason, rule.otherwise, rule.source)


def _first_violation(view: NodeView, rules: Sequence[Rule]) -> tuple[Rule, str] | None:
    """The first rule that the node violates, and why: a rule that refuses the node comes before one that is fatal."""
    order = ("refused", "fatal", "unknown")
    for rule in sorted(rules, key=lambda rule: order.index(rule.otherwise)):
        reason = rule.condition(view) if view.outputs else "has no output"
        if reason:
            return rule, reason
    return None


def _fold_constants(
    graph: Graph, delegate: Delegate, folded: frozenset[int], refused: dict[int, UnsupportedNode]
) -> dict[int, UnsupportedNode]:
    """The unsupported nodes, where each DEQUANTIZE of a constant is delegated if the nodes that use it are."""
    producers = {number for number, node in enumerate(graph.nodes) if not folded.isdisjoint(node.outputs)}
    others = {number: unsupported for number, unsupported in refused.items() if number not in producers}
    result = dict(others)
    for number in producers:
        node = graph.nodes[number]
        users = [user for user in others if not set(graph.nodes[user].inputs).isdisjoint(node.outputs)]
        if users or (others and delegate.folds_constants == "all"):
            user = (users or sorted(others))[0]
            reason = f"is not folded, because node {user} ({graph.nodes[user].label}) is not delegated"
            result[number] = UnsupportedNode(number, node.operator, reason, "refused", delegate.source)
    return result
