"""What commands print about the GPU delegate's reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common, tables

from .. import resolutions

if TYPE_CHECKING:
    from ..gpu.results import GpuReport
    from ..npu.results import CompileReport
    from ..validation.difference import Difference


def print_report(report: GpuReport) -> None:
    """Print what the delegate takes, why not the rest, and what it computes."""
    from ..gpu.results import SOFTWARE, STATUSES

    where = f" on {report.adapter}" if report.adapter else ""
    common.print_line(f"\nML Drift, LiteRT's GPU delegate, in {report.precision}{where}, on this machine")
    header = ["status", "delegated", "partitions", "dB to CPU", "max difference", "dB to fp32", "max difference"]
    differences = [*difference_cells(report.cpu), *difference_cells(report.fp32)]
    tables.print_table(header, [[report.status, *counts(report), *differences]])
    common.print_line(f"{report.status}: {STATUSES[report.status]}{f' ({report.note})' if report.note else ''}")
    if report.software:
        common.print_line(SOFTWARE)
    if report.crop_size:
        size = resolutions.name(report.crop_size)
        common.print_line(f"dB and max difference (of 255), for a crop of a bundled image of {size}")
    for refused in report.refused:
        common.print_line(f"  stays on the CPU: {refused.operator} (node {refused.node}): {refused.reason}")


def print_reports(reports: Mapping[str, GpuReport]) -> None:
    """Print a line per file: what the delegate takes of each."""
    rows = [[name, report.adapter or "-", report.precision, report.status, *counts(report)]
            for name, report in reports.items()]  # fmt: skip
    common.print_line()
    tables.print_table(["GPU delegate", "adapter", "precision", "status", "delegated", "partitions"], rows)
    for note in dict.fromkeys(report.note for report in reports.values() if report.note):
        common.print_line(note)


def counts(report: GpuReport | CompileReport) -> list[str]:
    """The operators that are taken of the total, and the partitions; "-" where nothing is said of them."""
    if report.taken is None:
        return ["-", "-"]
    return [f"{report.taken}/{report.total}", str(report.partitions)]


def difference_cells(difference: Difference | None) -> list[str]:
    """PSNR in dB and the largest difference on the scale 0..255; "-" where nothing was compared."""
    if difference is None:
        return ["-", "-"]
    psnr = "equal" if difference.psnr_db is None else f"{difference.psnr_db:.2f}"
    return [psnr, f"{difference.max_abs_diff:.3g}"]
