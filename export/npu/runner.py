"""Compile several models for several SoCs, in parallel on the cores of this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.files import check_outputs, write_bytes
from ecbsr_mobile.utils.guard import TemporaryFolder
from ecbsr_mobile.utils.progress import Notify, Progress
from ecbsr_mobile.utils.scheduling import usable_cores

from ..validation.sample_crop import SampleCrop
from . import vendors
from .compiler import compile_for, report_on
from .emulator import emulate
from .qualcomm_sdk import toolchain
from .results import CompileReport, CompileReports, EmulationResult
from .socs import QUALCOMM, QUALCOMM_SOCS, vendor_of
from .toolchain import Toolchain


def compile_models(
    models: Mapping[str, bytes],
    socs: Sequence[str] = tuple(QUALCOMM_SOCS),
    crops: Mapping[str, SampleCrop | str] | None = None,
    keep: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    notice: Notify = lambda _text: None,
    progress: Progress = lambda items, _label: items,
) -> Mapping[str, CompileReports]:
    """Compile each model for each SoC with its vendor's compiler; only Qualcomm's has an emulator.

    Args:
        models: path → bytes of a `.tflite` file of fixed size (see `resolutions.sized`).
        socs: as `socs.parse_socs` gives them.
        crops: path → the sample crop to emulate and compare with, or why there is none; None: no emulation.
        keep: folder for the compiled files, named MODEL-SOC.tflite; None deletes them.
        overwrite: replace files in `keep`.
        notice: called with the license notice before the first program runs.
        progress: wraps the work to show progress.

    Returns:
        path → SoC → report.

    Raises:
        UsageError: the compiled files of two models would have the same name, or one exists already.
        EcbsrError: Qualcomm's compiler is not installed, one does not load, or a compiled file cannot be written.
    """
    stems = [Path(path).stem for path in models]
    if keep is not None and len(set(stems)) < len(stems):
        raise UsageError(
            "two of the models have the same file name, and so would their compiled files; compile them separately"
        )
    if keep is not None:
        check_outputs([_kept(keep, path, soc) for path in models for soc in socs], overwrite)
    reports: dict[str, dict[str, CompileReport]] = {path: {} for path in models}
    notices: set[str] = set()
    for (vendor, version), socs_of_vendor in _groups(socs).items():
        reason = "" if vendor == QUALCOMM else vendors.missing(vendor)
        if reason:
            for path, model in models.items():
                reports[path][vendor] = report_on("not_installed", tflite.read(model), reason)
            continue
        emulated = crops if crops and vendor == QUALCOMM else {}
        with toolchain() if vendor == QUALCOMM else vendors.toolchain(vendor, version) as tools:
            if tools.notice not in notices:  # once for the versions of an SDK
                notices.add(tools.notice)
                notice(tools.notice)
            with closing(_compiled(tools, models, socs_of_vendor, emulated, progress)) as results:
                for path, soc, report, compiled in results:
                    reports[path][soc] = report
                    if keep is not None and compiled is not None:
                        write_bytes(_kept(keep, path, soc), compiled, overwrite)
    return reports


def _compiled(
    tools: Toolchain,
    models: Mapping[str, bytes],
    socs: Sequence[str],
    crops: Mapping[str, SampleCrop | str],
    progress: Progress,
) -> Generator[tuple[str, str, CompileReport, bytes | None], None, None]:
    """Compile each model for each SoC of a vendor, one on each core; yields path, SoC, report and compiled file."""
    stop = threading.Event()
    compilation = _Compilation(tools, stop)
    pool = ThreadPoolExecutor(max_workers=len(usable_cores()))
    try:
        work = [
            (path, soc, pool.submit(compilation.run, soc, model, crops.get(path)))
            for path, model in models.items()
            for soc in socs
        ]
        for path, soc, future in progress(work, "compiling"):
            yield path, soc, *future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _groups(socs: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """The SoCs by vendor and version of its SDK."""
    groups: dict[tuple[str, str], list[str]] = {}
    for soc in socs:
        groups.setdefault((vendor_of(soc), vendors.sdk_version(soc)), []).append(soc)
    return groups


def _kept(folder: str | os.PathLike[str], path: str, soc: str) -> Path:
    return Path(folder) / f"{Path(path).stem}-{soc}.tflite"


@dataclass(frozen=True)
class _Compilation:
    """The programs and limits that all compilations share."""

    tools: Toolchain
    stop: threading.Event

    def run(self, soc: str, model: bytes, crop: SampleCrop | str | None) -> tuple[CompileReport, bytes | None]:
        """Compile a model and, if there is a crop, emulate the result."""
        report, compiled = self.compile(soc, model)
        if crop is None or compiled is None:
            return report, compiled
        return replace(report, emulated=self.emulate(soc, compiled, model, crop)), compiled

    def compile(self, soc: str, model: bytes) -> tuple[CompileReport, bytes | None]:
        with TemporaryFolder("ecbsr-npu-") as folder:
            return compile_for(self.tools, soc, model, Path(folder), stop=self.stop)

    def emulate(self, soc: str, compiled: bytes, model: bytes, crop: SampleCrop | str) -> EmulationResult:
        if isinstance(crop, str):
            return EmulationResult(note=crop)
        if crop.model != model:
            report, at_crop_size = self.compile(soc, crop.model)
            if at_crop_size is None:
                return EmulationResult(note=f"at the size of the crop, {report.status}: {report.note}")
            compiled = at_crop_size
        try:
            with TemporaryFolder("ecbsr-npu-") as folder:
                return emulate(self.tools, compiled, crop, Path(folder), self.stop)
        except (EcbsrError, subprocess_runner.TimedOut) as error:
            return EmulationResult(note=str(error))
