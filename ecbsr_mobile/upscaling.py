"""Upscaling images of any size with weights or a `.tflite`, in tiles without seams."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from . import images
from .errors import EcbsrError
from .images import Picture
from .quantization.qparams import dequantize, quantize
from .utils.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .network import PlainNet
    from .quantization.fake_quant import FakeQuantNet
    from .utils.progress import Progress

TILE = 512
"""LR pixels along a side of a tile: large enough that the halo costs little, small enough for any memory."""

_MIN_SIDE = 256  # for inputs of a smaller area than its square, PyTorch chooses kernels that round differently
_BICUBIC_RADIUS = 2  # LR pixels, when enlarging


class Model(Protocol):
    """A super-resolution network, independent of the runtime."""

    name: str
    scale: int
    colors: int
    radius: int
    """Radius of the receptive field in LR pixels."""

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """LR [H, W, colors] in [0, 1] → SR [scale·H, scale·W, colors] in [0, 1], not clipped."""
        ...


class TorchModel:
    """A plain or simulated int8 network, run by PyTorch on the device of its parameters."""

    def __init__(self, net: PlainNet | FakeQuantNet) -> None:
        """`net` is not copied."""
        architecture = net.architecture
        self.net, self.name = net, architecture.name
        self.scale, self.colors, self.radius = architecture.scale, architecture.colors, architecture.radius

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Model.run`."""
        import torch

        device = next(self.net.parameters()).device
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(device)
            y: NDArray[np.float32] = self.net(x)[0].cpu().numpy().transpose(1, 2, 0)
        return y


