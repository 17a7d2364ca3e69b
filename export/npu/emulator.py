"""Run a compiled model in the vendor's emulator and compare it with the CPU and with the float network."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import tflite
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.text import MAX_NOTE, last_line

from ..validation.difference import difference
from .compiled_model import CompiledPartition, compiled_partitions
from .emulator_worker import ONNX_TYPES
from .results import EmulationResult
from .toolchain import Toolchain

if TYPE_CHECKING:
    from ecbsr_mobile.tflite.image_io import ImageTensor

    from ..validation.sample_crop import SampleCrop

WORKER = Path(__file__).with_name("emulator_worker.py")
TIMEOUT_SECONDS = 300.0  # a crop of 96x64 takes half a second, an image of 960x540 half a minute


def emulate(
    tools: Toolchain, compiled: bytes, crop: SampleCrop, folder: Path, stop: threading.Event | None = None
) -> EmulationResult:
    """Run a compiled file of the crop's size, with an empty folder for files, and compare it with the crop's results.

    Raises:
        Canceled: `stop` was set meanwhile.
    """
    graph = tflite.read(compiled, "the compiler's file")
    try:
        partitions = compiled_partitions(compiled, graph)
    except ValueError as error:
        return EmulationResult(note=str(error))
    tensors = [(partition.inputs, partition.outputs) for partition in partitions]
    if len(graph.nodes) != 1 or [(len(inputs), len(outputs)) for inputs, outputs in tensors] != [(1, 1)]:
        return EmulationResult(note="only a model that is compiled as one partition is emulated")
    ((image,), (result,)) = tensors[0]
    if image.dtype.name not in ONNX_TYPES or result.dtype.name not in ONNX_TYPES:
        return EmulationResult(note=f"the emulator does not support {image.type_name} and {result.type_name}")
    source, target = _with_tensor(crop.io.input, image), _with_tensor(crop.io.output, result)
    _write_job(partitions[0], source.store(crop.lr.astype(np.float32) / np.float32(255)), folder)
    try:
        code, _, errors = tools.run([sys.executable, "-P", str(WORKER), "job.json"], folder, TIMEOUT_SECONDS, stop)
    except subprocess_runner.TimedOut:
        return EmulationResult(note=f"the emulator did not end within {TIMEOUT_SECONDS:g} s")
    output = folder / "output.bin"
    size = int(np.prod(result.shape)) * result.dtype.itemsize
    if code or not output.exists() or output.stat().st_size != size:
        return EmulationResult(note=f"the emulator failed: {last_line(errors, f'exit code {code}')[:MAX_NOTE]}")
    pixels = np.clip(target.load(target.array(output.read_bytes()), np.float64), 0, 1) * 255
    height, width = crop.lr.shape[:2]
    return EmulationResult(
        size=(width, height),
        cpu=difference(pixels, crop.result),
        fp32=None if crop.fp32 is None else difference(pixels, crop.fp32),
        pixels=pixels,
    )


def _with_tensor(image: ImageTensor, tensor: tflite.Tensor) -> ImageTensor:
    """The image as a partition's tensor stores it; the compiler may not repeat the model's quantization."""
    return replace(image, tensor=replace(tensor, quantization=tensor.quantization or image.tensor.quantization))


def _write_job(partition: CompiledPartition, values: np.ndarray, folder: Path) -> None:
    """Write the files that the worker reads."""
    (folder / "context.bin").write_bytes(partition.context)
    values.tofile(folder / "input.bin")
    tensors = {
        name: {"name": tensor.name, "dtype": tensor.dtype.name, "shape": list(tensor.shape), "file": f"{name}.bin"}
        for name, tensor in (("input", partition.inputs[0]), ("output", partition.outputs[0]))
    }
    job = {"partition": partition.name, "context": "context.bin", **tensors}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
