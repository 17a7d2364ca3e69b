"""What an export made, as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .audit.model_audit import Audit
from .resolutions import Size
from .validation.quality import Loss


@dataclass(frozen=True)
class ExportedFile:
    """One file that was written. `size` is the LR input's (width, height), None for any (ONNX).

    `max_abs_error` is the largest difference from onnxruntime's result (for ONNX: from torch's), in units of
    white; `loss` and `audit` are None for ONNX.
    """

    path: Path
    format: str
    precision: str
    target: str
    size: Size | None
    bytes: int
    sha256: str
    operators: dict[str, int]
    input: dict[str, Any]
    output: dict[str, Any]
    max_abs_error: float
    loss: Loss | None
    audit: Audit | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        loss = self.loss.to_json() if self.loss else {}
        told = self.audit.to_json() if self.audit else {}
        return {
            "path": str(self.path),
            "format": self.format,
            "precision": self.precision,
            "target": self.target,
            "size": list(self.size) if self.size else None,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "operators": self.operators,
            "input": self.input,
            "output": self.output,
            "max_abs_error": self.max_abs_error,
            "psnr_drop_db": loss.get("psnr_drop_db"),
            "fidelity_db": loss.get("fidelity_db"),
            "psnr_db": loss.get("psnr_db"),
            "psnr_float_db": loss.get("psnr_float_db"),
            "audit": told.get("audit"),
            "invariants": told.get("invariants"),
            **({"npu": told["npu"]} if "npu" in told else {}),
        }


@dataclass(frozen=True)
class Exported:
    """What `export` made: the network (see `recipe.model`) and the files."""

    model: dict[str, Any]
    files: tuple[ExportedFile, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"model": self.model, "files": [file.to_json() for file in self.files]}
