"""Upscale a picture with nothing but LiteRT, NumPy and Pillow: the steps that an app of your own takes.

python examples/run_with_litert.py model.tflite photo.png larger.png
"""

from __future__ import annotations

import argparse

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

# BT.601 in limited range: RGB in 0..255 → Y in 16..235, Cb and Cr in 16..240.
TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
OFFSET = np.array([16, 128, 128])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("picture")
    parser.add_argument("larger")
    options = parser.parse_args()
    rgb = np.asarray(Image.open(options.picture).convert("RGB"))
    interpreter = Interpreter(model_path=options.model)
    if interpreter.get_input_details()[0]["shape"][3] == 3:
        result = run(interpreter, rgb)
    else:
        planes = rgb @ TO_YCBCR.T + OFFSET
        luma = run(interpreter, planes[:, :, :1])
        height, width = luma.shape[:2]
        blue, red = (np.asarray(Image.fromarray(planes[:, :, i].astype(np.float32)).resize((width, height),
                     Image.Resampling.BICUBIC)) for i in (1, 2))  # fmt: skip
        result = (np.stack([luma[:, :, 0], blue, red], 2) - OFFSET) @ np.linalg.inv(TO_YCBCR).T
    Image.fromarray(result.round().clip(0, 255).astype(np.uint8)).save(options.larger)


def run(interpreter: Interpreter, pixels: np.ndarray) -> np.ndarray:
    """Pixels [H, W, C] in 0..255 → [scale·H, scale·W, C] in 0..255."""
    (image,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(image["index"], [1, *pixels.shape])
    interpreter.allocate_tensors()
    interpreter.set_tensor(image["index"], stored(pixels, image["dtype"])[None])
    interpreter.invoke()
    (output,) = interpreter.get_output_details()
    return loaded(interpreter.get_tensor(output["index"])[0])


def stored(pixels: np.ndarray, dtype: type) -> np.ndarray:
    """Pixels as the file's input stores them: float32 in 0..1, uint8 as they are, int8 with the highest bit turned."""
    if dtype == np.float32:
        return pixels.astype(np.float32) / np.float32(255)
    rounded = pixels.round().astype(np.uint8)
    return rounded if dtype == np.uint8 else (rounded ^ 0x80).view(np.int8)


def loaded(values: np.ndarray) -> np.ndarray:
    """The other way round."""
    if values.dtype == np.float32:
        return values.clip(0, 1) * 255
    return (values.view(np.uint8) ^ 0x80 if values.dtype == np.int8 else values).astype(np.float32)


if __name__ == "__main__":
    main()
