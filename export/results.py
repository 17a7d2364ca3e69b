"""The result of an export, as values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecbsr_mobile.tflite import Tensor

from .audit.model_audit import Audit
from .resolutions import Size
from .validation.quality import Loss


@dataclass(frozen=True)
class ExportedFile:
    """A written file.

    Attributes:
        path: where it is.
        format: "onnx" or "tflite".
        precision: "fp32", "fp16", "int8", or "int16x8" (8-bit weights, 16-bit activations).
        target: what runs an int8 file; "any" for float files.
        size: (width, height) of the LR input in pixels; None where both are dynamic (ONNX).
        bytes: size of the file.
        sha256: of the file.
        operators: number of nodes by operator.
        input: data type, scale and zero point of the input.
        output: the same of the output.
        max_abs_error: largest difference from onnxruntime's result (for ONNX: from torch's); 1 is white.
        loss: loss of PSNR; None for ONNX.
        audit: the delegates' support; None for ONNX.
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
        audit = self.audit.to_json() if self.audit else {}
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
            "verdicts": audit.get("verdicts"),
            "audit": audit.get("audit"),
            "invariants": audit.get("invariants"),
            **{name: audit[name] for name in ("npu", "gpu") if name in audit},
        }


@dataclass(frozen=True)
class Exported:
    """The exported network (see `recipe.model`) and the files that were written."""

    model: dict[str, Any]
    files: tuple[ExportedFile, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"model": self.model, "files": [file.to_json() for file in self.files]}


def io_info(tensor: Tensor) -> dict[str, Any]:
    """Data type, scale and zero point of an input or output tensor; float tensors have None for the last two."""
    qparams = tensor.quantization
    scale, zero_point = (float(qparams.scale[0]), int(qparams.zero_point[0])) if qparams else (None, None)
    return {"dtype": tensor.dtype.name, "scale": scale, "zero_point": zero_point}
