"""Run `.tflite` files with the built-in kernels of LiteRT, which infer every shape."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import interpreter as litert

BUILT_IN_KERNELS = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def interpreter(model: bytes, size: tuple[int, int] | None = None) -> litert.Interpreter:
    """The model with allocated tensors, resized to `size` (width, height) first if that is given."""
    runner = litert.Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=BUILT_IN_KERNELS)
    if size is not None:
        details = runner.get_input_details()[0]
        runner.resize_tensor_input(details["index"], [1, size[1], size[0], int(details["shape"][3])])
    runner.allocate_tensors()
    return runner


def run(model: bytes, seed: int = 0) -> np.ndarray:
    """The output for a random image."""
    runner = interpreter(model)
    details = runner.get_input_details()[0]
    random = np.random.default_rng(seed)
    if details["dtype"] == np.float32:
        image = random.uniform(0, 1, details["shape"]).astype(np.float32)
    else:
        image = random.integers(-128, 128, details["shape"]).astype(details["dtype"])
    runner.set_tensor(details["index"], image)
    runner.invoke()
    return np.array(runner.get_tensor(runner.get_output_details()[0]["index"]))


def result(model: bytes, stored: np.ndarray) -> np.ndarray:
    """The output for a stored input of any size."""
    runner = litert.Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=BUILT_IN_KERNELS)
    index = runner.get_input_details()[0]["index"]
    runner.resize_tensor_input(index, stored.shape)
    runner.allocate_tensors()
    runner.set_tensor(index, stored)
    runner.invoke()
    return np.array(runner.get_tensor(runner.get_output_details()[0]["index"]))


def shapes_of(runner: litert.Interpreter) -> list[tuple[int, ...]]:
    """The shape of every tensor, by index."""
    return [tuple(int(size) for size in details["shape"]) for details in runner.get_tensor_details()]
