"""What a delegate's table is made of: rules with their sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ecbsr_mobile.tflite.graph import FLOAT32, INT8, UINT8

from ..op_rules import Condition, no_small_integers

NodeSupport = Literal["refused", "fatal", "unknown"]
"""Why a node does not count as delegated.

`refused`: the node stays on the built-in CPU kernels. `fatal`: the delegate accepts the node, and then the model fails
to load or computes something else. `unknown`: not verified.
"""

SOURCES = {
    "LiteRT": "google-ai-edge/LiteRT @ f6745779 (2026-08-21)",
    "XNNPACK": "google/XNNPACK @ 75db3c09 (2026-08-21)",
    "NNAPI": "Android Open Source Project, NeuralNetworks.h of API level 30",
    "QAIRT": "Qualcomm's compiler of onnxruntime-qnn 2.7.0 (QAIRT 2.51), asked with hand-built models for 10 SoCs",
    "measured": "hand-built models on ai-edge-litert 2.3.0, x86-64",
}
"""The first word of a rule's source → the version that was read.

LiteRT's paths are under `tflite/delegates/` unless they start with `litert/`, `ml_drift_delegate/` or `tflite/`.
"""

NUMERIC = (FLOAT32, INT8, UINT8)
FUSED = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


@dataclass(frozen=True)
class Rule:
    """A condition on a node.

    Attributes:
        condition: see `op_rules.Condition`; conditions are in `op_rules` and `quant_rules`.
        source: where the condition comes from; the first word is a key of `SOURCES`.
        otherwise: support of a node that violates the condition.
    """

    condition: Condition
    source: str
    otherwise: NodeSupport = "refused"


@dataclass(frozen=True)
class Delegate:
    """The operators that one delegate supports, and its limits.

    Attributes:
        name: the delegate's key in JSON documents.
        title: the delegate's name in tables.
        operators: operator → the rules that its nodes must meet, besides `common_rules`.
        source: where the list of operators comes from.
        common_rules: rules for every operator.
        unlisted: support of an operator that is not in `operators`.
        max_partitions: how many partitions the runtime delegates, largest first; None: all.
        dynamic_shapes: whether it accepts a model with a dynamic image size.
        folds_constants: when the runtime folds a DEQUANTIZE of a constant: once all its consumers are delegated
            ("each") or once all nodes of the model are ("all"); None: never.
        notes: printed with every audit.
        quantized_notes: printed with the audit of a quantized model.
        fp16_notes: printed with the audit of a model with float16 weights.
    """

    name: str
    title: str
    operators: Mapping[str, tuple[Rule, ...]]
    source: str
    common_rules: tuple[Rule, ...] = ()
    unlisted: NodeSupport = "unknown"
    max_partitions: int | None = None
    dynamic_shapes: bool = False
    folds_constants: Literal["each", "all"] | None = None
    notes: tuple[str, ...] = ()
    quantized_notes: tuple[str, ...] = ()
    fp16_notes: tuple[str, ...] = ()


def rules_for(source: str, operators: str, *conditions: Condition) -> dict[str, tuple[Rule, ...]]:
    """The same conditions, of one source, for several operators (separated by spaces)."""
    return {operator: tuple(Rule(condition, source) for condition in conditions) for operator in operators.split()}


def small_integers(source: str) -> Rule:
    """Whether a delegate takes operands of less than 8 bits is not verified."""
    return Rule(no_small_integers, source, "unknown")
