"""Pixels as a model's tensors store them, and what a model makes of stored values, in a process of its own."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner

from .graph import Tensor

WORKER = Path(__file__).with_name("isolated_worker.py")


def input_values(pixels: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Pixels 0..255 in the values that an input tensor stores; floating point takes 0..1."""
    values = pixels.astype(np.float32) / 255
    if tensor.dtype.kind == "f":
        return values.astype(tensor.dtype)
    scale, zero_point = _affine(tensor)
    limits = np.iinfo(tensor.dtype)
    return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(tensor.dtype)


def output_pixels(stored: bytes, tensor: Tensor) -> np.ndarray:
    """An output's bytes as levels 0..255, not rounded.

    Raises:
        EcbsrError: they are not as many as the tensor has.
    """
    if len(stored) != int(np.prod(tensor.shape)) * tensor.dtype.itemsize:
        raise EcbsrError(f"the output has {len(stored)} bytes, not those of {list(tensor.shape)} {tensor.dtype}")
    values = np.frombuffer(stored, tensor.dtype).astype(np.float64)
    if tensor.dtype.kind != "f":
        scale, zero_point = _affine(tensor)
        values = (values - zero_point) * scale
    return np.clip(values, 0, 1) * 255


def run(model: Path, values: bytes, folder: Path, limit: float, stop: threading.Event) -> bytes:
    """What this machine makes of the input `values`.

    Raises:
        EcbsrError: the runtime here refuses the model.
    """
    source, target = folder / "input.bin", folder / "reference.bin"
    source.write_bytes(values)
    command = [sys.executable, "-P", str(WORKER), str(model), str(source), str(target)]
    try:
        done = subprocess_runner.run(command, limit, stop)
    except subprocess_runner.TimedOut:
        raise EcbsrError(f"this machine gave no reference output within {limit:g} s") from None
    if done.code:
        raise EcbsrError("this machine's runtime refuses the model, so there is no reference output")
    return target.read_bytes()


def _affine(tensor: Tensor) -> tuple[float, int]:
    if tensor.quantization is None:
        return 1 / 255, int(np.iinfo(tensor.dtype).min)
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zero_point[0])
