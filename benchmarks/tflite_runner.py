"""Run a `.tflite` at an LR size on one thread, as a function without arguments that can be timed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from export import resolutions


def runner(model: str | os.PathLike[str] | bytes, size: tuple[int, int]) -> Callable[[], object]:
    """A function that runs the model once, on one thread, on noise of `size` (LR width, height)."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from ecbsr_mobile import tflite

    data = tflite.write(tflite.at_size(tflite.read(model), *size))
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    image = interpreter.get_input_details()[0]
    noise = np.random.default_rng(0).integers(0, 127, image["shape"]).astype(image["dtype"])
    interpreter.set_tensor(image["index"], noise)
    return interpreter.invoke


def add_size_option(parser: argparse.ArgumentParser) -> None:
    """Add `--size`, the LR input."""
    parser.add_argument("--size", type=resolutions.parse, default="540p", help="low-resolution input (540p)")
