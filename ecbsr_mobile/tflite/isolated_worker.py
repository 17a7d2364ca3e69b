"""Run a model once; the program of the process that `isolated.run` starts.

    python -P isolated_worker.py LENGTH < MODEL-AND-INPUT > OUTPUT

The first LENGTH bytes are the `.tflite`, the others those of its input. Imports NumPy and the TFLite interpreter only.
"""

from __future__ import annotations

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def run(model: bytes, values: bytes) -> bytes:
    """The output of `model` for the stored input `values`."""
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    tensor = interpreter.get_input_details()[0]
    interpreter.set_tensor(tensor["index"], np.frombuffer(values, tensor["dtype"]).reshape(tensor["shape"]))
    interpreter.invoke()
    result: np.ndarray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return result.tobytes()


if __name__ == "__main__":
    length, content = int(sys.argv[1]), sys.stdin.buffer.read()
    sys.stdout.buffer.write(run(content[:length], content[length:]))
