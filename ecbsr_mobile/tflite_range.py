"""The value range of a `.tflite` that does not record it: the one that gives the best image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import reference_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .tflite.image_io import ImageIO

CLEARLY_DB = 0.1
"""By how much another range has to give a better image than the assumed one where it is near bicubic."""

FAR_DB = 3.0
"""The same where it is less good: a network can be sharp, and no better than bicubic, in the assumed range."""

IMAGE_DB = 6.0
"""A result that is further below bicubic is no image, in whatever range."""


def settle(
    io: ImageIO, run: Callable[[NDArray[Any]], NDArray[Any]], size: tuple[int, int], name: str
) -> tuple[ImageIO, list[str]]:
    """The reading of a model's images that gives the best result for a bundled image, and what to say about it.

    Args:
        io: the recorded or assumed reading.
        run: the model: a stored input → a stored output.
        size: width and height of the input of `run`.
        name: the model in messages.

    Returns:
        The reading, and notes: that a range is assumed, and that the result is much worse than bicubic.

    Raises:
        EcbsrError: the model does not run, or gives infinities or NaN.
    """
    picture = reference_picture.reference_picture(io.scale, io.colors, size)
    if picture is None:
        return io, []
    results: dict[str, NDArray[Any]] = {}
    chosen, psnr, assumed = io, float("-inf"), float("-inf")
    for reading in io.alternatives():
        key = str(reading.input.values)
        if key not in results:
            results[key] = run(reading.input.store(picture.image))
        found = picture.psnr(reading.output.load(results[key]))
        if reading.text == io.text:
            psnr = assumed = found
        elif found > max(psnr + CLEARLY_DB, assumed + _needed(picture, found)):
            chosen, psnr = reading, found
    notes = []
    if chosen is not io:
        notes.append(
            f"{name}: values in {chosen.text} are assumed, with which it gives {psnr:.2f} dB on a bundled image; "
            f"{io.text} gives {assumed:.2f} dB (--range sets it)"
        )
    worse = reference_picture.below_bicubic(picture, psnr)
    if worse:
        notes.append(f"{name} {worse}: it is not trained for this, or its values are not in {chosen.text}")
    return chosen, notes


def _needed(picture: reference_picture.ReferencePicture, psnr: float) -> float:
    """How many dB better than the assumed one a reading of this PSNR has to be."""
    if psnr < picture.bicubic_psnr - IMAGE_DB:
        return math.inf
    return FAR_DB if reference_picture.below_bicubic(picture, psnr) else CLEARLY_DB
