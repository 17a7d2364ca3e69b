"""The same real picture through a phone and through this machine, and how the two outputs compare."""

from __future__ import annotations

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError
from export import tflite
from export.tflite import isolated

from .results.types import WRONG, Check

LEAST_PSNR = 35.0
"""dB between the two outputs below which a phone's is wrong. Half precision and the rounding of int8 keep
above 40; an operator that computes something else falls below 30."""


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
    return isolated.input_values(np.pad(crop, padding, mode="reflect"), tensor).tobytes()


def compare(phone: bytes, here: bytes, tensor: tflite.Tensor) -> Check:
    """Both outputs, as stored in `tensor`'s type."""
    ours = isolated.output_pixels(here, tensor)
    try:
        theirs = isolated.output_pixels(phone, tensor)
    except EcbsrError as error:
        return Check(note=f"{WRONG}: {error}")
    if not np.isfinite(theirs).all():
        return Check(note=f"{WRONG}: it holds values that are no numbers")
    difference = np.abs(theirs - ours)
    error_power = float(np.mean(difference**2))
    psnr = round(10 * float(np.log10(255**2 / error_power)), 2) if error_power else None
    wrong = f"{WRONG}: {psnr} dB from this machine's" if psnr is not None and psnr < LEAST_PSNR else ""
    return Check(largest=round(float(difference.max()), 3), psnr_db=psnr, note=wrong)
