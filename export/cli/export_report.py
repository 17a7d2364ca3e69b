"""What `ecbsr-export` prints about the files that it wrote, and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common, tables
from ecbsr_mobile.cli.gate_report import Check, GateReport

from ..lights import SIGNS
from ..npu.results import STATIC
from .audit_report import COMPILER_COLUMNS, compiler_cells
from .gpu_report import print_reports

if TYPE_CHECKING:
    from ..audit.delegate_audit import DelegateAudit
    from ..results import Exported, ExportedFile

SHOWN_TARGETS = ("cpu", "gpu", "nnapi", "qualcomm")
"""The targets that the last lines name; `ecbsr-audit` shows the others."""

MIN_LOSS_DB = 0.0005
"""What rounds to a thousandth of a dB: less, or a gain by chance, is no loss."""


def print_files(exported: Exported) -> None:
    """Print a table of the files."""
    model = exported.model
    header, rows = _table(exported)
    nodes = ["pieces", "CPU nodes"] if any(file.target == "gpu" for file in exported.files) else ["GPU nodes", "pieces"]
    title = f"{model['name']}, {model['parameters']} parameters"
    tables.print_table(header, rows, title, optional=["fidelity dB", "largest error", "bytes", *nodes])


def notice_next_step(exported: Exported) -> None:
    """Say on standard error what each precision loses, what each target does with it, and how to time it."""
    kinds: dict[tuple[str, str], ExportedFile] = {}
    for file in exported.files:
        if file.audit:
            kinds.setdefault((file.precision, file.target), file)  # of the first size, which was measured
    for file in kinds.values():
        common.notice(f"{_kind(file)}: {_loss(file)}")
        for verdict in file.audit.verdicts if file.audit else ():
            if verdict.target in SHOWN_TARGETS:
                common.notice(f"  {SIGNS[verdict.light]} {verdict.sentence}")
        if (file.precision, file.target) == ("int8", "gpu"):
            common.notice(
                "  a GPU computes int8 in floating point, and converts input and output on the CPU for every image: "
                "--fp16 suits it better"
            )
    files = [str(file.path) for file in exported.files if file.format == "tflite"]
    if files:
        common.notice(common.how_to_time(files))


def gate(exported: Exported, max_drop: float) -> GateReport:
    """The decisions of the quality gate, which every written file has passed."""
    checks = [
        Check(str(file.path), "quality gate", "passed", f"{_loss(file)}; {max_drop:g} dB are allowed")
        for file in exported.files
    ]
    header, rows = _table(exported)
    count = len(exported.files)
    answer = f"{exported.model['name']}: {count} file{'s' * (count != 1)} passed the quality gate"
    return GateReport("ecbsr-export", answer, checks, header, rows)


def print_npu_reports(exported: Exported) -> None:
    """Print a table of the compile reports."""
    rows = [
        [file.path.name, soc, *compiler_cells(report)]
        for file in exported.files
        if file.audit
        for soc, report in (file.audit.npu or {}).items()
    ]
    common.print_line()
    tables.print_table(["NPU compiler", "SoC", *COMPILER_COLUMNS], rows)
    common.print_line(f"MB: {STATIC}")
    reports = [file.audit.npu for file in exported.files if file.audit and file.audit.npu]
    notes = [f"{soc}: {report.note}" for npu in reports for soc, report in npu.items() if report.note]
    for note in dict.fromkeys(notes):
        common.print_line(note)


def print_gpu_reports(exported: Exported) -> None:
    """Print what the GPU delegate said about each file."""
    print_reports({file.path.name: file.audit.gpu for file in exported.files if file.audit and file.audit.gpu})


def _table(exported: Exported) -> tuple[list[str], list[list[str]]]:
    files = exported.files
    columns = {
        "file": [str(file.path) for file in files],
        "bytes": [str(file.bytes) for file in files],
        "largest error": [f"{file.max_abs_error:.1e}" for file in files],
        "loss dB": tables.aligned([max(file.loss.drop_db, 0.0) if file.loss else None for file in files], 3),
        "fidelity dB": tables.aligned([file.loss.fidelity_db if file.loss else None for file in files], 1),
        "CPU nodes": [_nodes(file, "xnnpack") for file in files],
        "pieces": [_partitions(file) for file in files],
        "GPU nodes": [_nodes(file, "gpu_ml_drift") for file in files],
    }
    return list(columns), [list(cells) for cells in zip(*columns.values(), strict=True)]


def _delegate(file: ExportedFile, name: str) -> DelegateAudit | None:
    return next((each for each in file.audit.delegates if each.name == name), None) if file.audit else None


def _nodes(file: ExportedFile, name: str) -> str:
    delegate = _delegate(file, name)
    return f"{delegate.taken}/{delegate.total}" if delegate else "-"


def _partitions(file: ExportedFile) -> str:
    delegate = _delegate(file, "xnnpack")
    return str(delegate.partitions) if delegate else "-"


def _kind(file: ExportedFile) -> str:
    return file.precision if file.target == "any" else f"{file.precision} for {file.target}"


def _loss(file: ExportedFile) -> str:
    if file.loss is None or file.loss.drop_db < MIN_LOSS_DB:
        return "no loss"
    return f"loses {file.loss.drop_db:.3f} dB of {file.loss.psnr_float:.2f} on {file.loss.pictures} images"
