"""What `ecbsr-audit` prints: verdicts first, then tables; reasons only with `--verbose`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common, tables
from ecbsr_mobile.cli.gate_report import Check, GateReport
from ecbsr_mobile.tflite.graph import short_name
from ecbsr_mobile.utils import verbosity

from .. import resolutions
from ..lights import SIGNS
from ..npu.socs import VENDORS, vendor_of
from .gpu_report import counts, difference_cells, print_report

if TYPE_CHECKING:
    from ecbsr_mobile.tflite.xnnpack_probe import XnnpackReport

    from ..audit.batch import Audits
    from ..audit.delegate_audit import DelegateAudit
    from ..audit.invariants import BrokenInvariant
    from ..audit.model_audit import Audit
    from ..audit.verdicts import Verdict
    from ..npu.results import CompileReport, CompileReports

COMPILER_COLUMNS = ("status", "delegated", "partitions", "read MB", "write MB", "spill MB")
_SUPPORT = {"refused": "stays on the CPU", "fatal": "accepted, then fails", "unknown": "not verified"}


def print_audit(path: str, audit: Audit, *, recipe: bool) -> None:
    """Print the audit of one file."""
    operators = ", ".join(f"{count} {short_name(operator)}" for operator, count in audit.operators.items())
    common.print_wrapped(f"{path}: {os.path.getsize(path)} bytes; {operators or 'no operators'}")
    common.print_line()
    if audit.subgraphs > 1:
        common.print_line(f"The first of its {audit.subgraphs} subgraphs:")
    for verdict in audit.verdicts:
        common.print_wrapped(f"{SIGNS[verdict.light]} {verdict.sentence}")
    common.print_line()
    common.print_wrapped(f"{_evidence(audit)} rule tables: no phone was asked.", indent="")
    common.print_line()
    _print_delegates(audit.delegates, audit.measured)
    if verbosity.is_verbose():
        for delegate in audit.delegates:
            _print_reasons(delegate)
    if audit.npu is not None:
        from ..npu.results import by_vendor

        groups = by_vendor(audit.npu)
        for vendor, reports in groups.items():
            _print_npu(vendor, reports)
        if len(groups) < len(VENDORS):
            common.print_line(f"Not checked: {', '.join(vendor for vendor in VENDORS if vendor not in groups)}")
    if audit.gpu is not None:
        print_report(audit.gpu)
    if audit.invariants or verbosity.is_verbose():
        _print_invariants(audit.invariants)
    if recipe and audit.recipe is None:
        common.print_line("\nRecipe: none; the file does not record how it was made")
    elif recipe:
        common.print_line(f"\nRecipe:\n{json.dumps(audit.recipe, indent=2, ensure_ascii=False)}")
    common.print_line()


def gate(audits: Audits, missed: Mapping[str, Sequence[Verdict]], required: Sequence[str]) -> GateReport:
    """The decisions of `--require`, and the files that could not be audited."""
    checks = []
    for path, audit in audits.by_path.items():
        checks.append(Check(path, "audit"))
        for verdict in audit.verdicts:
            if verdict.target in required:
                bad = verdict in missed[path]
                checks.append(Check(path, verdict.title, "failed" if bad else "passed", verdict.sentence))
    checks += [Check(path, "audit", "error", error) for path, error in audits.errors.items()]
    failed = sum(map(len, missed.values()))
    parts = [f"{len(audits.by_path)} file{'s' * (len(audits.by_path) != 1)} audited"]
    if required:
        parts.append(f"{failed} of the required targets ({', '.join(required)}) missed" if failed else
                     f"the required targets ({', '.join(required)}) take every file whole")  # fmt: skip
    if audits.errors:
        parts.append(f"{len(audits.errors)} not readable")
    titles = audits.titles
    rows = []
    for path, audit in audits.by_path.items():
        words = {each.title: f"{SIGNS[each.light]} {each.word}" for each in audit.verdicts}
        rows.append([path, *(words.get(title, "") for title in titles)])
    return GateReport("ecbsr-audit", "; ".join(parts), checks, ["file", *titles], rows)


def _evidence(audit: Audit) -> str:
    """What was found out on this machine, and the beginning of a sentence about the rest."""
    done = ["The CPU was measured"] if audit.measured else []
    done += ["the GPU delegate was asked"] if audit.gpu is not None and audit.gpu.taken is not None else []
    compiled = {vendor_of(soc) for soc, report in (audit.npu or {}).items() if report.taken is not None}
    done += [f"{VENDORS[vendor].title}'s compiler was run" for vendor in sorted(compiled)]
    text = ", ".join(done)
    return f"{text[0].upper()}{text[1:]} on this machine; the others are" if done else "These are"


def _print_delegates(delegates: tuple[DelegateAudit, ...], measured: XnnpackReport | None) -> None:
    header = ["delegate", "delegated", "partitions", "supported", "not verified"]
    rows = [
        [
            delegate.title,
            f"{delegate.taken}/{delegate.total}" if delegate.loads else "fails",
            delegate.partitions,
            delegate.accepted,
            delegate.unknown,
        ]
        for delegate in delegates
    ]
    if measured is not None:
        delegated = f"{len(measured.nodes)}/{measured.total}" if measured.loads else "fails"
        rows.insert(1, ["XNNPACK (CPU), measured here", delegated, measured.partitions, "", ""])
    tables.print_table(header, rows, optional=["not verified", "supported"])
    if measured is not None:
        failure = "" if measured.loads else f" does not load the model: {measured.error}"
        common.print_line(f"\nMeasured here: {measured.runtime} on {measured.machine}{failure}")


def _print_reasons(delegate: DelegateAudit) -> None:
    """Print each reason once, with the nodes that share it."""
    nodes: dict[tuple[str, str, str, str], list[int]] = {}
    for unsupported in delegate.refused:
        key = (_SUPPORT[unsupported.verdict], unsupported.operator, unsupported.reason, unsupported.source)
        nodes.setdefault(key, []).append(unsupported.node)
    if nodes or delegate.notes:
        common.print_line(f"\n{delegate.title}" + "".join(f"\n  {note}" for note in delegate.notes))
    for (support, operator, reason, source), numbers in nodes.items():
        where = f"node{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
        common.print_line(f"  {support}: {short_name(operator)} ({where}) {reason} [{source}]")


def _print_invariants(broken: tuple[BrokenInvariant, ...]) -> None:
    common.print_line(f"\nInteger invariants: {len(broken) or 'none'} broken")
    for invariant in broken:
        operator = short_name(invariant.operator)
        common.print_line(f"  node {invariant.node} {operator}: {invariant.reason} [{invariant.source}]")


def _print_npu(vendor: str, reports: CompileReports) -> None:
    from ..npu import results

    emulated = any(report.emulated for report in reports.values())
    header = ["SoC", *COMPILER_COLUMNS, "compile s"]
    header += ["dB to CPU", "max difference", "dB to fp32", "max difference"] if emulated else []
    common.print_line(f"\n{VENDORS[vendor].title}'s compiler, on this machine")
    tables.print_table(header, [_npu_row(soc, report, emulated) for soc, report in reports.items()])
    for size in dict.fromkeys(report.size for report in reports.values() if report.size):
        common.print_line(f"Compiled for {resolutions.name(size)}; MB: {results.STATIC}")
    kinds = dict.fromkeys(report.arithmetic for report in reports.values())
    if set(kinds) != {"integer"}:
        common.print_line(f"Arithmetic: {', '.join(kinds)}; NPU compilers support float models as well")
    if emulated:
        common.print_line(f"dB and max difference (of 255), for a crop of a bundled image: {results.EMULATED}")
    _print_npu_notes(reports)


def compiler_cells(report: CompileReport) -> list[str]:
    """The cells of a compile report under `COMPILER_COLUMNS`; "-" where the compiler reports nothing."""
    traffic = ["-" if value is None else f"{value:.2f}" for value in (report.read_mb, report.write_mb, report.spill_mb)]
    return [report.status, *counts(report), *traffic]


def _npu_row(soc: str, report: CompileReport, emulated: bool) -> list[str]:
    cells = [soc, *compiler_cells(report), f"{report.seconds:.1f}"]
    if emulated:
        cells += difference_cells(report.emulated.cpu if report.emulated else None)
        cells += difference_cells(report.emulated.fp32 if report.emulated else None)
    return cells


def _print_npu_notes(reports: CompileReports) -> None:
    """Print each note and refused operator once, with the SoCs that share it."""
    socs: dict[str, list[str]] = {}
    for soc, report in reports.items():
        lines = [f"{report.status}: {report.note}"] if report.note else []
        lines += [report.emulated.note] if report.emulated and report.emulated.note else []
        lines += [
            f"stays on the CPU: {short_name(refused.operator)} (node {refused.node}): {refused.reason}"
            for refused in report.refused
        ]
        for line in lines:
            socs.setdefault(line, []).append(soc)
    for line, names in socs.items():
        common.print_line(f"  {line} ({'all SoCs' if len(names) == len(reports) else ', '.join(names)})")
