"""ONNX → float TFLite graph, with onnx2tf and TensorFlow in a child process (`onnx2tf_worker`).

They take ten seconds and most of a gigabyte of memory to load, print to both streams, download sample images, and can
crash. The child works in a temporary folder, has no network, and ends with its parent.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner, text
from ecbsr_mobile.utils.extras import how_to_install
from ecbsr_mobile.utils.guard import TemporaryFolder

from .names import with_our_names

if TYPE_CHECKING:
    import onnx

    from ecbsr_mobile.architecture import Architecture

TIMEOUT_SECONDS = 600  # a conversion takes ten seconds on a desktop, and minutes with a cold start from a slow disk
PACKAGES = ("onnx2tf", "tensorflow")
WORKER = "export.convert.onnx2tf_worker"

_CHANGES_THE_CONVERTER = ("PYTHONOPTIMIZE", "PYTHONWARNINGS", "TF_", "KERAS_", "XLA_")
"""Variables of the caller, or how they begin, with which onnx2tf and TensorFlow fail or write another graph."""


def conversion_size(architecture: Architecture) -> tuple[int, int]:
    """(width, height) at which a network is converted: small, not square, and no side equal to a number of channels.

    onnx2tf knows layouts by their sizes: where the height equals the channels, it takes PReLU's slopes [C, 1, 1] for
    one of each row. `tflite.at_size` sets other sizes afterwards.
    """
    channels = {count for widths in architecture.widths for count in widths}
    width, height = [side for side in (53, 41, 37) if side not in channels][:2]
    return width, height


class Converter:
    """The child process, which loads TensorFlow while the parent does other work; started by `converter`."""

    def __init__(self, process: subprocess.Popen[bytes], result: Path) -> None:
        self._process = process
        self._result = result

    def float_graph(self, model: onnx.ModelProto) -> tflite.Graph:
        """Convert an ONNX model of fixed size; a converter can be used once.

        Returns:
            The float32 graph, NHWC, with input `image` and output `upscaled`.

        Raises:
            EcbsrError: the conversion failed, or took longer than `TIMEOUT_SECONDS`.
        """
        try:
            _, errors = self._process.communicate(model.SerializeToString(), timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise EcbsrError(f"the conversion to TFLite did not end within {TIMEOUT_SECONDS} s") from None
        if self._process.returncode or not self._result.exists():
            reason = text.last_line(errors, f"exit code {self._process.returncode}")
            reason = reason.replace(f"{self._result.parent}{os.sep}", "")  # a name that is another in every export
            raise EcbsrError(f"onnx2tf and TensorFlow could not convert the model: {reason}")
        return with_our_names(tflite.read(self._result))


@contextmanager
def converter() -> Iterator[Converter]:
    """Start a converter; leaving the context ends its process and deletes its files.

    Raises:
        EcbsrError: onnx2tf or TensorFlow is not installed.
    """
    _check_installed()
    with TemporaryFolder("ecbsr-export-") as folder:
        result = Path(folder, "model.tflite")
        root = str(Path(__file__).parents[2])
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_CHANGES_THE_CONVERTER)},
            "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
            "CUDA_VISIBLE_DEVICES": "-1",
            "ORT_DISABLE_TELEMETRY": "1",  # onnx2tf imports onnxruntime
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        with subprocess_runner.started(
            [sys.executable, "-m", WORKER, str(result)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            environment=environment,
            folder=folder,
        ) as process:
            yield Converter(process, result)


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise EcbsrError(f"not installed: {' and '.join(missing)}; run: {how_to_install('export')}")