class TfliteModel:
    """A `.tflite` file, float or quantized, run by LiteRT on the CPU at any input size."""

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None) -> None:
        """Load the file; `threads` defaults to all cores.

        Raises:
            EcbsrError: the file is missing, not a `.tflite`, or not a super-resolution network with one NHWC image as
                input and one as output.
        """
        from ai_edge_litert.interpreter import Interpreter

        if not Path(path).is_file():
            raise EcbsrError(f"{path}: no such file")
        try:
            self._interpreter = Interpreter(str(path), num_threads=threads or os.cpu_count())
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = printable(next(iter(str(error).strip().splitlines()), "it is damaged"))
            raise EcbsrError(f"{path}: cannot be loaded as a .tflite ({reason})") from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shapes = [tuple(tensor["shape"].tolist()) for tensor in (*inputs, *outputs)]
        scale = _scale(*shapes) if len(inputs) == len(outputs) == 1 else None
        if scale is None:
            raise EcbsrError(f"{path}: is not a super-resolution network (input one NHWC image, output a larger one)")
        colors = shapes[0][3]
        if colors not in (1, 3):
            raise EcbsrError(f"{path}: has an input of {colors} channels; only luma (1) and RGB (3) are supported")
        self._input, self._output = inputs[0], outputs[0]
        self.name, self.scale, self.colors = Path(path).stem, scale, colors
        self.radius = self._radius()

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Model.run`; the input is quantized if the file's input tensor is."""
        interpreter, index = self._interpreter, self._input["index"]
        batch = _to_input(image[None], self._input)
        if tuple(interpreter.get_input_details()[0]["shape"]) != batch.shape:
            interpreter.resize_tensor_input(index, batch.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(index, batch)
        interpreter.invoke()
        return _from_output(interpreter.get_tensor(self._output["index"])[0], self._output)

    def _radius(self) -> int:
        """Radius of the receptive field in LR pixels: the sum of those of the convolutions."""
        shapes = {d["index"]: d["shape"] for d in self._interpreter.get_tensor_details()}
        convolutions = [op for op in self._interpreter._get_ops_details() if "CONV" in op["op_name"]]
        return sum((int(max(shapes[op["inputs"][1]][1:3])) - 1) // 2 for op in convolutions)


def open_model(model: str | os.PathLike[str] | PlainNet | Model, **options: Any) -> Model:
    """A model from a plain network, a weights file, the name of a bundled model, or a `.tflite`.

    `options` are those of `checkpoint.load`, for weights.

    Raises:
        EcbsrError: see `checkpoint.load` and `TfliteModel`.
    """
    if isinstance(model, str | os.PathLike):
        if Path(model).suffix == ".tflite":
            return TfliteModel(model)
        from .checkpoint import load

        return TorchModel(load(model, **options))
    return model if hasattr(model, "run") else TorchModel(model)  # type: ignore[arg-type, return-value]


_Image = TypeVar("_Image", Picture, "NDArray[np.unsignedinteger]")


def upscale(
    image: _Image,
    model: str | os.PathLike[str] | PlainNet | Model,
    tile: int = TILE,
    progress: Progress | None = None,
) -> _Image:
    """Upscale an image by the factor of `model`.

    A luma model upscales BT.601 luma; chroma and alpha are enlarged by bicubic. Tiles overlap by the receptive field of
    the network, so that the result equals that of the whole image.

    Args:
        image: a `Picture`, or pixels [H, W, 3] (RGB) or [H, W, 1] (gray) as uint8 or uint16.
        model: a network, a weights file, the name of a bundled model, or a `.tflite`.
        tile: LR pixels along a side of a tile.
        progress: shows progress over the tiles.

    Returns:
        A `Picture` or an array [scale·H, scale·W, C], like `image`, of the same dtype.

    Raises:
        EcbsrError: see `open_model`.
    """
    if isinstance(image, np.ndarray):
        return upscale(Picture(image), model, tile, progress).pixels
    model = open_model(model)
    width, height = image.size
    scale, halo = model.scale, max(model.radius, _BICUBIC_RADIUS)
    min_rows, min_columns = (max(_MIN_SIDE, math.ceil(_MIN_SIDE**2 / side)) for side in (width, height))
    pixels = np.empty((height * scale, width * scale, image.pixels.shape[2]), image.pixels.dtype)
    alpha = None if image.alpha is None else np.empty(pixels.shape[:2], pixels.dtype)
    tiles = [(y, x) for y in images.tiles(height, tile) for x in images.tiles(width, tile)]
    for (top, bottom), (left, right) in progress(tiles, "upscaling") if progress else tiles:
        rows = _with_halo(top, bottom, halo, min_rows, height)
        columns = _with_halo(left, right, halo, min_columns, width)
        inner = (
            slice((top - rows.start) * scale, (bottom - rows.start) * scale),
            slice((left - columns.start) * scale, (right - columns.start) * scale),
        )
        target = (slice(top * scale, bottom * scale), slice(left * scale, right * scale))
        pixels[target] = _upscale_tile(image.pixels[rows, columns], model, image.peak)[inner]
        if alpha is not None and image.alpha is not None:
            alpha[target] = _bicubic(image.alpha[rows, columns], scale)[inner]
    return Picture(pixels, alpha)


def _with_halo(start: int, stop: int, halo: int, minimum: int, length: int) -> slice:
    """The part of 0..length to compute for start..stop: `halo` more on each side, and at least `minimum` in all."""
    start, stop = max(start - halo, 0), min(stop + halo, length)
    start = max(min(start, stop - minimum), 0)
    return slice(start, min(max(stop, start + minimum), length))


def _upscale_tile(pixels: NDArray[np.unsignedinteger], model: Model, peak: int) -> NDArray[np.unsignedinteger]:
    gray = pixels.shape[2] == 1
    rgb = (pixels.repeat(3, axis=2) if gray else pixels).astype(np.float32) * np.float32(255 / peak)
    if model.colors == 3:
        result = model.run(rgb / np.float32(255)) * np.float32(255)
        if gray:
            result = result.clip(0, 255).mean(axis=2, keepdims=True)
    else:
        y = model.run(images.luma(rgb)[:, :, None] / np.float32(255))[:, :, 0] * np.float32(255)
        if gray:  # gray is a color with chroma 128, which needs no enlarging
            result = images.ycbcr_to_rgb(y, np.full((*y.shape, 2), 128, np.float32))[:, :, :1]
        else:
            size = (y.shape[1], y.shape[0])
            result = images.ycbcr_to_rgb(y, images.resize_bicubic(images.chroma(rgb), size))
    return images.round_to(result * np.float32(peak / 255), pixels.dtype)


def _scale(shape_in: tuple[int, ...], shape_out: tuple[int, ...]) -> int | None:
    """The scale of a network that enlarges one NHWC image; None if its input and output have other shapes."""
    if len(shape_in) != 4 or len(shape_out) != 4 or not all(shape_in):
        return None
    _, height, width, colors = shape_in
    scale = shape_out[1] // height
    return scale if scale >= 1 and shape_out == (1, scale * height, scale * width, colors) else None


def _bicubic(plane: NDArray[np.unsignedinteger], scale: int) -> NDArray[np.unsignedinteger]:
    height, width = plane.shape
    enlarged = images.resize_bicubic(plane.astype(np.float32), (width * scale, height * scale))
    return images.round_to(enlarged, plane.dtype)


def _to_input(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(tensor["dtype"])
    if dtype.kind == "f":
        return values.astype(dtype)
    scale, zero_point = tensor["quantization"]
    return quantize(values, scale, zero_point, dtype)


def _from_output(values: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    return dequantize(values, scale, zero_point)
