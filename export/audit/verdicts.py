"""What an audit means for each target, in one sentence: does it take the whole file, and what to do if not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ecbsr_mobile.tflite.graph import short_name

from ..lights import Light
from ..npu.results import by_vendor
from ..npu.socs import QUALCOMM
from .targets import TARGETS, Target

if TYPE_CHECKING:
    from ..gpu.results import GpuReport
    from ..npu.results import CompileReports
    from .delegate_audit import DelegateAudit
    from .model_audit import Audit

MAX_OPERATORS = 3
"""Kinds of operators that a verdict names."""


_EMPTY: tuple[Light, str, str] = ("unknown", "not known", "the file has no operators")


@dataclass(frozen=True)
class Verdict:
    """What one target does with a file.

    Attributes:
        target: one of `targets.NAMES`.
        title: the target's name for people.
        light: good: it takes the whole file; partial: a part of it; bad: nothing of it.
        word: the light in a word that suits the target.
        text: the reason, and what to do about it.
    """

    target: str
    title: str
    light: Light
    word: str
    text: str

    @property
    def sentence(self) -> str:
        """The verdict as one line: "CPU: slow: 9 of 18 operators in 6 pieces, because of PRELU x5"."""
        return f"{self.title}: {self.word}: {self.text}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return msgspec.to_builtins(self)


def verdicts(audit: Audit) -> tuple[Verdict, ...]:
    """A verdict for each target that the audit has a table of."""
    by_name = {delegate.name: delegate for delegate in audit.delegates}
    return tuple(_verdict(target, by_name[target.delegate], audit) for target in TARGETS if target.delegate in by_name)


def missed(given: Iterable[Verdict], required: Iterable[str]) -> list[Verdict]:
    """The verdicts of required targets that do not take the whole file."""
    names = set(required)
    return [verdict for verdict in given if verdict.target in names and verdict.light != "good"]


def _verdict(target: Target, delegate: DelegateAudit, audit: Audit) -> Verdict:
    if target.name == "cpu":
        light, word, text = _of_cpu(delegate, audit)
    elif target.name == QUALCOMM and QUALCOMM in (reports := by_vendor(audit.npu or {})):
        light, word, text = _of_compiler(reports[QUALCOMM])
    elif target.delegate == "gpu_ml_drift" and audit.gpu:
        light, word, text = _of_gpu(delegate, audit.gpu)
    else:
        light, word, text = _of_table(delegate)
    advice = _advice(target.name, delegate, audit) if light in ("partial", "bad") else ""
    return Verdict(target.name, target.title, light, word, f"{text}: {advice}" if advice else text)


def _of_table(delegate: DelegateAudit, word: str = "in part") -> tuple[Light, str, str]:
    """The verdict from the table of a delegate; where it takes a part of the operators it is called `word`."""
    if not delegate.total:
        return _EMPTY
    if not delegate.loads:
        fatal = [refused.operator for refused in delegate.refused if refused.verdict == "fatal"]
        return "bad", "fails", f"it accepts {_operators(fatal)}, and then does not load the file"
    if delegate.accepted and not delegate.taken:
        return "bad", "no", "the image size in the file is dynamic"
    refused = _refused(delegate)
    if delegate.unknown and not (delegate.taken and refused):
        others = f", and it does not take {_operators(refused)}" if refused else ""
        return "unknown", "not known", f"{delegate.unknown} of {delegate.total} operators are not verified{others}"
    return _of_counts(refused, delegate.taken, delegate.total, delegate.partitions, word)


def _refused(delegate: DelegateAudit) -> list[str]:
    """The operators that the table refuses, one of each node."""
    return [node.operator for node in delegate.refused if node.verdict != "unknown"]


def _of_cpu(delegate: DelegateAudit, audit: Audit) -> tuple[Light, str, str]:
    """What XNNPACK does, as measured on this machine where it could be."""
    measured = audit.measured
    if measured is None:
        return _of_table(delegate, "slow")
    if not measured.loads:
        return "bad", "fails", f"the runtime of this machine does not load the file ({measured.error})"
    light, word, text = _of_counts(measured.others, len(measured.nodes), measured.total, measured.partitions, "slow")
    return light, word, f"{text} (measured here)"


def _of_counts(
    refused: Sequence[str], taken: int, total: int, partitions: int, word: str = "in part"
) -> tuple[Light, str, str]:
    """The verdict from the operators that are taken, and those `refused`; for a part of them it is called `word`."""
    if not total:
        return _EMPTY
    pieces = "in one piece" if partitions == 1 else f"in {partitions} pieces"
    if taken == total:
        return "good", "good", f"all {total} operators {pieces}"
    because = f", because of {_operators(refused)}" if refused else ""
    if not taken:
        return "bad", "slow" if word == "slow" else "no", f"none of {total} operators{because}"
    return "partial", word, f"{taken} of {total} operators {pieces}{because}"


def _of_gpu(delegate: DelegateAudit, report: GpuReport) -> tuple[Light, str, str]:
    """What the GPU delegate says on this machine; the table, where it says nothing."""
    if report.status in ("failed", "crashed"):
        return "bad", "fails", f"the delegate takes operators and then fails (asked here; {report.note})"
    if report.taken is None or not report.total:
        return _of_table(delegate)
    light, word, text = _of_counts(_refused(delegate), report.taken, report.total, report.partitions or 0)
    return light, word, f"{text} (asked here)"


def _of_compiler(reports: CompileReports) -> tuple[Light, str, str]:
    """What the vendor's compiler does, for the SoCs that it was asked about."""
    whole = [soc for soc, report in reports.items() if report.status == "ok"]
    others = [soc for soc in reports if soc not in whole]
    if not others:
        return "good", "good", f"the whole file, compiled for {', '.join(whole)}"
    statuses = ", ".join(f"{soc} {reports[soc].status}" for soc in others)
    if not whole and all(reports[soc].status != "partial" for soc in others):
        return "bad", "no", f"compiled for none: {statuses}"
    return "partial", "in part", f"the whole file on {', '.join(whole) or 'none'}; {statuses}"


def _operators(refused: Iterable[str]) -> str:
    """The operators and their counts, most frequent first: "PRELU x5, MUL x2 and 3 others"."""
    counts = Counter(map(short_name, refused)).most_common()
    shown = ", ".join(f"{operator} x{count}" for operator, count in counts[:MAX_OPERATORS])
    others = sum(count for _, count in counts[MAX_OPERATORS:])
    return f"{shown} and {others} other{'s' * (others > 1)}" if others else shown


def _advice(name: str, delegate: DelegateAudit, audit: Audit) -> str:
    """What to do, where it is known to help; ends as a part of a sentence."""
    if delegate.accepted and not delegate.taken and delegate.loads:
        return "export it at a fixed size"
    if name == "cpu" and audit.outdated_shapes and audit.measured and len(audit.measured.nodes) < delegate.accepted:
        return "convert it again, since the shapes in it are outdated"
    if name == "gpu" and audit.quantized and audit.recipe:  # our float graphs are taken whole
        return "export its weights with --fp16"
    if name == "cpu" and audit.quantized and {short_name(node.operator) for node in delegate.refused} == {"PRELU"}:
        return "export its weights with --target cpu --prelu auto"
    return ""
