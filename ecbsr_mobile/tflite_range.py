"""The value range of a `.tflite` that does not record it: the one that gives the best image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import images, reference_picture
from .tflite.value_range import SIGNED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .tflite.image_io import ImageIO

CLEARLY_DB = 0.1
"""How much better than the assumed range another one has to be, where its result is near bicubic."""

SIGNED_DB = -0.1
"""The same for [-1, 1]: a network of [0, 1] loses 1 dB or more there, but one of [-1, 1] in [0, 1] hardly any."""

SAME = 0.5 / 255
"""Results that differ by less are the same: the network is linear, and any range is right."""

FAR_DB = 3.0
"""The same where its result is worse: a network can be sharp, and no better than bicubic, in the assumed range.

Also for a scale of 1: how much a network restores depends on what it is trained for, too.
"""

IMAGE_DB, ONLY_DB = 4.0, 10.0
"""A result further below bicubic is no image, unless it beats that of the assumed range by as much as the second.

A network can change colors or contrast, as those do that were trained with the pictures of two cameras.
"""


def settle(
    io: ImageIO,
    run: Callable[[NDArray[Any]], NDArray[Any]],
    size: tuple[int, int],
    name: str,
    option: str = " (--range sets it)",
) -> tuple[ImageIO, list[str]]:
    """The reading of a model's images that gives the best result for a bundled image, and what to say about it.

    Args:
        io: the recorded or assumed reading.
        run: the model: a stored input → a stored output.
        size: width and height of the input of `run`.
        name: the model in messages.
        option: what notes say of how to set the range of floats; "" where that is not possible.

    Returns:
        The reading, and notes: that a range is assumed, that the result is much worse than bicubic, that RGB is wrong.

    Raises:
        EcbsrError: the model does not run, or gives infinities or NaN.
    """
    picture = reference_picture.reference_picture(io.scale, io.colors, size)
    results: dict[str, NDArray[Any]] = {}
    chosen, psnr, assumed, first = io, -math.inf, -math.inf, picture.image
    for reading in io.alternatives():
        key = str(reading.input.values)
        if key not in results:
            results[key] = run(reading.input.store(picture.image))
        image = reading.output.load(results[key])
        found = picture.psnr(image)
        if reading.text == io.text:
            psnr, assumed, first = found, found, image
        elif (
            found > assumed + _needed(picture, reading, found)
            and (chosen is io or found > psnr + CLEARLY_DB)
            and not np.abs(image - first).max() <= SAME  # which is true of NaN
        ):
            chosen, psnr = reading, found
    notes = []
    hint = option if "f" in (io.input.tensor.dtype.kind, io.output.tensor.dtype.kind) else ""
    if chosen is not io:
        notes.append(
            f"{name}: values in {chosen.text} are assumed, with which it gives {psnr:.2f} dB on a bundled image; "
            f"{io.text} gives {assumed:.2f} dB{hint}"
        )
    worse = reference_picture.below_bicubic(picture, psnr)
    if worse:
        notes.append(f"{name} {worse}: it is not trained for this, or its values are not in {chosen.text}{hint}")
    in_ycbcr = _in_ycbcr_psnr(chosen, run, picture)
    if in_ycbcr > max(psnr + CLEARLY_DB, picture.least_psnr):
        notes.append(
            f"{name}: its three channels seem to be Y, Cb and Cr, with which it gives {in_ycbcr:.2f} dB on a bundled "
            f"image; as RGB, which it is given, {psnr:.2f} dB: convert it for RGB, or for luma alone"
        )
    return chosen, notes


def _in_ycbcr_psnr(
    io: ImageIO, run: Callable[[NDArray[Any]], NDArray[Any]], picture: reference_picture.ReferencePicture
) -> float:
    """PSNR in dB where the three channels are Y, Cb and Cr; -inf for luma, and for a scale of 1.

    Noise and JPEG leave other errors in chroma, so that a denoiser for RGB can gain by it.
    """
    if io.colors != 3 or picture.scale == 1:
        return -math.inf
    levels = np.dstack([images.luma(picture.lr), images.chroma(picture.lr)]) / np.float32(255)
    result = io.output.load(run(io.input.store(levels))) * np.float32(255)
    return picture.psnr(images.ycbcr_to_rgb(result[:, :, 0], result[:, :, 1:]) / np.float32(255))


def _needed(picture: reference_picture.ReferencePicture, reading: ImageIO, psnr: float) -> float:
    """How many dB better than the assumed one a reading of this PSNR has to be."""
    if psnr < picture.bicubic_psnr - IMAGE_DB:
        return ONLY_DB if psnr > picture.flat_psnr + FAR_DB else math.inf
    if psnr < picture.least_psnr:
        return FAR_DB
    if reading.input.values == reading.output.values == SIGNED:
        return SIGNED_DB
    return CLEARLY_DB if picture.scale > 1 else FAR_DB
