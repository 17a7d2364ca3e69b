"""The input image and the comparison of two outputs."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from android_bench import output_check
from android_bench.results.types import WRONG_OUTPUT, Check
from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.tflite.image_io import ImageTensor, input_image
from ecbsr_mobile.tflite.value_range import BYTES
from tests.helpers import upscalers
from tests.helpers.tflite_models import GraphBuilder


def image_tensor(shape: tuple[int, ...], dtype: str = "float32") -> ImageTensor:
    make = GraphBuilder(dtype)
    return input_image(make.graph(make.input(shape)))


@pytest.mark.skipif(not zoo.pictures(), reason="no picture is bundled")
@pytest.mark.parametrize("shape", [(1, 5, 7, 1), (1, 16, 24, 3), (1, 900, 1300, 1), (1, 3, 16, 24)])
def test_the_input_image_fills_the_tensor(shape: tuple[int, ...]) -> None:
    pixels = np.frombuffer(output_check.input_image(image_tensor(shape)), np.float32).reshape(shape)
    assert 0 <= pixels.min() < pixels.max() <= 1


def test_two_outputs_are_compared_in_pixel_values() -> None:
    image = image_tensor((1, 4, 4, 1))
    reference = np.full((1, 4, 4, 1), 0.5, np.float32)
    assert output_check.compare(reference.tobytes(), reference.tobytes(), image) == Check(0.0, None)
    brighter = reference + np.float32(1 / 255)
    close = output_check.compare(brighter.tobytes(), reference.tobytes(), image)
    assert (close.largest, close.note) == (1.0, "")
    assert close.psnr_db == pytest.approx(20 * np.log10(255), abs=0.01)
    far = output_check.compare((reference * 0).tobytes(), reference.tobytes(), image)
    assert far.psnr_db == pytest.approx(6.02, abs=0.01) and far.note.startswith(WRONG_OUTPUT)


def test_an_output_of_another_size_or_with_nan_is_wrong() -> None:
    image = image_tensor((1, 4, 4, 1))
    reference = np.full((1, 4, 4, 1), 0.5, np.float32)
    for output in (b"", reference.tobytes()[:-4], (reference * np.nan).tobytes()):
        check = output_check.compare(output, reference.tobytes(), image)
        assert check.largest is None and check.note.startswith(WRONG_OUTPUT)


def test_outputs_in_0_255_are_compared_as_pixels() -> None:
    """Of an output of scale 1, a step is one pixel value; ten times too much is wrong, though both are white."""
    image = input_image(upscalers.quantized_resize("uint8", (1.0, 0)))
    reference = np.random.default_rng(0).integers(0, 255, (1, 32, 48, 3)).astype(np.uint8)
    close = reference.copy()
    close.ravel()[::20] += 1
    check = output_check.compare(close.tobytes(), reference.tobytes(), image)
    assert (check.largest, check.note) == (1.0, "")
    assert check.psnr_db == pytest.approx(10 * np.log10(255**2 * 20), abs=0.02)
    result = image_tensor((1, 32, 48, 3))
    bright = np.full((1, 32, 48, 3), 1, np.float32)
    assert output_check.compare((bright * 10).tobytes(), bright.tobytes(), result).note.startswith(WRONG_OUTPUT)


def test_values_that_the_file_does_not_record_are_read_as_those_that_give_the_better_image() -> None:
    model = tflite.write(upscalers.bundled_in_0_255())
    io, notes = output_check.read_io(model, tflite.read(model), 120, threading.Event())
    assert io.output.values == BYTES
    assert [note[: note.index(" are assumed")] for note in notes] == ["the model: values in [0, 255]"]
    assert "--range" not in notes[0]  # no command that calls this has the option
    bundled = zoo.tflite(zoo.DEFAULT).read_bytes()
    assert output_check.read_io(bundled, tflite.read(bundled), 120, threading.Event())[1] == []
