"""What an NPU's compiler said of a model, and what the vendor's emulation computed, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..resolutions import Size
from .socs import NOT_CHECKED, QUALCOMM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STATUSES = {
    "ok": "every operator was taken",
    "partial": "some operators stay on the CPU",
    "refused": "no operator was taken",
    "failed": "the compiler ended with an error",
    "crashed": "the compiler was ended by a signal",
    "timeout": "the compiler did not end within its time",
    "unreadable": "the compiler's answer was not understood",
}
STATIC = "compiler, static"
"""What figures of the compiler are: its own estimate of traffic, made without running anything."""

EMULATED = "vendor emulator, not a device"


@dataclass(frozen=True)
class RejectedOp:
    """An operator that the compiler leaves to the CPU. `node` is its index in the model."""

    node: int
    operator: str
    reason: str


@dataclass(frozen=True)
class Difference:
    """How two results differ: the largest difference in steps of 255, PSNR in dB (None: they are equal)."""

    max_abs_diff: float
    psnr_db: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"max_abs_diff": round(self.max_abs_diff, 3), "psnr_db": self.psnr_db and round(self.psnr_db, 3)}


@dataclass(frozen=True)
class EmulationResult:
    """The vendor's emulation of the compiled model, on a bundled picture's tile of `size`.

    `cpu` is its difference from this machine's CPU running the same file, `fp32` that from the float network
    (None where no float file of the same weights is at hand). Both are None where it did not run: `note` says
    why. `pixels` is the emulation's result [H, W, C] in 0..255, not rounded.
    """

    size: Size | None = None
    cpu: Difference | None = None
    fp32: Difference | None = None
    note: str = ""
    pixels: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        nothing = {"max_abs_diff": None, "psnr_db": None}
        return {
            **(self.cpu.to_json() if self.cpu else nothing),
            "fp32": self.fp32 and self.fp32.to_json(),
            "size": self.size and list(self.size),
            "source": EMULATED,
            "note": self.note,
        }


@dataclass(frozen=True)
class CompileReport:
    """What the compiler for one SoC made of a model of `size` (width and height of the LR input).

    `taken` of `total` operators in `partitions` compiled pieces; the others are in `refused`. The bytes that
    it means to move to and from memory for one image, in MB (10^6), are sums over the pieces; `spill_mb` is
    the part of them written only because on-chip memory is full. `arithmetic` is "integer", "float" or "mixed": NPU
    compilers take float models as well. `compiler` is its version. None: the compiler did not say. `note` says what
    a failed one said last.
    """

    status: str
    size: Size | None
    arithmetic: str
    seconds: float
    taken: int | None = None
    total: int | None = None
    partitions: int | None = None
    refused: tuple[RejectedOp, ...] = ()
    read_mb: float | None = None
    write_mb: float | None = None
    spill_mb: float | None = None
    note: str = ""
    compiler: str | None = None
    emulated: EmulationResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "status": self.status,
            "taken": self.taken,
            "total": self.total,
            "partitions": self.partitions,
            "refused": [vars(left) for left in self.refused],
            "read_mb": self.read_mb,
            "write_mb": self.write_mb,
            "spill_mb": self.spill_mb,
            "seconds": round(self.seconds, 2),
            "size": self.size and list(self.size),
            "arithmetic": self.arithmetic,
            "note": self.note,
            "compiler": self.compiler,
            "emulated": self.emulated and self.emulated.to_json(),
        }


CompileReports = Mapping[str, CompileReport]
"""SoC → verdict."""


def for_recipe(verdicts: CompileReports) -> dict[str, Any]:
    """What a file may carry of it: all that the same file and compiler give again."""
    unsteady = ("seconds", "emulated")
    known = {soc: verdict.to_json().items() for soc, verdict in verdicts.items()}
    return {
        QUALCOMM: {soc: {key: value for key, value in items if key not in unsteady} for soc, items in known.items()}
    }


def to_json(verdicts: CompileReports) -> dict[str, Any]:
    """The `npu` entry of a file: each SoC's verdict by vendor, and a word for vendors that were not asked."""
    checked = {QUALCOMM: {soc: verdict.to_json() for soc, verdict in verdicts.items()}}
    return {**checked, **dict.fromkeys(NOT_CHECKED, "not checked")}
