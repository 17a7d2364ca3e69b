"""Load a model with the default delegates; the program of the process that `xnnpack_probe.probe` starts.

    python -P xnnpack_probe_worker.py < MODEL.tflite

Prints one JSON document. Imports the TFLite interpreter only.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ai_edge_litert.interpreter import Interpreter


def load(model: bytes) -> dict[str, Any]:
    """`total`, the number of the model's nodes, and `nodes`, the runtime's list of them; or `error`."""
    try:
        interpreter = Interpreter(model_content=model, num_threads=1)
        total = len(interpreter._get_ops_details())
        interpreter.allocate_tensors()
        nodes = interpreter._get_ops_details()
    except (RuntimeError, ValueError) as error:
        return {"error": " ".join(str(error).split())}
    return {"total": total, "nodes": [_plain(node) for node in nodes]}


def _plain(node: dict[str, Any]) -> dict[str, Any]:
    tensors = {name: [int(index) for index in node[name]] for name in ("inputs", "outputs")}
    return {"index": int(node["index"]), "op_name": str(node["op_name"]), **tensors}


if __name__ == "__main__":
    json.dump(load(sys.stdin.buffer.read()), sys.stdout)
