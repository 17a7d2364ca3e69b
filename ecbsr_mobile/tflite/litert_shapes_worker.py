"""Run a model once and list the shapes of its tensors; the program of the process that `litert_shapes` starts.

    python -P litert_shapes_worker.py [SIZE ...] < MODEL.tflite

SIZE are the dimensions of the first input, where they are not those in the file. Prints one JSON document. Imports the
TFLite interpreter only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from ai_edge_litert.interpreter import Interpreter, OpResolverType


def shapes(model: bytes, size: Sequence[int]) -> dict[str, Any]:
    """`shapes`, pairs of a tensor's index and its shape after a run; or `error`."""
    try:
        _after_run(model, size, OpResolverType.AUTO)  # as it is used, but shapes within XNNPACK stay as they were
        details = _after_run(model, size, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES).get_tensor_details()
    except (RuntimeError, ValueError) as error:
        return {"error": " ".join(str(error).split())}
    return {"shapes": [[int(detail["index"]), detail["shape"].tolist()] for detail in details]}


def _after_run(model: bytes, size: Sequence[int], kernels: OpResolverType) -> Interpreter:
    interpreter = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=kernels)
    if size:
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], size)
    interpreter.allocate_tensors()
    interpreter.invoke()  # some shapes are not known before
    return interpreter


if __name__ == "__main__":
    json.dump(shapes(sys.stdin.buffer.read(), [int(size) for size in sys.argv[1:]]), sys.stdout)
