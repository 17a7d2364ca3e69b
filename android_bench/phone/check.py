"""The output of a phone for a real image, compared with the output of this machine.

TFLite's tool writes its output to a file. LiteRT's tool does not; LiteRT's `run_model` (version 2.2.0) reads its inputs
from files and prints values of its output.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import tflite
from ecbsr_mobile.tflite.image_io import ImageIO
from ecbsr_mobile.tflite.litert_shapes import read_as_litert

from .. import output_check
from ..benchmark_tool import binary, flags
from ..benchmark_tool.log_parser import parse_log
from ..config import Case
from ..results.types import Check
from .device import FOLDER

if TYPE_CHECKING:
    from .runner import PhoneRunner

RUN_MODEL = "run_model"

NO_RUN_MODEL = (
    "not compared: LiteRT's tool takes no input and writes no output; put LiteRT's run_model beside it, and give both "
    "with --tool"
)

_OUTPUT = re.compile(r"Output buffer 0:(.*?)(?:Output buffer 1:|Model run completed|$)", re.DOTALL)
_VALUE = re.compile(r"^(?:\S.*\] )? {4}(\d{1,9}): (\S{1,30})$", re.MULTILINE)
_ERROR = re.compile(r"^(?:E.*\] |ERROR: )(.*)$", re.MULTILINE)


def check(runner: PhoneRunner, case: Case) -> Check:
    """Compare the output for a real image; `case` was timed.

    Raises:
        EcbsrError: the phone can no longer be used, or this machine cannot run the model.
    """
    model = runner.model_file(case)
    _, graph = read_as_litert(model.read_bytes())
    io = runner.image_io(case.model).of(graph)
    values = runner.folder / "values.bin"
    values.write_bytes(output_check.input_image(io.input))
    if runner.device.tool.info.kind == "litert":
        return _by_run_model(runner, case, model, graph, values, io)
    return _by_output_file(runner, case, model, graph, values, io)


def _by_output_file(
    runner: PhoneRunner, case: Case, model: Path, graph: tflite.Graph, values: Path, io: ImageIO
) -> Check:
    device, image, local = runner.device, tflite.image_input(graph), runner.folder / "output.bin"
    remote_values, remote_output = device.push(values, values.name), f"{FOLDER}/output.bin"
    device.adb.shell_output(f"rm -f {remote_output}")
    check_flags = flags.check_flags(image.name, image.shape, remote_values, remote_output)
    log, code = runner.run_tool(case, model, check_flags)
    if any("output_filepath" in flag for flag in parse_log(log).unknown_flags):
        return Check(note="not compared: this tool cannot write its output")
    if code != 0 or device.adb.shell(f"[ -s {remote_output} ]").code:
        return Check(note="not compared: the tool wrote no output")
    device.adb.pull(remote_output, local, runner.options.limits.push)
    return output_check.compare(local.read_bytes(), runner.reference(model, values), io.output)


def _by_run_model(
    runner: PhoneRunner, case: Case, model: Path, graph: tflite.Graph, values: Path, io: ImageIO
) -> Check:
    device, dtype = runner.device, io.output.tensor.type_name
    program = binary.beside(device.tool, RUN_MODEL)
    if program is None:
        return Check(note=NO_RUN_MODEL)
    if dtype not in ("FLOAT32", "INT8", "UINT8"):
        return Check(note=f"not compared: run_model prints no values of the type {dtype}")
    folder = f"inputs-{hashlib.sha256(values.read_bytes()).hexdigest()[:16]}"
    device.push(values, f"{_input_name(graph)}.raw", folder)
    remote = device.push(program, RUN_MODEL)
    device.adb.shell_output(f"chmod 755 {shlex.quote(remote)}")
    output, code = runner.run_model(case, model, remote, f"{FOLDER}/{folder}")
    printed = _printed(output)
    if code != 0 or not printed:
        reason = _ERROR.search(output)
        ended = "was killed at the time limit" if code is None else f"ended with exit code {code}"
        return Check(note=f"not compared: run_model {ended}{f': {reason[1]}' if reason else ''}")
    reference = runner.reference(model, values)
    expected = io.output.array(reference).ravel()
    actual = expected.copy()
    indices = [index for index in printed if index < len(actual)]
    actual[indices] = [_value(printed[index], expected[index]) for index in indices]
    return output_check.compare(actual.tobytes(), reference, io.output, len(indices))


def _input_name(graph: tflite.Graph) -> str:
    """The name of the input in the signature; LiteRT takes that of the tensor where there is none."""
    named = graph.signature.inputs if graph.signature else {}
    return next(
        (name for name, index in named.items() if index == graph.inputs[0]), graph.tensors[graph.inputs[0]].name
    )


def _printed(output: str) -> dict[int, str]:
    """The values of the first output that are printed, by their index."""
    found = _OUTPUT.search(output.replace("\r\n", "\n"))
    return {int(index): value for index, value in _VALUE.findall(found[1])} if found else {}


def _value(text: str, expected: np.generic) -> np.generic:
    """A printed value: floats have six significant digits, and bytes are unsigned."""
    dtype = expected.dtype
    if dtype.kind != "f":
        return np.uint8(int(text)).view(dtype)
    return expected if text == f"{expected:.6g}" else dtype.type(float(text))
