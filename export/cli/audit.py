"""``ecbsr-audit``: which nodes of a `.tflite` file each delegate supports."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common, paths
from ecbsr_mobile.cli.parser import typed_name
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils import progress
from ecbsr_mobile.utils.files import check_outputs, write_bytes

from .. import resolutions
from ..npu.socs import NOT_CHECKED, QUALCOMM, SOCS, parse_socs
from .gpu_report import print_report

if TYPE_CHECKING:
    from ecbsr_mobile.tflite.xnnpack_probe import XnnpackReport

    from ..audit.batch import Audits
    from ..audit.delegate_audit import DelegateAudit
    from ..audit.invariants import BrokenInvariant
    from ..audit.model_audit import Audit
    from ..npu.results import CompileReport, CompileReports, Difference

_DESCRIPTION = """\
Show which nodes of a .tflite file each delegate supports, in how many partitions, and why not the others; which
invariants of quantized models the file breaks; and how it was made, if it records that. Delegates are compared with
tables (export/audit/delegates/) that name their sources, without a phone. "Measured here" is what the runtime of this
machine does. With --npu, an NPU compiler runs on this machine; its figures are static estimates. With --gpu, LiteRT's
GPU delegate is asked on this machine, on its GPU or a software one."""
COMPILER_COLUMNS = ("status", "supported", "partitions", "read MB", "write MB", "spill MB")
_SUPPORT = {"refused": "stays on the CPU", "fatal": "accepted, then fails", "unknown": "not verified"}


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code is 1 if a file could not be read."""
    options = parser().parse_args(argv)
    socs = parse_socs(options.npu) if options.npu else ()
    if not socs and (options.emulate or options.keep or options.size):
        raise UsageError(f"--emulate, --keep and --size need an NPU compiler: add --npu {QUALCOMM}")
    if options.range and not (options.html or options.emulate or options.gpu):
        raise UsageError("--range is for the crop of a bundled image: add --html, --gpu or --emulate")
    if options.precision and not options.gpu:
        raise UsageError("--precision is what the GPU computes in: add --gpu")
    size = resolutions.parse(options.size) if options.size else None
    from ..audit.batch import audit_all

    if options.html:
        check_outputs([options.html], options.overwrite)
    audits = audit_all(
        options.files,
        socs,
        size,
        emulate=options.emulate,
        keep=options.keep,
        overwrite=options.overwrite,
        sample_crops=options.html is not None,
        gpu=(options.precision or "fp32") if options.gpu else None,
        value_range=options.range,
        notice=_notice,
        progress=progress.bar,
    )
    if options.html:
        _write_page(options.html, audits, options.overwrite)
    for error in audits.errors.values():
        common.problem(f"{typed_name()}: {error}")
    for note in (note for notes in audits.notes.values() for note in notes):
        common.notice(f"note: {note}")
    if options.json:
        common.print_json(audits.to_json())
    else:
        for path, audit in audits.by_path.items():
            _print_audit(path, audit)
    return common.FAILED if audits.errors else common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = common.parser("ecbsr-audit", _DESCRIPTION)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", type=paths.INPUT_FILE_OR_FOLDER,
        help="a .tflite file, or a folder of .tflite files")  # fmt: skip
    add("--npu", metavar="VENDOR[:SOC,…]",
        help=f"compile with the NPU compiler of the extra [{QUALCOMM}]: {QUALCOMM} for all of "
        f"{', '.join(SOCS)}, or some of them; those of {', '.join(NOT_CHECKED)} are not public")  # fmt: skip
    add("--emulate", action="store_true",
        help="run the compiled files in the vendor's emulator, on a crop of a bundled image, and compare")  # fmt: skip
    add("--size", metavar="SIZE", help="compile for this LR input, WIDTHxHEIGHT or "
        f"{', '.join(resolutions.SIZES)} (default: the file's; 540p if that is dynamic)")  # fmt: skip
    add("--keep", metavar="DIR", type=paths.OUTPUT_FOLDER,
        help="keep the compiled files in this folder, as NAME-SOC.tflite")  # fmt: skip
    add("--gpu", action="store_true",
        help="ask ML Drift, LiteRT's GPU delegate, on this machine (a software GPU is enough), run a crop of a bundled "
        "image with it, and compare")  # fmt: skip
    add("--precision", choices=("fp32", "fp16"), help="what the GPU computes in, with --gpu (fp32)")
    add("--html", metavar="FILE", type=paths.OUTPUT_FILE,
        help="write an HTML page about the files, with crops of a bundled image")  # fmt: skip
    common.add_overwrite_option(parser)
    add("--range", type=int, choices=(1, 255),
        help="float values of the crop are in [0, RANGE] (default: as recorded, or the better image)")  # fmt: skip
    add("--json", action="store_true", help="print the result as JSON")
    return parser


def _notice(text: str) -> None:
    common.notice(f"{typed_name()}: {text}")


