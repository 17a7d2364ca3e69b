"""What the TFLite runtime of this machine delegates to XNNPACK: it loads a model and lists the nodes.

The runtime runs in a process of its own, which a damaged model can crash.
"""

from __future__ import annotations

import json
import platform
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from ..utils import subprocess_runner
from ..utils.signals import signal_name
from ..utils.text import last_line, printable

WORKER = Path(__file__).with_name("xnnpack_probe_worker.py")

LOAD_SECONDS = 120.0  # safety net: a large model allocates for a few seconds


@dataclass(frozen=True)
class XnnpackReport:
    """What the runtime did with a model.

    Attributes:
        loads: whether the model loads.
        nodes: indices of the nodes that are delegated to XNNPACK.
        total: nodes of the model.
        partitions: groups of delegated nodes.
        others: operators of the nodes that are not delegated.
        error: why the model does not load, as reported by the runtime.
        runtime: name and version of the runtime.
        machine: the processor architecture.
    """

    loads: bool
    nodes: tuple[int, ...]
    total: int
    partitions: int
    others: tuple[str, ...] = ()
    error: str = ""
    runtime: str = f"ai-edge-litert {version('ai-edge-litert')}"
    machine: str = platform.machine()

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        fields = msgspec.to_builtins(self)
        return {"taken": len(fields.pop("nodes")), **fields}


def probe(model: bytes) -> XnnpackReport:
    """Load the bytes of a `.tflite` file with the default delegates (XNNPACK), in a process of its own."""
    # -P keeps this folder off the path of the child process, where our module names would hide others.
    program = [sys.executable, "-P", str(WORKER)]
    try:
        child = subprocess_runner.run(program, LOAD_SECONDS, threading.Event(), content=model)
    except subprocess_runner.TimedOut:
        return _not_loaded(f"the runtime did not load it in {LOAD_SECONDS:.0f} s")
    try:
        loaded = json.loads(child.out)
    except ValueError:
        return _not_loaded(_crash_reason(child.code, child.err))
    return report(loaded)


def report(loaded: Mapping[str, Any]) -> XnnpackReport:
    """The report on what `xnnpack_probe_worker.load` returned."""
    if "error" in loaded:
        return _not_loaded(loaded["error"])
    nodes, partitions = delegated_nodes(loaded["nodes"])
    operators = {node["index"]: node["op_name"] for node in loaded["nodes"] if node["op_name"] != "DELEGATE"}
    others = tuple(operator for index, operator in operators.items() if index not in nodes)
    return XnnpackReport(True, tuple(nodes), loaded["total"], partitions, others)


def _not_loaded(error: str) -> XnnpackReport:
    return XnnpackReport(False, (), 0, 0, error=printable(error))  # the runtime quotes names in the model


def _crash_reason(code: int, errors: bytes) -> str:
    if code < 0:
        return f"the runtime crashed ({signal_name(-code)})"
    return last_line(errors, f"the runtime ended with exit code {code}")


def delegated_nodes(nodes: Sequence[dict[str, Any]]) -> tuple[list[int], int]:
    """(indices of the delegated nodes, number of partitions), from the runtime's list of nodes.

    The list has the nodes of the model and then one delegate kernel per partition. A kernel has the inputs and outputs
    of its partition: the delegated nodes are those on every path from its outputs back to its inputs.
    """
    kernels = [node for node in nodes if node["op_name"] == "DELEGATE"]
    producer = {int(tensor): node for node in nodes if node["op_name"] != "DELEGATE" for tensor in node["outputs"]}
    delegated: set[int] = set()
    for kernel in kernels:
        inputs = {int(tensor) for tensor in kernel["inputs"]}
        todo = [int(tensor) for tensor in kernel["outputs"]]
        while todo:
            tensor = todo.pop()
            node = producer.get(tensor)
            if tensor in inputs or node is None or node["index"] in delegated:
                continue
            delegated.add(node["index"])
            todo.extend(int(source) for source in node["inputs"])
    return sorted(delegated), len(kernels)
