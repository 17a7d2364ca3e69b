"""What the GPU delegate reports about a model and what it computes, as values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from ..resolutions import Size
from ..validation.difference import Difference, differences_to_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRECISIONS = ("fp32", "fp16")
"""What the delegate computes in; on phones it uses fp16 unless an app asks for fp32."""

STATUSES = {
    "ok": "every operator is taken",
    "partial": "some operators stay on the CPU",
    "refused": "no operator is taken",
    "failed": "the delegate takes operators and then fails",
    "crashed": "a signal ended the process",
    "timeout": "the delegate exceeded its time limit",
    "no_adapter": "this machine has no GPU, nor a software one, that the delegate can use",
    "no_fp16": "the adapter has no 16-bit arithmetic",
}

SOFTWARE = "software adapter: operators and values, never a time"
"""What the results of a software adapter stand for."""

INSTALL = (
    "for a software GPU: apt install chromium (its SwiftShader is found by itself); for a real one, its Vulkan driver"
)
"""What to do without an adapter."""


@dataclass(frozen=True)
class RefusedOp:
    """An operator that stays on the CPU: its index in the model, the name of its output, the delegate's reason."""

    node: int
    operator: str
    tensor: str
    reason: str


@dataclass(frozen=True)
class GpuReport:
    """What the GPU delegate does with a model; None where it says nothing.

    Attributes:
        status: a key of `STATUSES`.
        precision: one of `PRECISIONS`.
        adapter: name of the GPU.
        software: whether a CPU emulates it.
        size: (width, height) of the LR input that the delegate was asked about.
        taken: operators that run on the GPU, of `total`, in `partitions`.
        total: operators of the model.
        partitions: groups of operators on the GPU.
        refused: the operators that stay on the CPU.
        cpu: difference of the result for a crop of a bundled image from that of this machine's CPU.
        fp32: difference from the result of the float file of the same weights; None where there is none.
        crop_size: (width, height) of that LR crop.
        note: the first error of a delegate that failed, or why no crop was run.
        pixels: the result [H, W, C] in 0..255, not rounded.
    """

    status: str
    precision: str
    adapter: str | None = None
    software: bool | None = None
    size: Size | None = None
    taken: int | None = None
    total: int | None = None
    partitions: int | None = None
    refused: tuple[RefusedOp, ...] = ()
    cpu: Difference | None = None
    fp32: Difference | None = None
    crop_size: Size | None = None
    note: str = ""
    pixels: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `max_abs_diff` and `psnr_db` are the difference from the CPU."""
        fields: dict[str, Any] = msgspec.to_builtins(replace(self, pixels=None, cpu=None, fp32=None))
        del fields["pixels"], fields["cpu"]
        return {**fields, **differences_to_json(self.cpu, self.fp32)}


def for_recipe(report: GpuReport) -> dict[str, Any]:
    """The part of a report that a recipe records: what the delegate takes, not what the adapter computes."""
    document = report.to_json()
    for name in ("max_abs_diff", "psnr_db", "fp32", "crop_size"):
        del document[name]
    return document
