"""``ecbsr-audit``: what each delegate takes of a `.tflite` file, ours or anyone's."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils import progress

from .. import resolutions
from ..npu.socs import NOT_CHECKED, QUALCOMM, SOCS, parse_socs

if TYPE_CHECKING:
    from ..audit.batch import Audits
    from ..audit.delegate_audit import DelegateAudit
    from ..audit.model_audit import Audit
    from ..npu.results import CompileReport, CompileReports

_DESCRIPTION = """\
Tell which nodes of a .tflite file each delegate takes, in how many partitions, and why not the others; which
invariants of integer models it breaks; and how it was made, where it says so. All but the line "measured here"
comes from a table with its sources in export/audit/delegates/: no phone was asked. With --npu, an NPU's own
compiler is asked on this machine; what it says is static, and no time."""
_VERDICTS = {"refused": "stays on the CPU", "fatal": "accepted, then fails", "unknown": "not verified"}


def main(argv: list[str] | None = None) -> int:
    """The command; exit code 1 when a file could not be read."""
    options = _parser().parse_args(argv)
    socs = parse_socs(options.npu) if options.npu else ()
    if not socs and (options.emulate or options.keep or options.size):
        raise UsageError("--emulate, --keep and --size belong to a compiler: ask one with --npu qualcomm")
    size = resolutions.parse(options.size) if options.size else None
    from ..audit.batch import audit_all

    audits = audit_all(
        options.files,
        socs,
        size,
        emulate=options.emulate,
        keep=options.keep,
        pictures=options.html is not None,
        notice=_notice,
        progress=progress.bar,
    )
    if options.html:
        from ecbsr_mobile.utils.files import write_bytes

        from ..audit.page import html

        write_bytes(options.html, html(audits).encode())
    for error in audits.errors.values():
        _notice(error)
    if options.json:
        _print_json(audits)
    else:
        for path, found in audits.by_path.items():
            _print_text(path, found)
    return common.FAILED if audits.errors else common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("ecbsr-audit", _DESCRIPTION)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="a .tflite file, or a folder of some")
    add("--npu", metavar="VENDOR[:SOC,…]",
        help=f"ask an NPU's own compiler, installed as the extra [{QUALCOMM}]: {QUALCOMM}, for all of "
        f"{', '.join(SOCS)}, or for some; {', '.join(NOT_CHECKED)} cannot be checked")  # fmt: skip
    add("--emulate", action="store_true",
        help="run what was compiled by the vendor's emulation, on a bundled picture's tile, and compare")  # fmt: skip
    add("--size", metavar="SIZE", help="compile for this LR input, WIDTHxHEIGHT or "
        f"{', '.join(resolutions.SIZES)} (the file's own; 540p where it leaves that open)")  # fmt: skip
    add("--keep", metavar="DIR", help="keep the compiled files here, as NAME-SOC.tflite")
    add("--html", metavar="FILE", help="write a page about the files here, with crops of a picture")
    add("--json", action="store_true", help="print the result as JSON")
    return parser


def _notice(text: str) -> None:
    common.notice(f"ecbsr-audit: {text}")


def _print_json(audits: Audits) -> None:
    common.print_json(audits.to_json())


def _print_text(path: str, found: Audit) -> None:
    from ..tflite.graph import short_name

    counts = ", ".join(f"{count} {short_name(operator)}" for operator, count in found.operators.items())
    print(f"{path}: {os.path.getsize(path)} bytes; {counts or 'no operators'}\n")
    if found.subgraphs > 1:
        print(f"The first of its {found.subgraphs} subgraphs:")
    header = ["delegate", "takes", "partitions", "accepts", "not verified"]
    rows = [_row(delegate) for delegate in found.delegates]
    measured = found.measured
    if measured is not None:
        taken = f"{len(measured.nodes)}/{measured.total}" if measured.loads else "fails"
        rows.insert(1, ["XNNPACK (CPU), measured here", taken, str(measured.partitions), "", ""])
    common.print_table(header, rows)
    print()
    if measured is not None:
        where = f"{measured.runtime} on {measured.machine}"
        print(f"Measured here: {where}" + ("" if measured.loads else f" does not load the model: {measured.error}"))
    for delegate in found.delegates:
        _print_reasons(delegate)
    if found.npu is not None:
        _print_npu(found.npu)
    print(f"\nInteger invariants: {len(found.invariants) or 'none'} broken")
    for finding in found.invariants:
        print(f"  node {finding.node} {short_name(finding.operator)}: {finding.reason} [{finding.source}]")
    if found.recipe is None:
        print("\nRecipe: none; the file does not say how it was made\n")
    else:
        print(f"\nRecipe:\n{json.dumps(found.recipe, indent=2, ensure_ascii=False)}\n")


def _row(delegate: DelegateAudit) -> list[str]:
    taken = f"{delegate.taken}/{delegate.total}" if delegate.loads else "fails"
    return [delegate.title, taken, str(delegate.partitions), str(delegate.accepted), str(delegate.unknown)]


def _print_npu(verdicts: CompileReports) -> None:
    from ..npu import results
    from ..tflite.graph import short_name

    emulated = any(one.emulated for one in verdicts.values())
    header = ["SoC", "status", "takes", "partitions", "read MB", "write MB", "spill MB", "compiled s"]
    header += ["dB to CPU", "largest", "dB to fp32", "largest"] if emulated else []
    print("\nBy Qualcomm's own compiler, on this machine")
    common.print_table(header, [_npu_row(soc, one, emulated) for soc, one in verdicts.items()])
    for size in dict.fromkeys(one.size for one in verdicts.values() if one.size):
        print(f"Compiled for {resolutions.name(size)}; MB: {results.STATIC}")
    if any(one.arithmetic != "integer" for one in verdicts.values()):
        kinds = ", ".join(dict.fromkeys(one.arithmetic for one in verdicts.values()))
        print(f"Arithmetic: {kinds}; that an NPU takes a model does not make it int8")
    if emulated:
        print(f"dB and largest difference (of 255), at a tile of a bundled picture: {results.EMULATED}")
    said: dict[str, list[str]] = {}
    for soc, one in verdicts.items():
        notes = [one.note, one.emulated.note if one.emulated else ""]
        for text in [*(f"{one.status}: {note}" for note in notes[:1] if note), *filter(None, notes[1:])]:
            said.setdefault(f"  {text}", []).append(soc)
        for left in one.refused:
            text = f"  stays on the CPU: {short_name(left.operator)} (node {left.node}): {left.reason}"
            said.setdefault(text, []).append(soc)
    for text, socs in said.items():
        print(f"{text} [{'all' if len(socs) == len(verdicts) else ', '.join(socs)}]")
    print(f"Not checked: {', '.join(NOT_CHECKED)}")


def _npu_row(soc: str, one: CompileReport, emulated: bool) -> list[str]:
    taken = "-" if one.taken is None else f"{one.taken}/{one.total}"
    moved = ["-" if value is None else f"{value:.2f}" for value in (one.read_mb, one.write_mb, one.spill_mb)]
    cells = [
        soc,
        one.status,
        taken,
        "-" if one.partitions is None else str(one.partitions),
        *moved,
        f"{one.seconds:.1f}",
    ]
    for difference in (one.emulated.cpu, one.emulated.fp32) if one.emulated else (None, None):
        psnr = "-" if difference is None else "equal" if difference.psnr_db is None else f"{difference.psnr_db:.2f}"
        cells += [psnr, "-" if difference is None else f"{difference.max_abs_diff:.1f}"]
    return cells if emulated else cells[:8]


def _print_reasons(delegate: DelegateAudit) -> None:
    """The reasons, each once, with the nodes that share it."""
    from ..tflite.graph import short_name

    nodes: dict[tuple[str, str, str, str], list[int]] = {}
    for refusal in delegate.refused:
        nodes.setdefault((refusal.verdict, short_name(refusal.operator), refusal.reason, refusal.source), []).append(
            refusal.node
        )
    if nodes or delegate.notes:
        print(f"\n{delegate.title}" + "".join(f"\n  {note}" for note in delegate.notes))
    for (verdict, operator, reason, source), numbers in nodes.items():
        which = ", ".join(map(str, numbers))
        print(f"  {_VERDICTS[verdict]}: {operator} ({_node(numbers)} {which}) {reason} [{source}]")


def _node(numbers: list[int]) -> str:
    return "node" if len(numbers) == 1 else "nodes"
