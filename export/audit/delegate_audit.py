"""Which nodes of a model each delegate takes, in how many partitions, and why not the others.

Two kinds of statement are kept apart: by the table in `delegates` (no phone was asked), and measured, for
XNNPACK, by the runtime of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import recipe
from ..tflite.graph import Graph, Node, operators
from ..tflite.reader import load, read
from ..tflite.xnnpack_probe import Measured, measure
from .delegate_tables import DELEGATES, INVARIANT_ALWAYS, INVARIANTS, Delegate, NodeSupport, Rule
from .op_rules import View, folded_constants
from .partitioning import partitions
from .quant_rules import QUANTIZED

if TYPE_CHECKING:
    from ..npu.results import CompileReports


@dataclass(frozen=True)
class Refusal:
    """A node that a delegate does not take (`refused`), takes and fails on (`fatal`), or may take (`unknown`)."""

    node: int
    operator: str
    reason: str
    verdict: NodeSupport
    source: str


@dataclass(frozen=True)
class DelegateAudit:
    """What one delegate takes of a model, by the table.

    `taken` of `total` nodes run on it, in `partitions` groups. `accepted` nodes in `accepted_partitions`
    groups pass its conditions: more than `taken` where it is given only some groups. `loads` is false where
    it accepts a node on which it then fails: then it runs nothing.
    """

    name: str
    title: str
    taken: int
    total: int
    partitions: int
    accepted: int
    accepted_partitions: int
    loads: bool
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """Nodes of which the table cannot say whether they are taken."""
        return sum(refusal.verdict == "unknown" for refusal in self.refused)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "taken": self.taken,
            "total": self.total,
            "partitions": self.partitions,
            "refused": [vars(refusal) for refusal in self.refused],
            "title": self.title,
            "accepted": self.accepted,
            "accepted_partitions": self.accepted_partitions,
            "unknown": self.unknown,
            "loads": self.loads,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Finding:
    """An invariant of integer models that a node breaks."""

    node: int
    operator: str
    reason: str
    source: str


@dataclass(frozen=True)
class Audit:
    """All that can be told of a model without a phone; of several subgraphs, of the first.

    `measured` is the runtime's own word on XNNPACK, None where it was not asked. `recipe` is what the file
    says of its making, None where it says nothing. `npu` is the word of an NPU's own compiler by SoC, None
    where it was not asked.
    """

    operators: dict[str, int]
    subgraphs: int
    delegates: tuple[DelegateAudit, ...]
    invariants: tuple[Finding, ...]
    recipe: dict[str, Any] | None
    measured: Measured | None
    npu: CompileReports | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON: `audit` maps each delegate's name to what it takes."""
        delegates = {delegate.name: delegate.to_json() for delegate in self.delegates}
        if self.measured is not None and "xnnpack" in delegates:
            delegates["xnnpack"]["measured"] = self.measured.to_json()
        document = {
            "operators": self.operators,
            "subgraphs": self.subgraphs,
            "audit": delegates,
            "invariants": [vars(finding) for finding in self.invariants],
            "recipe": self.recipe,
        }
        if self.npu is not None:
            from ..npu import results

            document["npu"] = results.to_json(self.npu)
        return document


def audit(model: bytes | str | os.PathLike[str], ask_runtime: bool = True) -> Audit:
    """Audit a `.tflite` file, or the bytes of one; of several subgraphs the first, which runs first.

    `ask_runtime` loads the model with this machine's runtime, which takes about half a second and the
    memory of the model's activations.

    Raises:
        EcbsrError: it cannot be read as a `.tflite` file.
    """
    data = model if isinstance(model, bytes) else load(model)
    graph = read(data) if isinstance(model, bytes) else read(data, os.fspath(model))
    return Audit(
        operators=operators(graph),
        subgraphs=graph.subgraphs,
        delegates=tuple(audit_delegate(graph, delegate) for delegate in DELEGATES),
        invariants=tuple(invariants(graph)),
        recipe=recipe.read(graph),
        measured=measure(data) if ask_runtime else None,
    )


