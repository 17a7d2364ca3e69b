"""Run models on images: as a program under the emulator, and as a function on this machine.

    python guest.py JOBS.npz RESULTS.npz

JOBS.npz has `model0` and `images0`, `model1` and `images1`, and so on; RESULTS.npz gets the outputs as `0`, `1`, ...
Imports only what the emulated userland has.
"""

from __future__ import annotations

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def outputs(model: bytes, images: np.ndarray) -> np.ndarray:
    """The stored output values of a `.tflite` for each of the stored `images` [N, 1, H, W, C], on one thread."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    results = []
    for image in images:
        interpreter.set_tensor(source, image)
        os.getsid(0)  # count.c prints its counter at this system call
        interpreter.invoke()
        os.getsid(0)
        results.append(interpreter.get_tensor(target))
    return np.stack(results)


if __name__ == "__main__":
    with np.load(sys.argv[1]) as jobs:
        indices = range(len(jobs.files) // 2)
        np.savez(sys.argv[2], **{str(i): outputs(jobs[f"model{i}"].tobytes(), jobs[f"images{i}"]) for i in indices})
