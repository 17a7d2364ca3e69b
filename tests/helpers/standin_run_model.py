"""LiteRT's `run_model` on the stand-in phone: flags and output of 2.2.0, values of this machine's interpreter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

FLAGS = {
    *("graph", "dispatch_library_dir", "compiler_plugin_library_dir", "compiler_cache_dir", "accelerator"),
    *("gpu_precision", "signature_index", "print_tensors", "compare_numerical", "sample_size", "iterations"),
    *("language_model", "cpu_kernel_mode", "enable_ynnpack", "input_dir", "kernel_batch_size"),
}


def run_model(arguments: list[str]) -> int:
    """Behave as `tool.json` in the root of the phone says: see `standin_tool`; "flags" are those that it lacks."""
    from standin_tool import called  # beside this file

    _, behavior, flags = called(arguments, "run_model")
    for name in flags:
        if name not in FLAGS - set(behavior.get("lacks", [])):
            print(f"ERROR: Unknown command line flag '{name}'", file=sys.stderr)
            return 1
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=flags["graph"])
    signature = next(iter(interpreter.get_signature_list()), None)
    tensor, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    name = interpreter.get_signature_list()[signature]["inputs"][0] if signature else tensor["name"]
    path = Path(flags["input_dir"], f"{name}.raw")
    if not path.is_file():
        log(f"Failed to find input file {path}.", "E")
        return 1
    interpreter.allocate_tensors()
    image = np.fromfile(path, tensor["dtype"]).reshape(tensor["shape"])
    interpreter.set_tensor(tensor["index"], image)
    interpreter.invoke()
    output = interpreter.get_tensor(result["index"])
    show("Input", image, flags)
    show("Output", output[:, ::-1] if behavior.get("wrong") else output, flags)
    log("Model run completed")
    return 0


def show(kind: str, tensor: np.ndarray[Any, Any], flags: dict[str, str]) -> None:
    """Print the values at the beginning, in the middle and at the end: bytes are unsigned, floats have six digits."""
    log(f"{kind} buffer 0:")
    if (flags["print_tensors"], flags["compare_numerical"]) != ("true", "true"):
        return
    values = tensor.ravel() if tensor.dtype == np.float32 else np.ascontiguousarray(tensor).view(np.uint8).ravel()
    size, sample = len(values), int(flags["sample_size"])
    parts = [("Beginning", 0)]
    parts += [("Middle", size // 2 - sample // 2)] if size > 2 * sample else []
    parts += [("Ending", size - sample)] if size > sample else []
    for part, start in parts:
        count = min(sample, size - start)
        log(f"  {part} {count} elements:" if part != "Middle" else f"  {part} {count} elements (starting at {start}):")
        for index in range(start, start + count):
            log(f"    {index}: {values[index]:.6g}" if values.dtype == np.float32 else f"    {index}: {values[index]}")


def log(text: str, level: str = "I") -> None:
    """A line as Abseil writes it before its log is initialized."""
    print(f"{level}0000 00:00:1764261234.123456   12345 tensor_utils.h:184] {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_model(sys.argv[1:]))