def _write_page(path: str, audits: Audits, overwrite: bool) -> None:
    from ..audit.page import html

    write_bytes(path, html(audits).encode(), overwrite)


def _print_audit(path: str, audit: Audit) -> None:
    from ecbsr_mobile.tflite.graph import short_name

    counts = ", ".join(f"{count} {short_name(operator)}" for operator, count in audit.operators.items())
    common.print_line(f"{path}: {os.path.getsize(path)} bytes; {counts or 'no operators'}\n")
    if audit.subgraphs > 1:
        common.print_line(f"The first of its {audit.subgraphs} subgraphs:")
    _print_delegates(audit.delegates, audit.measured)
    for delegate in audit.delegates:
        _print_reasons(delegate)
    if audit.npu is not None:
        _print_npu(audit.npu)
    if audit.gpu is not None:
        print_report(audit.gpu)
    _print_invariants(audit.invariants)
    if audit.recipe is None:
        common.print_line("\nRecipe: none; the file does not record how it was made\n")
    else:
        common.print_line(f"\nRecipe:\n{json.dumps(audit.recipe, indent=2, ensure_ascii=False)}\n")


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
    common.print_table(header, rows)
    common.print_line()
    if measured is not None:
        failure = "" if measured.loads else f" does not load the model: {measured.error}"
        common.print_line(f"Measured here: {measured.runtime} on {measured.machine}{failure}")


def _print_reasons(delegate: DelegateAudit) -> None:
    """Print each reason once, with the nodes that share it."""
    from ecbsr_mobile.tflite.graph import short_name

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
    from ecbsr_mobile.tflite.graph import short_name

    common.print_line(f"\nInteger invariants: {len(broken) or 'none'} broken")
    for invariant in broken:
        operator = short_name(invariant.operator)
        common.print_line(f"  node {invariant.node} {operator}: {invariant.reason} [{invariant.source}]")


def _print_npu(reports: CompileReports) -> None:
    from ..npu import results

    emulated = any(report.emulated for report in reports.values())
    header = ["SoC", *COMPILER_COLUMNS, "compile s"]
    header += ["dB to CPU", "max difference", "dB to fp32", "max difference"] if emulated else []
    common.print_line("\nQualcomm's compiler, on this machine")
    common.print_table(header, [_npu_row(soc, report, emulated) for soc, report in reports.items()])
    for size in dict.fromkeys(report.size for report in reports.values() if report.size):
        common.print_line(f"Compiled for {resolutions.name(size)}; MB: {results.STATIC}")
    kinds = dict.fromkeys(report.arithmetic for report in reports.values())
    if set(kinds) != {"integer"}:
        common.print_line(f"Arithmetic: {', '.join(kinds)}; NPU compilers support float models as well")
    if emulated:
        common.print_line(f"dB and max difference (of 255), for a crop of a bundled image: {results.EMULATED}")
    _print_npu_notes(reports)
    common.print_line(f"Not checked: {', '.join(NOT_CHECKED)}")


def compiler_cells(report: CompileReport) -> list[str]:
    """The cells of a compile report under `COMPILER_COLUMNS`; "-" where the compiler reports nothing."""
    traffic = ["-" if value is None else f"{value:.2f}" for value in (report.read_mb, report.write_mb, report.spill_mb)]
    return [
        report.status,
        "-" if report.taken is None else f"{report.taken}/{report.total}",
        "-" if report.partitions is None else str(report.partitions),
        *traffic,
    ]


def _npu_row(soc: str, report: CompileReport, emulated: bool) -> list[str]:
    cells = [soc, *compiler_cells(report), f"{report.seconds:.1f}"]
    if emulated:
        cells += _difference_cells(report.emulated.cpu if report.emulated else None)
        cells += _difference_cells(report.emulated.fp32 if report.emulated else None)
    return cells


def _difference_cells(difference: Difference | None) -> list[str]:
    if difference is None:
        return ["-", "-"]
    psnr = "equal" if difference.psnr_db is None else f"{difference.psnr_db:.2f}"
    return [psnr, f"{difference.max_abs_diff:.1f}"]


def _print_npu_notes(reports: CompileReports) -> None:
    """Print each note and rejected operator once, with the SoCs that share it."""
    from ecbsr_mobile.tflite.graph import short_name

    socs: dict[str, list[str]] = {}
    for soc, report in reports.items():
        lines = [f"{report.status}: {report.note}"] if report.note else []
        lines += [report.emulated.note] if report.emulated and report.emulated.note else []
        lines += [
            f"stays on the CPU: {short_name(rejected.operator)} (node {rejected.node}): {rejected.reason}"
            for rejected in report.refused
        ]
        for line in lines:
            socs.setdefault(line, []).append(soc)
    for line, names in socs.items():
        common.print_line(f"  {line} [{'all' if len(names) == len(reports) else ', '.join(names)}]")
