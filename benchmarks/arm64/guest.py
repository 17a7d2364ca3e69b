"""Runs models on images; in the emulated userland as a program, and on this machine as a function.

python guest.py JOBS.npz RESULTS.npz    `model0` and `images0`, `model1`, ... in; `0`, `1`, ... out
"""

from __future__ import annotations

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def outputs(model: bytes, images: np.ndarray) -> np.ndarray:
    """What a `.tflite` gives, as stored, for each of `images` [N, 1, H, W, C], as stored, on one thread."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    given = []
    for image in images:
        interpreter.set_tensor(source, image)
        os.getsid(0)  # where count.c looks at its counter
        interpreter.invoke()
        os.getsid(0)
        given.append(interpreter.get_tensor(result))
    return np.stack(given)


if __name__ == "__main__":
    with np.load(sys.argv[1]) as jobs:
        numbers = range(len(jobs.files) // 2)
        np.savez(sys.argv[2], **{str(n): outputs(jobs[f"model{n}"].tobytes(), jobs[f"images{n}"]) for n in numbers})
