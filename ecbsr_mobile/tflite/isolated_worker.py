"""Run a model once; the program of the process that `isolated.run` starts.

    python -P isolated_worker.py MODEL.tflite INPUT OUTPUT

INPUT and OUTPUT are files of raw tensor bytes. Imports NumPy and the TFLite interpreter only.
"""

from __future__ import annotations

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def run(model: str, source: str, target: str) -> None:
    """Write the output of `model` for the input in the file `source` to the file `target`."""
    interpreter = Interpreter(model_path=model)
    interpreter.allocate_tensors()
    tensor = interpreter.get_input_details()[0]
    interpreter.set_tensor(tensor["index"], np.fromfile(source, tensor["dtype"]).reshape(tensor["shape"]))
    interpreter.invoke()
    interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tofile(target)


if __name__ == "__main__":
    run(*sys.argv[1:])
