"""What XNNPACK takes of a model, measured: the TFLite runtime of this machine loads it and lists its nodes.

The runtime runs in a process of its own, for a damaged model can crash it (and so the file also is that
process's program: `python runtime.py < MODEL` prints one JSON document; it imports the interpreter alone).
"""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

LOAD_SECONDS = 120.0  # a big model at a big size allocates for a few seconds


RUNTIME = f"ai-edge-litert {version('ai-edge-litert')}"
MACHINE = platform.machine()


@dataclass(frozen=True)
class XnnpackReport:
    """What the runtime did with a model.

    `nodes` are the indices of the nodes that XNNPACK took, of `total`. Where the model does not load,
    `loads` is false and `error` is the runtime's own last word.
    """

    loads: bool
    nodes: tuple[int, ...]
    total: int
    partitions: int
    error: str = ""
    runtime: str = RUNTIME
    machine: str = MACHINE

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "taken": len(self.nodes),
            "total": self.total,
            "partitions": self.partitions,
            "loads": self.loads,
            "error": self.error,
            "runtime": self.runtime,
            "machine": self.machine,
        }


def probe(model: bytes) -> XnnpackReport:
    """Load the bytes of a `.tflite` file with the default delegates (XNNPACK) and see who takes which node."""
    # -P keeps this folder off the child's path, where our module names would shadow others'.
    program = [sys.executable, "-P", __file__]
    try:
        child = subprocess.run(program, input=model, capture_output=True, timeout=LOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return _failed(f"the runtime did not load it in {LOAD_SECONDS:.0f} s")
    try:
        answer = json.loads(child.stdout)
    except ValueError:
        return _failed(_last_word(child.returncode, child.stderr))
    if "error" in answer:
        return _failed(answer["error"])
    return XnnpackReport(True, nodes=tuple(answer["nodes"]), total=answer["total"], partitions=answer["partitions"])


def _failed(error: str) -> XnnpackReport:
    # The runtime quotes names out of the model, which must not steer a terminal.
    return XnnpackReport(False, (), 0, 0, "".join(c if c.isprintable() else "?" for c in error))


def _last_word(code: int, errors: bytes) -> str:
    if code < 0:
        return f"the runtime crashed ({signal.Signals(-code).name})"
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"the runtime ended with exit code {code}"


def delegated_nodes(nodes: Sequence[dict[str, Any]]) -> tuple[list[int], int]:
    """(indices of the nodes that delegates took, delegate kernels), from the runtime's own node list.

    The list keeps the model's nodes and appends one kernel per partition. A kernel names the tensors at
    its borders: what it took is every node on a way back from its outputs to its inputs.
    """
    kernels = [node for node in nodes if node["op_name"] == "DELEGATE"]
    maker = {int(tensor): node for node in nodes if node["op_name"] != "DELEGATE" for tensor in node["outputs"]}
    taken: set[int] = set()
    for kernel in kernels:
        border = {int(tensor) for tensor in kernel["inputs"]}
        todo = [int(tensor) for tensor in kernel["outputs"]]
        while todo:
            tensor = todo.pop()
            node = maker.get(tensor)
            if tensor in border or node is None or node["index"] in taken:
                continue
            taken.add(node["index"])
            todo.extend(int(source) for source in node["inputs"])
    return sorted(taken), len(kernels)


def probe_in_process(model: bytes) -> dict[str, Any]:
    """Load a model in this process, which a damaged one can end: `nodes`, `total` and `partitions`, or `error`."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=model, num_threads=1)
        total = len(interpreter._get_ops_details())
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        return {"error": " ".join(str(error).split())}
    nodes, partitions = delegated_nodes(interpreter._get_ops_details())
    return {"nodes": nodes, "total": total, "partitions": partitions}


if __name__ == "__main__":
    json.dump(probe_in_process(sys.stdin.buffer.read()), sys.stdout)
