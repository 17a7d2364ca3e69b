"""One run of a `.tflite` at a size, as a function of nothing."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from export import tflite


def runner(model: str | os.PathLike[str] | bytes, size: tuple[int, int]) -> Callable[[], object]:
    """A call that runs the model, stamped to `size`, once on one thread."""
    data = tflite.write(tflite.at_size(tflite.read(model), *size))
    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    image = interpreter.get_input_details()[0]
    noise = np.random.default_rng(0).integers(0, 127, image["shape"]).astype(image["dtype"])
    interpreter.set_tensor(image["index"], noise)
    return interpreter.invoke
