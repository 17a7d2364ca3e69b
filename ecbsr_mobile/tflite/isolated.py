"""Run a model on this machine in a process of its own, which a damaged model can crash.

Pixels are 0..255 here. A float tensor stores them as 0..1; an integer tensor without quantization parameters stores
them with the scale 1/255 and its smallest value for black.
"""

from __future__ import annotations

import math
import sys
import threading
from pathlib import Path

import numpy as np

from ..errors import EcbsrError
from ..quantization import qparams
from ..utils import subprocess_runner
from .graph import Tensor

WORKER = Path(__file__).with_name("isolated_worker.py")


def input_values(pixels: np.ndarray, tensor: Tensor) -> np.ndarray:
    """Pixels 0..255, in any shape, as an input tensor stores them; rounded if it stores integers."""
    values = pixels.astype(np.float32) / 255
    if tensor.dtype.kind == "f":
        return values.astype(tensor.dtype)
    return qparams.quantize(values, *_scale_and_zero_point(tensor), tensor.dtype)


def output_pixels(data: bytes, tensor: Tensor) -> np.ndarray:
    """The bytes of an output tensor as pixels 0..255 (float64, flat), not rounded.

    Raises:
        EcbsrError: the number of bytes is not that of the tensor.
    """
    if len(data) != math.prod(tensor.shape) * tensor.dtype.itemsize:
        raise EcbsrError(f"the output has {len(data)} bytes, which do not fit {list(tensor.shape)} {tensor.dtype}")
    stored = np.frombuffer(data, tensor.dtype)
    if tensor.dtype.kind == "f":
        values = stored.astype(np.float64)
    else:
        values = qparams.dequantize(stored, *_scale_and_zero_point(tensor), np.float64)
    return np.clip(values, 0, 1) * 255


def run(model: Path, values: bytes, folder: Path, limit: float, stop: threading.Event) -> bytes:
    """The output of a model for the stored input `values`; both are raw bytes. Temporary files go to `folder`.

    Raises:
        EcbsrError: the runtime fails on the model, or takes longer than `limit` seconds.
        Canceled: `stop` was set meanwhile.
    """
    source, target = folder / "isolated-input.bin", folder / "isolated-output.bin"
    source.write_bytes(values)
    command = [sys.executable, "-P", str(WORKER), str(model), str(source), str(target)]
    try:
        completed = subprocess_runner.run(command, limit, stop)
    except subprocess_runner.TimedOut:
        raise EcbsrError(f"the runtime of this machine did not run the model within {limit:g} s") from None
    if completed.code:
        raise EcbsrError("the runtime of this machine cannot run the model")
    return target.read_bytes()


def _scale_and_zero_point(tensor: Tensor) -> tuple[float, int]:
    if tensor.quantization is None:
        return 1 / 255, int(np.iinfo(tensor.dtype).min)
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zero_point[0])
