"""What an NPU compiler reports about a model, and what the vendor's emulator computes, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..resolutions import Size
from ..validation.difference import Difference, differences_to_json
from .socs import VENDORS, vendor_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STATUSES = {
    "ok": "every operator is supported",
    "partial": "some operators stay on the CPU",
    "refused": "no operator is supported",
    "failed": "the compiler ended with an error",
    "crashed": "a signal ended the compiler",
    "timeout": "the compiler exceeded its time limit",
    "unreadable": "the output of the compiler is not understood",
    "not_installed": "the vendor's SDK is not installed",
}

STATIC = "compiler, static"
"""Source of the compiler's figures: an estimate of memory traffic, made without running anything."""

EMULATED = "vendor emulator, not a device"
"""Source of the emulator's results."""


@dataclass(frozen=True)
class RefusedOp:
    """An operator that the compiler leaves to the CPU. `node` is its index in the model."""

    node: int
    operator: str
    reason: str


@dataclass(frozen=True)
class EmulationResult:
    """What the vendor's emulator computes for a crop of a bundled image.

    Attributes:
        size: (width, height) of the LR crop; None if the emulator did not run.
        cpu: difference from the same file on the CPU of this machine.
        fp32: difference from the float file of the same weights; None if there is none.
        note: why the emulator did not run.
        pixels: the result [H, W, C] in 0..255, not rounded.
    """

    size: Size | None = None
    cpu: Difference | None = None
    fp32: Difference | None = None
    note: str = ""
    pixels: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **differences_to_json(self.cpu, self.fp32),
            "size": self.size and list(self.size),
            "source": EMULATED,
            "note": self.note,
        }


@dataclass(frozen=True)
class CompileReport:
    """What the compiler for one SoC reports about a model; None where it reports nothing.

    Attributes:
        status: a key of `STATUSES`.
        size: (width, height) of the LR input that the model was compiled for.
        arithmetic: "integer", "float" or "mixed": NPU compilers support float models as well.
        seconds: time of the compilation.
        taken: operators that were compiled, of `total`, in `partitions`.
        total: operators of the model.
        partitions: compiled partitions.
        refused: the operators that stay on the CPU.
        read_mb: estimated traffic from memory per image in MB (10^6 bytes), over all partitions.
        write_mb: estimated traffic to memory, likewise.
        spill_mb: the part of `write_mb` that is written because on-chip memory is full.
        note: the last error of a compiler that failed.
        compiler: version of the compiler.
        emulated: result of the vendor's emulator; None if it was not requested.
    """

    status: str
    size: Size | None
    arithmetic: str
    seconds: float
    taken: int | None = None
    total: int | None = None
    partitions: int | None = None
    refused: tuple[RefusedOp, ...] = ()
    read_mb: float | None = None
    write_mb: float | None = None
    spill_mb: float | None = None
    note: str = ""
    compiler: str | None = None
    emulated: EmulationResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **msgspec.to_builtins(replace(self, emulated=None)),
            "seconds": round(self.seconds, 2),
            "emulated": self.emulated and self.emulated.to_json(),
        }


CompileReports = Mapping[str, CompileReport]
"""SoC → report; where the vendor's SDK is not installed, the vendor's name → one report for all its SoCs."""

T = TypeVar("T")


def for_recipe(reports: CompileReports) -> dict[str, Any]:
    """The part of the reports that a recipe records: what the same file and compiler reproduce."""
    documents = {soc: report.to_json() for soc, report in reports.items()}
    for document in documents.values():
        del document["seconds"], document["emulated"]
    return by_vendor(documents)


def to_json(reports: CompileReports) -> dict[str, Any]:
    """The `npu` entry of a file in JSON: vendor → SoC → report, and "not checked" for the other vendors."""
    checked = by_vendor({soc: report.to_json() for soc, report in reports.items()})
    return {vendor: checked.get(vendor, "not checked") for vendor in VENDORS}


def by_vendor(values: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """Vendor → SoC → value, from SoC → value."""
    groups: dict[str, dict[str, T]] = {}
    for key, value in values.items():
        groups.setdefault(vendor_of(key), {})[key] = value
    return groups
