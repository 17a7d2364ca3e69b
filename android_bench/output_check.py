"""The output of a device for a real image, compared with the output of this machine."""

from __future__ import annotations

import numpy as np

from ecbsr_mobile import images, tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.metrics import psnr_from_mse
from ecbsr_mobile.tflite import isolated

from .results.types import WRONG_OUTPUT, Check

MIN_PSNR = 35.0
"""PSNR in dB between the two outputs below which the device's output is wrong. Float16 arithmetic and int8 rounding
stay above 40 dB; an operator with a wrong result falls below 30 dB."""


def input_image(tensor: tflite.Tensor) -> bytes:
    """A bundled image as the bytes of the input `tensor`, of shape [1, H, W, 1 or 3] and its dtype.

    The image is cropped to its top left corner or padded.

    Raises:
        EcbsrError: no image is bundled.
    """
    from PIL import Image

    files = zoo.pictures()
    if not files:
        raise EcbsrError("no picture is bundled with this installation, so outputs cannot be compared")
    _, height, width, colors = tensor.shape
    with Image.open(files[0]) as image:
        pixels = np.asarray(image.convert("L" if colors == 1 else "RGB"), np.uint8)
    padded = images.pad_to_size(pixels.reshape(*pixels.shape[:2], -1), (width, height))
    return isolated.input_values(padded[:height, :width], tensor).tobytes()


def compare(device: bytes, reference: bytes, tensor: tflite.Tensor) -> Check:
    """Compare the output of a device with the reference output of this machine, as pixel values in 0..255.

    Both are the raw bytes of the output `tensor`, in its dtype.

    Raises:
        EcbsrError: the number of bytes of `reference` is not that of the tensor.
    """
    expected = isolated.output_pixels(reference, tensor)
    try:
        actual = isolated.output_pixels(device, tensor)
    except EcbsrError as error:
        return Check(note=f"{WRONG_OUTPUT}: {error}")
    if not np.isfinite(actual).all():
        return Check(note=f"{WRONG_OUTPUT}: it contains NaN or infinite values")
    difference = np.abs(actual - expected)
    mse = float(np.mean(difference**2))
    psnr = round(psnr_from_mse(mse), 2) if mse else None
    note = f"{WRONG_OUTPUT}: {psnr} dB from the output of this machine" if psnr is not None and psnr < MIN_PSNR else ""
    return Check(largest=round(float(difference.max()), 3), psnr_db=psnr, note=note)
