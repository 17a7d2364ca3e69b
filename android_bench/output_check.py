"""The output of a device for a real image, compared with the output of this machine."""

from __future__ import annotations

import threading

import numpy as np

from ecbsr_mobile import images, tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.metrics import psnr_from_mse
from ecbsr_mobile.reference_picture import SIZE, bundled_image, with_colors
from ecbsr_mobile.tflite import isolated
from ecbsr_mobile.tflite.image_io import ImageIO, ImageTensor, image_io
from ecbsr_mobile.tflite.reader import with_text_names
from ecbsr_mobile.tflite_range import settle

from .results.types import WRONG_OUTPUT, Check

MIN_PSNR = 35.0
"""PSNR in dB between the two outputs below which the device's output is wrong. Float16 arithmetic and int8 rounding
stay above 40 dB; an operator with a wrong result falls below 30 dB."""


def read_io(
    data: bytes, graph: tflite.Graph, limit: float, stop: threading.Event, name: str = "the model"
) -> tuple[ImageIO, list[str]]:
    """How a model stores images, and notes about it: what is assumed, and that it is much worse than bicubic.

    It runs on this machine, for at most `limit` seconds each time. `data` are the bytes of its file, and `graph` has
    the shapes that LiteRT infers; `name` is the model in notes.

    Raises:
        EcbsrError: its input or output is not an image, or it does not run here.
        Canceled: `stop` was set.
    """
    io, size = image_io(graph), tflite.input_size(graph)
    try:
        resized = tflite.at_size(graph, *SIZE)
        sized, size, reading = tflite.write(resized), SIZE, io.of(resized)
    except EcbsrError:
        sized, reading = with_text_names(data), io  # it runs at its own size only

    def run(stored: np.ndarray) -> np.ndarray:
        return reading.output.array(isolated.run(sized, stored.tobytes(), limit, stop))

    settled, notes = settle(reading, run, size, name, option="")
    return settled.of(graph), notes


def input_image(image: ImageTensor) -> bytes:
    """A bundled image as the bytes of an input: the middle of it, mirrored beyond its borders.

    Raises:
        EcbsrError: no image is bundled.
    """
    shape = image.tensor.shape
    height, width, colors = (shape[2], shape[3], shape[1]) if image.channels_first else shape[1:]
    pixels = with_colors(images.center_crop(bundled_image(), (width, height)), colors)
    return image.store(images.pad_to_size(pixels, (width, height)).astype(np.float32) / np.float32(255)).tobytes()


def compare(device: bytes, reference: bytes, image: ImageTensor, known: int | None = None) -> Check:
    """Compare the output of a device with the reference output of this machine, as pixel values where 255 is white.

    Both are the raw bytes of the output. Values below black and above white count as they are. `known` is the number
    of values that the device gave where it did not give all; the others are those of the reference.

    Raises:
        EcbsrError: the number of bytes of `reference` is not that of the tensor.
    """
    expected = image.load(image.array(reference), np.float64) * 255
    try:
        actual = image.load(image.array(device), np.float64) * 255
    except EcbsrError as error:
        return Check(note=f"{WRONG_OUTPUT}: {error}")
    if not np.isfinite(actual).all():
        return Check(note=f"{WRONG_OUTPUT}: it contains NaN or infinite values")
    difference = np.abs(actual - expected)
    mse = float(np.sum(difference**2)) / (known or difference.size)
    psnr = round(psnr_from_mse(mse), 2) if mse else None
    note = f"{WRONG_OUTPUT}: {psnr} dB from the output of this machine" if psnr is not None and psnr < MIN_PSNR else ""
    if known and known < difference.size:
        note = "; ".join(filter(None, (note, f"{known} of {difference.size} values compared")))
    return Check(largest=round(float(difference.max()), 3), psnr_db=psnr, note=note)
