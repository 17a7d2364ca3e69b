"""``ecbsr-audit``: which nodes of a `.tflite` file each delegate supports."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common, gate_report, paths
from ecbsr_mobile.cli.parser import Joined
from ecbsr_mobile.cli.scripts import typed_name
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils import progress, verbosity
from ecbsr_mobile.utils.files import check_outputs, write_bytes
from ecbsr_mobile.utils.text import to_utf8

from .. import resolutions
from ..audit import targets
from ..npu.socs import QUALCOMM, VENDORS, parse_socs, vendor_of

if TYPE_CHECKING:
    from ..audit.batch import Audits
    from ..audit.verdicts import Verdict

_DESCRIPTION = """\
Show what each target (CPU, GPU, NNAPI, NPUs) does with a .tflite file: whether it takes all nodes, in how many
partitions, why not the others (--verbose), and which invariants of quantized models the file breaks. Delegates are
compared with tables (export/audit/delegates/) that name their sources, without a phone. "Measured here" is what the
runtime of this machine does. With --npu, an NPU compiler runs on this machine; its figures are static estimates.
With --gpu, LiteRT's GPU delegate is asked on this machine, on its GPU or a software one."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code is 1 if a file could not be read, or if a target of `--require` misses one."""
    options = parser().parse_args(argv)
    socs = parse_socs(options.npu) if options.npu else ()
    _check_options(options, socs)
    size = resolutions.parse(options.size) if options.size else None
    required = targets.parse(options.require) if options.require is not None else ()
    from ..audit import verdicts
    from ..audit.batch import audit_all, tflite_paths
    from . import audit_report

    files = [zoo.bundled_tflite(file) or file for file in options.files]
    pages = [options.html] if options.html else []
    gate_report.check_options(options, tflite_paths(files), pages)
    for page in pages:
        gate_report.check_report_name(page)
    check_outputs(pages, options.overwrite)
    audits = audit_all(
        files,
        socs,
        size,
        emulate=options.emulate,
        keep=options.keep,
        overwrite=options.overwrite,
        sample_crops=options.html is not None,
        gpu=(options.precision or "fp32") if options.gpu else None,
        value_range=options.range,
        notice=lambda text: common.notice(f"{typed_name()}: {text}"),
        progress=progress.bar,
    )
    if options.html:
        from ..audit.page import html

        write_bytes(options.html, to_utf8(html(audits)).encode(), options.overwrite)
    missed = {path: verdicts.missed(audit.verdicts, required) for path, audit in audits.by_path.items()}
    gate_report.write(options, audit_report.gate(audits, missed, required))
    for error in audits.errors.values():
        common.problem(f"{typed_name()}: {error}")
    for note in (note for notes in audits.notes.values() for note in notes):
        common.notice(f"note: {note}")
    if options.json:
        common.print_json({**audits.to_json(), **_required(required, missed)})
    else:
        for path, audit in audits.by_path.items():
            audit_report.print_audit(path, audit, recipe=options.recipe)
    for path, verdicts_missed in missed.items():
        for verdict in verdicts_missed:
            common.problem(f"{typed_name()}: {path}: required of {verdict.target}: {verdict.sentence}")
    _hint(options, audits)
    return common.FAILED if audits.errors or any(missed.values()) else common.DONE


def _check_options(options: argparse.Namespace, socs: Sequence[str]) -> None:
    """Refuse an option without the one that it is about."""
    if not socs and (options.emulate or options.keep or options.size):
        raise UsageError(f"--emulate, --keep and --size need an NPU compiler: add --npu {QUALCOMM}")
    if options.emulate and QUALCOMM not in map(vendor_of, socs):
        raise UsageError(f"--emulate: only {QUALCOMM}'s compiler has an emulator: add {QUALCOMM} to --npu")
    if options.range and not (options.html or options.emulate or options.gpu):
        raise UsageError("--range is for the crop of a bundled image: add --html, --gpu or --emulate")
    if options.precision and not options.gpu:
        raise UsageError("--precision is what the GPU computes in: add --gpu")


def _required(required: Sequence[str], missed: Mapping[str, Sequence[Verdict]]) -> dict[str, Any]:
    """What `--require` decided, for the JSON document."""
    if not required:
        return {}
    entries = [{"path": path, "target": each.target, "title": each.title} for path in missed for each in missed[path]]
    return {"required": {"targets": list(required), "missed": entries}}


def _hint(options: argparse.Namespace, audits: Audits) -> None:
    """What was written, and what to do next."""
    if options.html:
        common.notice(f"the page is {options.html}")
    if not audits.by_path or options.json:
        return
    if not verbosity.is_verbose():
        common.notice("reasons: add --verbose; how a file was made: add --recipe")
    files = [path for path, model in audits.models.items() if path in audits.by_path and _can_be_timed(path, model)]
    if files:
        common.notice(common.how_to_time(files))


def _can_be_timed(path: str, model: bytes) -> bool:
    from ecbsr_mobile import tflite

    try:
        tflite.image_input(tflite.read(model))
    except EcbsrError:
        return False
    return path == to_utf8(path)


def script() -> None:
    """The command's entry point."""
    common.run(main)


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = common.parser("ecbsr-audit", _DESCRIPTION)
    others = ", ".join(vendor for vendor in VENDORS if vendor != QUALCOMM)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", type=paths.TFLITE_OR_FOLDER,
        help="a .tflite file, a folder of them, or NAME-int8 or NAME-fp32 of a bundled model")  # fmt: skip
    add("--npu", action=Joined, metavar="VENDOR[:SOC,…],…",
        help=f"compile with the NPU compilers of these vendors, for all or some of their SoCs: {QUALCOMM} (extra "
        f"[{QUALCOMM}]), {others} (where the vendor's SDK is installed)")  # fmt: skip
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
    add("--range", type=int, choices=(1, 255, -1),
        help="float values of the crop are in [0, RANGE], or for -1 in [-1, 1] (default: as recorded, or the better "
        "image)")  # fmt: skip
    add("--require", action=Joined, metavar="TARGET,…",
        help=f"exit 1 unless each of these takes every file whole: {', '.join(targets.NAMES)}")  # fmt: skip
    add("--recipe", action="store_true", help="print how each file was made, if it records that")
    gate_report.add_options(parser)
    add("--json", action="store_true", help="print the result as JSON")
    return parser
