"""Open and run models with LiteRT's GPU accelerator; the program of the process that `accelerator.run` starts.

    python -P accelerator_worker.py JOB.json

The job has the precision and the models: each with its file and the files of its inputs, if it is to run, and of its
output. The file `ANSWERS` gets one JSON document per model, at once, since a model may end the process (LiteRT prints
to standard output, too); standard error gets LiteRT's log, with `MARK` and the model's number before each attempt to
open it. Imports NumPy and LiteRT only.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ANSWERS = "answers.jsonl"

WARMUP_SECONDS = 0.5  # as in the phone's tool, until clocks settle

MARK = "=== model "
"""Begins the line of the log before those of a model."""


def main(path: str) -> None:
    """Run the job in the file `path`."""
    from ai_edge_litert.environment import Environment

    job = json.loads(Path(path).read_text(encoding="utf-8"))
    environment = Environment.create()
    with Path(ANSWERS).open("w", encoding="utf-8", buffering=1) as answers:
        for number, item in enumerate(job["models"]):
            answers.write(json.dumps(_opened(number, item, job["precision"], environment)) + "\n")


def _opened(number: int, item: dict[str, Any], precision: str, environment: Any) -> dict[str, Any]:
    """What happens to one model: opened on the GPU alone, else together with the CPU, and run if it has inputs."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.gpu_options import GpuOptions
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import Options

    gpu, error = HardwareAccelerator.GPU, ""
    for accelerators in (gpu, gpu | HardwareAccelerator.CPU):
        os.write(2, f"\n{MARK}{number}\n".encode())
        options = Options(hardware_accelerators=accelerators, gpu_options=GpuOptions(enforce_f32=precision == "fp32"))
        try:
            model = CompiledModel.from_file(item["file"], environment=environment, options=options)
        except RuntimeError as failure:
            error = _one_line(failure)
            continue
        return {"opens": True, "whole": accelerators == gpu, **_run(model, item)}
    return {"opens": False, "whole": False, "error": error}


def _run(model: Any, item: dict[str, Any]) -> dict[str, Any]:
    """Write the output for the inputs, warm up, and time `item["runs"]` runs in milliseconds."""
    if not item["inputs"]:
        return {}
    try:
        inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
        for buffer, path in zip(inputs, item["inputs"], strict=True):
            buffer.write(np.fromfile(path, buffer.get_tensor_details()["dtype"]))
        output = outputs[0].get_tensor_details()
        count, kind = int(np.prod(output["shape"])), np.dtype(output["dtype"]).type
        times: list[float] = []

        def timed() -> np.ndarray:
            start = time.perf_counter()
            model.run_by_index(0, inputs, outputs)
            result = outputs[0].read(count, kind)  # waits for the GPU
            times.append((time.perf_counter() - start) * 1e3)
            return result

        end = time.perf_counter() + (WARMUP_SECONDS if item["runs"] else 0)
        timed().tofile(item["output"])
        while time.perf_counter() < end:
            timed()
        times.clear()
        end = time.perf_counter() + item["seconds"]
        while len(times) < item["runs"] and (not times or time.perf_counter() < end):
            timed()
    except (RuntimeError, ValueError, TypeError) as failure:
        return {"error": _one_line(failure)}
    return {"milliseconds": times}


def _one_line(failure: Exception) -> str:
    return " ".join(str(failure).split())


if __name__ == "__main__":
    main(sys.argv[1])
