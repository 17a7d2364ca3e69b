"""The same real picture through a phone and through this machine, and how the two outputs compare."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError
from export import tflite

from . import process
from .results import WRONG, Check

LEAST_PSNR = 35.0
"""dB between the two outputs below which a phone's is wrong. Half precision and the rounding of int8 keep
above 40; an operator that computes something else falls below 30."""

WORKER = Path(__file__).with_name("host_run.py")


def picture(tensor: tflite.Tensor) -> bytes:
    """A bundled picture as the bytes of an input tensor [1, H, W, colors]: cropped, or mirrored to fill it.

    Raises:
        EcbsrError: no picture is bundled.
    """
    from PIL import Image

    files = zoo.pictures()
    if not files:
        raise EcbsrError("no picture is bundled with this installation, so outputs cannot be compared")
    _, height, width, colors = tensor.shape
    with Image.open(files[0]) as image:
        pixels = np.asarray(image.convert("L" if colors == 1 else "RGB"), np.uint8).reshape(
            image.height, image.width, -1
        )
    crop = pixels[:height, :width, :colors]
    padding = ((0, height - crop.shape[0]), (0, width - crop.shape[1]), (0, 0))
    return as_tensor(np.pad(crop, padding, mode="reflect"), tensor).tobytes()


def as_tensor(pixels: np.ndarray, tensor: tflite.Tensor) -> np.ndarray:
    """Pixels 0..255 in the values that an input tensor stores; floating point takes 0..1."""
    values = pixels.astype(np.float32) / 255
    if tensor.dtype.kind == "f":
        return values.astype(tensor.dtype)
    scale, zero_point = _affine(tensor)
    limits = np.iinfo(tensor.dtype)
    return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(tensor.dtype)


def as_levels(stored: bytes, tensor: tflite.Tensor) -> np.ndarray:
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


def reference(model: Path, values: bytes, folder: Path, limit: float, stop: threading.Event) -> bytes:
    """What this machine makes of the input `values`.

    Raises:
        EcbsrError: the runtime here refuses the model.
    """
    source, target = folder / "input.bin", folder / "reference.bin"
    source.write_bytes(values)
    command = [sys.executable, "-P", str(WORKER), str(model), "output", str(source), str(target)]
    try:
        done = process.call(command, limit, stop)
    except process.TookTooLong:
        raise EcbsrError(f"this machine gave no reference output within {limit:g} s") from None
    if done.code:
        raise EcbsrError("this machine's runtime refuses the model, so there is no reference output")
    return target.read_bytes()


def compare(phone: bytes, here: bytes, tensor: tflite.Tensor) -> Check:
    """Both outputs, as stored in `tensor`'s type."""
    ours = as_levels(here, tensor)
    try:
        theirs = as_levels(phone, tensor)
    except EcbsrError as error:
        return Check(note=f"{WRONG}: {error}")
    if not np.isfinite(theirs).all():
        return Check(note=f"{WRONG}: it holds values that are no numbers")
    difference = np.abs(theirs - ours)
    error_power = float(np.mean(difference**2))
    psnr = round(10 * float(np.log10(255**2 / error_power)), 2) if error_power else None
    wrong = f"{WRONG}: {psnr} dB from this machine's" if psnr is not None and psnr < LEAST_PSNR else ""
    return Check(largest=round(float(difference.max()), 3), psnr_db=psnr, note=wrong)


def _affine(tensor: tflite.Tensor) -> tuple[float, int]:
    if tensor.quantization is None:
        return 1 / 255, int(np.iinfo(tensor.dtype).min)
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zero_point[0])
