"""What an export's files are asked about on this machine: an NPU's compiler and the GPU delegate, for the recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.progress import Notify

from .npu.socs import QUALCOMM, vendor_of
from .options import ExportOptions

if TYPE_CHECKING:
    from .gpu.results import GpuReport
    from .npu.results import CompileReports


@dataclass(frozen=True)
class DeviceReports:
    """The reports on one file; None where they were not asked for."""

    npu: CompileReports | None = None
    gpu: GpuReport | None = None

    def for_recipe(self) -> dict[str, Any]:
        """The entries of the recipe."""
        from .gpu import results as gpu_results
        from .npu import results as npu_results

        npu = {} if self.npu is None else {"npu": npu_results.for_recipe(self.npu)}
        return npu | ({} if self.gpu is None else {"gpu": gpu_results.for_recipe(self.gpu)})


def check_available(options: ExportOptions) -> None:
    """Check that the compiler and the GPU that the options ask for are there.

    Raises:
        EcbsrError: one is not.
    """
    if any(vendor_of(soc) == QUALCOMM for soc in options.npu_socs):
        from .npu.qualcomm_sdk import toolchain

        with toolchain():  # raises where it is not installed
            pass
    if options.gpu:
        from .gpu.accelerator import find_adapter
        from .gpu.results import INSTALL

        adapter = find_adapter()
        if isinstance(adapter, str):
            raise EcbsrError(f"the GPU delegate cannot be asked: {adapter}; {INSTALL}")


def device_reports(models: Mapping[str, bytes], options: ExportOptions, progress: Notify) -> dict[str, DeviceReports]:
    """The reports on each of `models`, file name → bytes. The recipe is added later, and does not change them."""
    npu: Mapping[str, CompileReports] = {}
    gpu: Mapping[str, GpuReport] = {}
    if options.npu:
        from .npu.runner import compile_models

        progress(f"compiling with the NPU compiler for {', '.join(options.npu_socs)}")
        npu = compile_models(models, options.npu_socs, notice=progress)
    if options.gpu:
        from .gpu.runner import query_models

        progress("asking the GPU delegate")
        gpu = query_models(models)
    return {name: DeviceReports(npu.get(name), gpu.get(name)) for name in models}
