"""RGB networks of others, whose weights ECNUSR/ETDS publishes, as `.tflite` files: the layers are written here anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import images, zoo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    State = dict[str, NDArray[np.float32]]

SIZE = (270, 480)  # LR height and width of the files


def write_tflite(weights: Path, scale: int, int8: bool, path: Path) -> None:
    """Convert with TensorFlow's converter; int8 with its own calibration, on the bundled images."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(_network(_read(weights), scale))
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = _calibration
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


def _network(state: State, scale: int) -> Any:
    """The Keras model of a state dict, told apart by its names."""
    import tensorflow as tf

    image = tf.keras.layers.Input((*SIZE, 3), batch_size=1)
    if "last_part.weight" in state:
        values = _fsrcnn(image, state, scale)
    elif "conv3.weight" in state:
        values = _convolve(image, state, ["conv1", "conv2", "conv3"], "tanh", scale)
        values = tf.keras.layers.Activation("sigmoid")(values)
    elif "conv_clip.weight" in state:
        middle = [name.removesuffix(".weight") for name in state if "backbone" in name and "weight" in name]
        values = _convolve(image, state, ["conv_first", *middle, "conv_last", "conv_clip"], "relu", scale)
        values = tf.keras.layers.ReLU()(values)
    else:  # ABPN
        names = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
        values = _convolve(image, state, names, "relu", scale, residual=True)
    return tf.keras.Model(image, values)


def _convolve(image: Any, state: State, names: list[str], activation: str, scale: int, residual: bool = False) -> Any:
    """Convolutions with an activation between them, and pixel shuffle; `residual` adds the image before it."""
    import tensorflow as tf

    layers, values = tf.keras.layers, image
    for name in names:
        kernel, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        if name == names[-1]:  # depth to space has the colors of a pixel side by side; PyTorch, the pixels of a color
            order = np.arange(3 * scale**2).reshape(3, -1).T.reshape(-1)
            kernel, bias = kernel[order], bias[order]
        values = _convolution(values, kernel, bias)
        if name != names[-1]:
            values = layers.Activation(activation)(values)
    if residual:
        values = layers.Add()([values, layers.Concatenate()([image] * scale**2)])
    return layers.Lambda(lambda x: tf.nn.depth_to_space(x, scale))(values)


def _fsrcnn(image: Any, state: State, scale: int) -> Any:
    """Convolutions with PReLU, and a transposed convolution of 9x9."""
    import tensorflow as tf

    layers, values = tf.keras.layers, image
    names = [name.removesuffix(".weight") for name in state if name.endswith(".weight")][:-1]
    for name in names:
        if state[f"{name}.weight"].ndim == 4:
            values = _convolution(values, state[f"{name}.weight"], state[f"{name}.bias"])
        else:
            slopes = layers.PReLU(shared_axes=[1, 2])
            values = slopes(values)
            slopes.set_weights([state[f"{name}.weight"].reshape(1, 1, -1)])
    # PyTorch leaves out 4 rows and columns at the top and left; so does "same" with scale - 1 zeros after the kernel.
    kernel = np.pad(state["last_part.weight"].transpose(2, 3, 1, 0), [(0, scale - 1), (0, scale - 1), (0, 0), (0, 0)])
    last = layers.Conv2DTranspose(3, len(kernel), strides=scale, padding="same")
    values = last(values)
    last.set_weights([kernel, state["last_part.bias"]])
    return values


def _convolution(values: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
    import tensorflow as tf

    layer = tf.keras.layers.Conv2D(len(kernel), kernel.shape[2:], padding="same")
    values = layer(values)
    layer.set_weights([kernel.transpose(2, 3, 1, 0), bias])
    return values


def _read(weights: Path) -> State:
    import torch

    state = torch.load(weights, weights_only=True, map_location="cpu")
    return {name: tensor.numpy() for name, tensor in state.get("params", state).items()}


def _calibration() -> Iterator[list[NDArray[np.float32]]]:
    for path in zoo.pictures():
        rgb = images.resize_bicubic(images.read(path).rgb(), SIZE[::-1])
        yield [rgb[None].astype(np.float32) / np.float32(255)]
