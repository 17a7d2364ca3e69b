"""The vendor's emulation of a compiled model, against this machine's CPU and the float network."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile.utils import subprocess_runner

from .. import tflite
from ..tflite import isolated
from .compiled_model import compiled_partitions
from .emulator_worker import NAMES
from .qualcomm_sdk import Toolchain
from .results import Difference, EmulationResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..validation.sample_crop import SampleCrop

PROGRAM = Path(__file__).with_name("emulator_worker.py")
SECONDS = 300.0  # a tile of 96x64 takes half a second, a whole image at 960x540 half a minute


def emulate(
    tools: Toolchain, compiled: bytes, shown: SampleCrop, folder: Path, stop: threading.Event | None = None
) -> EmulationResult:
    """Run a compiled file of the tile's size in an empty folder, and compare with what `shown` holds.

    Raises:
        Cancelled: `stop` was set meanwhile.
    """
    graph = tflite.read(compiled, "the compiler's file")
    try:
        found = compiled_partitions(compiled, graph)
    except ValueError as error:
        return EmulationResult(note=str(error))
    if len(graph.nodes) != 1 or len(found) != 1 or len(found[0].inputs) != 1 or len(found[0].outputs) != 1:
        return EmulationResult(note="only a model that is taken whole, in one piece, is emulated")
    image, result = found[0].inputs[0], found[0].outputs[0]
    if image.dtype.name not in NAMES or result.dtype.name not in NAMES:
        return EmulationResult(note=f"{image.type_name} and {result.type_name} cannot be given to the emulator")
    (folder / "context.bin").write_bytes(found[0].context)
    isolated.input_values(shown.tile[None], image).tofile(folder / "input.bin")
    ends = {
        name: {"name": one.name, "dtype": one.dtype.name, "shape": list(one.shape), "file": f"{name}.bin"}
        for name, one in (("input", image), ("output", result))
    }
    job = {"piece": found[0].name, "context": "context.bin", **ends}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    try:
        code, _, errors = tools.run([sys.executable, "-P", str(PROGRAM), "job.json"], folder, SECONDS, stop)
    except subprocess_runner.TimedOut:
        return EmulationResult(note=f"the emulator did not end within {SECONDS:g} s")
    output = folder / "output.bin"
    size = int(np.prod(result.shape)) * result.dtype.itemsize
    if code or not output.exists() or output.stat().st_size != size:
        lines = errors.decode(errors="replace").strip().splitlines()
        words = "".join(c for c in lines[-1] if c.isprintable())[:300] if lines else f"exit code {code}"
        return EmulationResult(note=f"the emulator failed: {words}")
    pixels = isolated.output_pixels(output.read_bytes(), result).reshape(result.shape[1:])
    height, width = shown.tile.shape[:2]
    return EmulationResult(
        size=(width, height),
        cpu=difference(pixels, shown.result),
        fp32=None if shown.fp32 is None else difference(pixels, shown.fp32),
        pixels=pixels,
    )


def difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> Difference:
    """How two results [H, W, C] in 0..255 differ."""
    gap = np.abs(first - second)
    power = float(np.mean(gap**2))
    return Difference(float(gap.max()), float(10 * np.log10(255**2 / power)) if power else None)
