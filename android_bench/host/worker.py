"""One run on this machine, in a process of its own.

    python -P worker.py MODEL.tflite THREADS ITERATIONS MAX_SECONDS [builtin]   prints one JSON document

It imports only numpy and the TFLite interpreter.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

WARMUP_SECONDS = 0.5  # as in the phone's tool, until clocks and caches settle


def main(model: str, threads: int, iterations: int, max_seconds: float, builtin: bool) -> dict[str, Any]:
    """Load, warm up and time `model`.

    Times at most `iterations` inferences, and starts none after `max_seconds`, except the first; `builtin` leaves
    XNNPACK out. Returns `init_ms`, `times_ms` of each inference, `peak_memory_mb`, the `input_shape` [1, H, W, C] and
    the `nodes` after delegation.
    """
    start = time.perf_counter()
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if builtin else OpResolverType.AUTO
    interpreter = Interpreter(model_path=model, num_threads=threads, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    init = time.perf_counter() - start
    details = interpreter.get_input_details()
    for index, tensor in enumerate(details):
        interpreter.set_tensor(tensor["index"], random_input(tensor["shape"], tensor["dtype"], seed=index))
    warm_up(interpreter)
    times: list[float] = []
    end = time.perf_counter() + max_seconds
    while len(times) < iterations and (not times or time.perf_counter() < end):
        times.append(invoke_seconds(interpreter))
    return {
        "init_ms": init * 1e3,
        "times_ms": [seconds * 1e3 for seconds in times],
        "nodes": [plain_node(node) for node in interpreter._get_ops_details()],
        "input_shape": details[0]["shape"].tolist(),
        "peak_memory_mb": peak_memory_mb(),
    }


def warm_up(interpreter: Interpreter) -> None:
    """Invoke for `WARMUP_SECONDS`, and at least once."""
    end = time.perf_counter() + WARMUP_SECONDS
    interpreter.invoke()
    while time.perf_counter() < end:
        interpreter.invoke()


def invoke_seconds(interpreter: Interpreter) -> float:
    """Seconds of one inference."""
    start = time.perf_counter()
    interpreter.invoke()
    return time.perf_counter() - start


def peak_memory_mb() -> float | None:
    """The peak resident memory of this process in MiB; None if the system does not report it."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def random_input(shape: Sequence[int], dtype: np.dtype[Any] | type, seed: int) -> np.ndarray:
    """Random values: [0, 1) for floating point, the full range for integers."""
    generator = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.floating):
        return generator.random(shape, np.float32).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def plain_node(node: dict[str, Any]) -> dict[str, Any]:
    """A node of the interpreter as JSON values, as `ecbsr_mobile.tflite.xnnpack_probe.delegated_nodes` reads it."""
    return {
        "op_name": node["op_name"],
        "index": int(node["index"]),
        "inputs": [int(tensor) for tensor in node["inputs"]],
        "outputs": [int(tensor) for tensor in node["outputs"]],
    }


if __name__ == "__main__":
    json.dump(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), bool(sys.argv[5:])), sys.stdout)
