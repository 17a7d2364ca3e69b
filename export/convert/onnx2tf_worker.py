"""ONNX → float TFLite graph, through onnx2tf and TensorFlow.

The one module that imports them, and only in a child process: they take ten seconds and most of a
gigabyte to load, print at will, look for sample images on the network, and may bring the process down.
The child works in a temporary folder, is not let onto the network, and is ended with its caller.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecbsr_mobile.errors import EcbsrError

from .. import tflite
from .onnx_builder import INPUT, OUTPUT

if TYPE_CHECKING:
    import onnx

TIMEOUT_S = 600  # Ten seconds on a desktop; a cold start of TensorFlow from a slow disk takes minutes.
PACKAGES = ("onnx2tf", "tensorflow")


class Converter:
    """The child process, loading TensorFlow while its caller does other things; made by `converter`."""

    def __init__(self, process: subprocess.Popen[bytes], result: Path) -> None:
        self._process = process
        self._result = result

    def float_graph(self, model: onnx.ModelProto) -> tflite.Graph:
        """The float32 graph of an ONNX model of fixed size: NHWC, input `image`, output `upscaled`.

        A converter converts once.

        Raises:
            EcbsrError: the conversion failed, or took more than ten minutes.
        """
        try:
            _, errors = self._process.communicate(model.SerializeToString(), timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise EcbsrError(f"the conversion to TFLite was given up after {TIMEOUT_S} s") from None
        if self._process.returncode or not self._result.exists():
            lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
            reason = lines[-1] if lines else f"exit code {self._process.returncode}"
            raise EcbsrError(f"onnx2tf and TensorFlow could not convert the model: {reason}")
        return _tidy(tflite.read(self._result))


@contextmanager
def converter() -> Iterator[Converter]:
    """Start a converter; its process and files end with the context, however that is left."""
    _check_installed()
    with tempfile.TemporaryDirectory(prefix="ecbsr-export-") as folder:
        result = Path(folder, "model.tflite")
        root = str(Path(__file__).parents[2])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
            "CUDA_VISIBLE_DEVICES": "-1",
            "ORT_DISABLE_TELEMETRY": "1",  # onnx2tf imports onnxruntime
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(result)],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            yield Converter(process, result)
        finally:
            process.kill()
            with suppress(OSError, ValueError):  # what was not yet sent to it cannot be
                process.communicate()


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise EcbsrError(f"{' and '.join(missing)} is not installed; run: pip install 'ecbsr-mobile[export]'")


def _tidy(graph: tflite.Graph) -> tflite.Graph:
    """Give tensors short names, the signature ours, and drop what the converter noted about itself."""
    names: dict[int, str] = {}
    count: Counter[str] = Counter()
    for node in graph.nodes:
        name = f"{node.operator.lower()}_{count[node.operator]}"
        count[node.operator] += 1
        names.update(dict.fromkeys(node.outputs, name))
        parts = ("weight", "bias") if len(node.inputs) == 3 else ("slope",)
        for index, part in zip(node.inputs[1:], parts, strict=False):
            if graph.tensors[index].data is not None:
                names.setdefault(index, f"{name}/{part}")
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise EcbsrError(f"onnx2tf wrote {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not 1 and 1")
    names |= {graph.inputs[0]: INPUT, graph.outputs[0]: OUTPUT}
    tensors = tuple(replace(tensor, name=names.get(i, tensor.name)) for i, tensor in enumerate(graph.tensors))
    signature = tflite.Signature("serving_default", {INPUT: graph.inputs[0]}, {OUTPUT: graph.outputs[0]})
    return replace(graph, tensors=tensors, signature=signature, metadata={}, description="")


def _convert(result: str) -> None:
    """Runs in the child: an ONNX model on standard input → `result`, a `.tflite`."""
    sys.addaudithook(_refuse_network)
    import numpy as np
    import onnx
    import onnx2tf
    import tensorflow as tf

    data = sys.stdin.buffer.read()
    if not data:
        return  # the caller left before it had a model
    model = onnx.load_from_string(data)
    _, channels, height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim)
    if channels == 3:
        # onnx2tf fetches this file for a check of its own of any colour model; finding it here, it does not.
        sample = np.random.default_rng(0).random((20, height, width, 3), np.float32)
        np.save("calibration_image_sample_data_20x128x128x3_float32.npy", sample)
    source = Path(result).with_suffix(".onnx")
    source.write_bytes(data)
    keras = onnx2tf.convert(
        input_onnx_file_path=str(source),
        output_folder_path=str(source.parent),
        not_use_onnxsim=True,
        non_verbose=True,
        disable_model_save=True,
    )
    image = tf.TensorSpec(keras.inputs[0].shape, tf.float32, name=INPUT)
    function = tf.function(lambda image: {OUTPUT: keras(image)}, input_signature=[image])
    lite = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], keras)
    Path(result).write_bytes(lite.convert())


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise ConnectionError(f"the converter tried to reach {arguments[-1]}, which an export does not need")


if __name__ == "__main__":
    _convert(sys.argv[1])
