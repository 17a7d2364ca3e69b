"""Everything that can be known about a `.tflite` file without a phone.

Two kinds of statement are kept apart: those of the tables in `delegates`, and what the runtime of this machine does
with XNNPACK.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import recipe
from ecbsr_mobile.tflite.graph import operators
from ecbsr_mobile.tflite.litert_shapes import with_litert_shapes
from ecbsr_mobile.tflite.reader import read, read_bytes, with_text_names
from ecbsr_mobile.tflite.xnnpack_probe import XnnpackReport, probe

from .delegate_audit import DelegateAudit, audit_delegate, is_quantized
from .delegates import DELEGATES
from .invariants import BrokenInvariant, broken_invariants
from .verdicts import Verdict, verdicts

if TYPE_CHECKING:
    from ..gpu.results import GpuReport
    from ..npu.results import CompileReports


@dataclass(frozen=True)
class Audit:
    """The audit of a model; if it has several subgraphs, of the first.

    Attributes:
        operators: operator → number of its nodes.
        subgraphs: subgraphs in the file.
        delegates: one audit per delegate, by the tables.
        invariants: the invariants of quantized models that the model breaks.
        recipe: how the file was made; None where it records no valid recipe.
        measured: what the runtime of this machine delegates to XNNPACK; None if it was not run.
        npu: SoC → report of an NPU's compiler; None if it was not run.
        gpu: report of the GPU delegate on this machine; None if it was not asked.
        quantized: whether it computes with integers that stand for real values.
        outdated_shapes: whether the runtime infers other shapes than those in the file.
    """

    operators: dict[str, int]
    subgraphs: int
    delegates: tuple[DelegateAudit, ...]
    invariants: tuple[BrokenInvariant, ...]
    recipe: dict[str, Any] | None
    measured: XnnpackReport | None
    npu: CompileReports | None = None
    gpu: GpuReport | None = None
    quantized: bool = False
    outdated_shapes: bool = False

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What the audit means for each target; see `verdicts.Verdict`."""
        return verdicts(self)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON: `audit` maps the name of each delegate to its audit."""
        delegates = {delegate.name: delegate.to_json() for delegate in self.delegates}
        if self.measured is not None and "xnnpack" in delegates:
            delegates["xnnpack"]["measured"] = self.measured.to_json()
        document = {
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "operators": self.operators,
            "subgraphs": self.subgraphs,
            "audit": delegates,
            "invariants": msgspec.to_builtins(self.invariants),
            "recipe": self.recipe,
        }
        if self.npu is not None:
            from ..npu import results

            document["npu"] = results.to_json(self.npu)
        if self.gpu is not None:
            document["gpu"] = self.gpu.to_json()
        return document


def audit(model: bytes | str | os.PathLike[str], name: str = "the model", *, run_xnnpack: bool = True) -> Audit:
    """Audit a `.tflite` file, or the bytes of one, which error messages call `name`.

    With `run_xnnpack` the runtime of this machine loads the model, which takes about half a second and the memory of
    the model's activations.

    Raises:
        EcbsrError: it is not a valid `.tflite` file.
    """
    data, name = (model, name) if isinstance(model, bytes) else (read_bytes(model), os.fspath(model))
    graph = stated = read(data, name)
    if run_xnnpack:
        with suppress(EcbsrError):  # LiteRT crashes, which the measurement says
            graph = with_litert_shapes(graph, data)  # what delegates see, since LiteRT infers the shapes before
    return Audit(
        operators=operators(graph),
        subgraphs=graph.subgraphs,
        delegates=tuple(audit_delegate(graph, delegate) for delegate in DELEGATES),
        invariants=tuple(broken_invariants(graph)),
        recipe=recipe.read(graph),
        measured=probe(with_text_names(data)) if run_xnnpack else None,
        quantized=is_quantized(graph),
        outdated_shapes=any(a.shape != b.shape for a, b in zip(stated.tensors, graph.tensors, strict=True)),
    )