def audit_delegate(graph: Graph, delegate: Delegate) -> DelegateAudit:
    """What one delegate takes of a graph, by the table."""
    folded = frozenset(folded_constants(graph))
    refusals = {
        number: refusal
        for number, node in enumerate(graph.nodes)
        if (refusal := _refusal(number, View(graph, node, folded), delegate)) is not None
    }
    if delegate.folds is not None:
        refusals = _with_folding(graph, delegate, folded, refusals)
    notes = [*delegate.notes, *(delegate.integer_notes if _is_integer(graph) else ())]
    taken = [number not in refusals for number in range(len(graph.nodes))]
    groups = partitions(graph, taken)
    given = sorted(groups, key=len, reverse=True)[: delegate.limit]
    loads = all(refusal.verdict != "fatal" for refusal in refusals.values())
    if not loads:
        given = []
        notes.append("it accepts a node on which it then fails")
    if not delegate.dynamic and any(tensor.dynamic for tensor in graph.tensors):
        given = []
        notes.append("it takes no model whose size is left open: stamp a size")
    return DelegateAudit(
        name=delegate.name,
        title=delegate.title,
        taken=sum(map(len, given)),
        total=len(graph.nodes),
        partitions=len(given),
        accepted=sum(taken),
        accepted_partitions=len(groups),
        loads=loads,
        refused=tuple(refusals[number] for number in sorted(refusals)),
        notes=tuple(notes),
    )


def invariants(graph: Graph) -> list[Finding]:
    """The invariants of integer models that the graph breaks; none for a sound or a float model."""
    findings = []
    for number, node in enumerate(graph.nodes):
        view = View(graph, node)
        for rule in (*INVARIANT_ALWAYS, *INVARIANTS.get(_key(node), ())):
            reason = rule.condition(view) if view.outputs else None
            if reason:
                findings.append(Finding(number, node.operator, reason, rule.source))
    return findings


def _is_integer(graph: Graph) -> bool:
    return any(graph.tensors[index].type_name in QUANTIZED for node in graph.nodes for index in node.outputs)


def _key(node: Node) -> str:
    # A custom operator may carry the name of a built-in one; the table speaks of the built-in one alone.
    return "" if node.custom else node.operator


def _refusal(number: int, view: View, delegate: Delegate) -> Refusal | None:
    node = view.node
    if node.custom:
        return Refusal(number, node.operator, "is a custom operator", "refused", delegate.source)
    if node.operator not in delegate.operators:
        reason = "is not in the table" if delegate.operators else "is offered, but not verified"
        return Refusal(number, node.operator, reason, delegate.unlisted, delegate.source)
    failed = _failed(view, [*delegate.operators[node.operator], *delegate.always])
    return failed and Refusal(number, node.operator, failed[1], failed[0].otherwise, failed[0].source)


def _failed(view: View, rules: Sequence[Rule]) -> tuple[Rule, str] | None:
    """The first rule that the node fails: one that refuses it goes before one that it fails after being accepted."""
    order = ("refused", "fatal", "unknown")
    for rule in sorted(rules, key=lambda rule: order.index(rule.otherwise)):
        if not view.outputs:
            return rule, "has no output"
        reason = rule.condition(view)
        if reason:
            return rule, reason
    return None


def _with_folding(
    graph: Graph, delegate: Delegate, folded: frozenset[int], refusals: dict[int, Refusal]
) -> dict[int, Refusal]:
    """The refusals, those of a DEQUANTIZE of a constant decided by the nodes that use the constant."""
    makers = {number for number, node in enumerate(graph.nodes) if not folded.isdisjoint(node.outputs)}
    others = {number: refusal for number, refusal in refusals.items() if number not in makers}
    result = dict(others)
    for number in makers:
        node = graph.nodes[number]
        users = [user for user in others if not set(graph.nodes[user].inputs).isdisjoint(node.outputs)]
        if users or (others and delegate.folds == "all"):
            user = (users or sorted(others))[0]
            reason = f"stays, for node {user} ({graph.nodes[user].label}) is not taken"
            result[number] = Refusal(number, node.operator, reason, "refused", delegate.source)
    return result
