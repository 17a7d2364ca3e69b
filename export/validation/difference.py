"""How far the result of one device is from that of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile.metrics import psnr_from_mse

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Difference:
    """How two results differ: the largest absolute difference, of 255, and the PSNR in dB (None: they are equal)."""

    max_abs_diff: float
    psnr_db: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"max_abs_diff": float(f"{self.max_abs_diff:.4g}"), "psnr_db": self.psnr_db and round(self.psnr_db, 3)}


def differences_to_json(cpu: Difference | None, fp32: Difference | None) -> dict[str, Any]:
    """The difference from the CPU, with values of None where there is none; that from the float file as "fp32"."""
    none = {"max_abs_diff": None, "psnr_db": None}
    return {**(cpu.to_json() if cpu else none), "fp32": fp32 and fp32.to_json()}


def difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> Difference:
    """The difference of two results [H, W, C] in 0..255."""
    error = np.abs(first - second)
    mse = float(np.mean(error**2))
    return Difference(float(error.max()), psnr_from_mse(mse) if mse else None)
