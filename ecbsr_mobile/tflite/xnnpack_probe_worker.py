"""Load a model with the default delegates; the program of the process that `xnnpack_probe.probe` starts.

    python -P xnnpack_probe_worker.py < MODEL.tflite

Prints one JSON document. Imports the TFLite interpreter only.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ai_edge_litert.interpreter import Interpreter

SIDE = 64
"""Pixels along a side that the caller chooses, for a model that does not load with the placeholder in its file."""


def load(model: bytes) -> dict[str, Any]:
    """`total`, the number of the model's nodes, and `nodes`, the runtime's list of them; or `error`."""
    try:
        return _loaded(model, resized=False)
    except (RuntimeError, ValueError) as error:
        failure = {"error": " ".join(str(error).split())}
    try:
        return _loaded(model, resized=True)  # the placeholder of a dynamic size can be too small
    except (RuntimeError, ValueError):
        return failure


def _loaded(model: bytes, resized: bool) -> dict[str, Any]:
    interpreter = Interpreter(model_content=model, num_threads=1)
    total = len(interpreter._get_ops_details())
    for image in interpreter.get_input_details() if resized else ():
        batch, *sides = image["shape_signature"].tolist() or [1]
        interpreter.resize_tensor_input(image["index"], [abs(batch), *(SIDE if side < 0 else side for side in sides)])
    interpreter.allocate_tensors()
    return {"total": total, "nodes": [_plain(node) for node in interpreter._get_ops_details()]}


def _plain(node: dict[str, Any]) -> dict[str, Any]:
    tensors = {name: [int(index) for index in node[name]] for name in ("inputs", "outputs")}
    return {"index": int(node["index"]), "op_name": str(node["op_name"]), **tensors}


if __name__ == "__main__":
    json.dump(load(sys.stdin.buffer.read()), sys.stdout)
