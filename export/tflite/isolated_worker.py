"""One run of a model on this machine, in a process of its own, for a damaged model can end it.

    python -P isolated_worker.py MODEL.tflite VALUES RESULT   writes the output for given input

Imports numpy and the TFLite interpreter alone.
"""

from __future__ import annotations

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def output(model: str, values: str, result: str) -> None:
    """Write the raw output that `model` gives for the raw input in the file `values`."""
    interpreter = Interpreter(model_path=model)
    interpreter.allocate_tensors()
    tensor = interpreter.get_input_details()[0]
    interpreter.set_tensor(tensor["index"], np.fromfile(values, tensor["dtype"]).reshape(tensor["shape"]))
    interpreter.invoke()
    interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tofile(result)


if __name__ == "__main__":
    output(*sys.argv[1:])
