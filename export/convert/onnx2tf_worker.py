"""The converter's child process: an ONNX model on standard input → a `.tflite` file. Run with `-m`.

The only module that imports onnx2tf and TensorFlow; `onnx_to_tflite` is the parent's side.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .onnx_builder import INPUT, OUTPUT

SAMPLE_IMAGES = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""onnx2tf checks RGB models on this file, and downloads it unless it is in the working folder."""


def main(result: str) -> None:
    """Convert the ONNX model on standard input and write the `.tflite` file `result`; empty input writes nothing."""
    sys.addaudithook(refuse_network)
    import onnx2tf  # noqa: F401  # loads while the parent does other work, before there is a model

    data = sys.stdin.buffer.read()
    if data:  # else the parent ended before it sent a model
        Path(result).write_bytes(convert(data, Path(result).parent))


def convert(data: bytes, folder: Path) -> bytes:
    """Convert an ONNX model to the bytes of a `.tflite` file; `folder`, the working folder, gets intermediate files."""
    import numpy as np
    import onnx
    import onnx2tf
    import tensorflow as tf

    model = onnx.load_from_string(data)
    _, channels, height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim)
    if channels == 3:
        np.save(SAMPLE_IMAGES, np.random.default_rng(0).random((20, height, width, 3), np.float32))
    source = folder / "model.onnx"
    source.write_bytes(data)
    keras = onnx2tf.convert(
        input_onnx_file_path=str(source),
        output_folder_path=str(folder),
        not_use_onnxsim=True,
        non_verbose=True,
        disable_model_save=True,
    )
    image = tf.TensorSpec(keras.inputs[0].shape, tf.float32, name=INPUT)
    function = tf.function(lambda image: {OUTPUT: keras(image)}, input_signature=[image])
    lite = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], keras)
    result: bytes = lite.convert()
    return result


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook that blocks connections and name lookups.

    Raises:
        ConnectionError: the event is a connection or a name lookup.
    """
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise ConnectionError(f"the converter tried to reach {arguments[-1]}, which an export does not need")


if __name__ == "__main__":
    main(sys.argv[1])
