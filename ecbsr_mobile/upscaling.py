"""Upscaling images of any size with weights or a `.tflite`, in tiles without seams."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from . import images, reference_picture, zoo
from .errors import EcbsrError, OptionError, UsageError
from .images import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .network import PlainNet
    from .quantization.fake_quant import FakeQuantNet
    from .tflite_model import SizedTflite
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
    radius: int | None
    """Radius of the receptive field in LR pixels; None where it has no bound, so that images are not cut into tiles."""
    step: int = 1
    """Tiles start at multiples of this, in LR pixels."""

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """LR [H, W, colors] in [0, 1] → SR [scale·H, scale·W, colors] in [0, 1], not clipped."""
        ...

    def sized(self, width: int, height: int, threads: int = 1) -> SizedTflite | None:
        """The model at one size of LR images, in LR pixels, for a thread of its own; None: `run` is all there is."""
        return None


class TorchModel(Model):
    """A plain or simulated int8 network, run by PyTorch on the device of its parameters."""

    def __init__(self, net: PlainNet | FakeQuantNet) -> None:
        """`net` is not copied."""
        architecture = net.architecture
        self.net, self.name = net, architecture.name
        self.scale, self.colors = architecture.scale, architecture.colors
        self.radius: int | None = architecture.radius

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Model.run`."""
        import torch

        device = next(self.net.parameters()).device
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(device)
            y: NDArray[np.float32] = self.net(x)[0].cpu().numpy().transpose(1, 2, 0)
        return y


def open_model(model: str | os.PathLike[str] | PlainNet | Model, **options: Any) -> Model:
    """A model from a plain network, a weights file, the name of a bundled model, or a `.tflite`.

    A bundled model is its `.tflite`, run by LiteRT: `ecbsr-m4c16-x2` stands for `ecbsr-m4c16-x2-fp32`, and
    `ecbsr-m4c16-x2-int8` is the file for CPUs. Only weights need PyTorch; `TorchModel(load(name))` uses those of a
    bundled model. A file that gives much less than bicubic on a bundled image is reported by a `UserWarning`.

    Args:
        model: the model or its file.
        **options: those of `checkpoint.load`, for weights; `value_range` also for a `.tflite`, see `TfliteModel`.

    Raises:
        EcbsrError: see `checkpoint.load` and `TfliteModel`.
        UsageError: an option that the file cannot honor.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if not isinstance(model, str | os.PathLike):
        if given:
            raise UsageError(f"{', '.join(given)} can be given for a file, not for a model that is already loaded")
        return model if hasattr(model, "run") else TorchModel(model)  # type: ignore[arg-type, return-value]
    if (bundled := zoo.bundled_tflite(os.fspath(model))) or Path(model).suffix.lower() == ".tflite":
        from .tflite_model import TfliteModel

        if set(given) - {"value_range"}:
            names = sorted(set(given) - {"value_range"})
            refused = ", ".join("{residual|--skip}" if name == "residual" else f"{{{name}}}" for name in names)
            raise OptionError(f"a .tflite contains its whole network: leave out {refused}", str(model))
        return TfliteModel(bundled or model, value_range=given.get("value_range"))
    from .checkpoint import load

    loaded = TorchModel(load(model, **options))
    try:
        worse = reference_picture.check(loaded.run, loaded.scale, loaded.colors)
    except EcbsrError as error:
        raise EcbsrError(f"{model}: {error}") from None
    if worse:
        note = f"{model} {worse}: it is not trained, or misread (--identity, --range, --slope, --no-skip)"
        warnings.warn(note, UserWarning, stacklevel=2)
    return loaded


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
        A `Picture` or an array [scale·H, scale·W, C], like `image`, of the same dtype; a `Picture` keeps its color
        profile and EXIF.

    Raises:
        EcbsrError: see `open_model`.
        UsageError: `image` is something else.
    """
    if not isinstance(image, Picture):
        _check_pixels(image)
        return upscale(Picture(image), model, tile, progress).pixels
    model = open_model(model)
    width, height = image.size
    shape = (height * model.scale, width * model.scale, image.pixels.shape[2])
    pixels = np.empty(shape, image.pixels.dtype)
    alpha = None if image.alpha is None else np.empty(pixels.shape[:2], pixels.dtype)
    top = 0
    for strip in upscale_strips(image, model, tile, progress):
        rows = slice(top, top := top + strip.size[1])
        pixels[rows] = strip.pixels
        if alpha is not None and strip.alpha is not None:
            alpha[rows] = strip.alpha
    return replace(image, pixels=pixels, alpha=alpha)


def _check_pixels(image: object) -> None:
    """Refuse what is no array of pixels: a float in [0, 1] would become black, RGBA has its alpha in a `Picture`.

    Raises:
        UsageError: see `upscale`.
    """
    if not isinstance(image, np.ndarray):
        raise UsageError(f"the image is a {type(image).__name__}; give a Picture, or an array of its pixels")
    if image.dtype not in (np.uint8, np.uint16):
        raise UsageError(f"the pixels are {image.dtype}; give uint8, or uint16 for 16 bits per channel")
    if image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
        raise UsageError(
            f"the pixels have the shape {list(image.shape)}; give [H, W, 3] for RGB, [H, W, 1] for gray, and alpha as "
            "that of a Picture"
        )


def upscale_strips(
    image: Picture, model: Model, tile: int = TILE, progress: Progress | None = None
) -> Iterator[Picture]:
    """Like `upscale`, but yields the result in strips of rows from top to bottom, each `tile` LR pixels high."""
    width, height = image.size
    scale, step = model.scale, model.step
    if model.radius is None:
        tile = max(width, height)
    halo = max(model.radius or 0, _BICUBIC_RADIUS) + step - 1
    min_rows, min_columns = (max(_MIN_SIDE, math.ceil(_MIN_SIDE**2 / side)) for side in (width, height))
    tiles = [(y, x) for y in images.tiles(height, tile) for x in images.tiles(width, tile)]
    for (top, bottom), (left, right) in progress(tiles, "upscaling") if progress else tiles:
        if left == 0:
            pixels = np.empty(((bottom - top) * scale, width * scale, image.pixels.shape[2]), image.pixels.dtype)
            alpha = None if image.alpha is None else np.empty(pixels.shape[:2], pixels.dtype)
        rows = _with_halo(top, bottom, halo, min_rows, height, step)
        columns = _with_halo(left, right, halo, min_columns, width, step)
        inner = (
            slice((top - rows.start) * scale, (bottom - rows.start) * scale),
            slice((left - columns.start) * scale, (right - columns.start) * scale),
        )
        target = (slice(None), slice(left * scale, right * scale))
        pixels[target] = _upscale_tile(_colors(image, rows, columns), model, image.peak)[inner]
        if alpha is not None and image.alpha is not None:
            alpha[target] = _bicubic(image.alpha[rows, columns], scale)[inner]
        if right == width:
            yield Picture(pixels, alpha)


def _colors(image: Picture, rows: slice, columns: slice) -> NDArray[np.unsignedinteger]:
    """A part of the pixels, without the colors that are hidden by transparency near what is seen."""
    if image.alpha is None:
        return image.pixels[rows, columns]
    top, left = (max(part.start - images.SPREAD, 0) for part in (rows, columns))
    around = slice(top, rows.stop + images.SPREAD), slice(left, columns.stop + images.SPREAD)
    filled = images.filled(image.pixels[around], image.alpha[around])
    return filled[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def _with_halo(start: int, stop: int, halo: int, minimum: int, length: int, step: int) -> slice:
    """The part of 0..length to compute for start..stop: `halo` more on each side, and at least `minimum` in all.

    It starts at a multiple of `step`.
    """
    start, stop = max(start - halo, 0), min(stop + halo, length)
    start = max(min(start, stop - minimum), 0) // step * step
    return slice(start, min(max(stop, start + minimum), length))


def finite(result: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    """The result of `model` for an image.

    Raises:
        EcbsrError: it has infinities or NaN, which are no pixels.
    """
    if not np.isfinite(result).all():
        raise EcbsrError(f"{model.name} gives infinities or NaN for this image; check its weights")
    return result


def _upscale_tile(pixels: NDArray[np.unsignedinteger], model: Model, peak: int) -> NDArray[np.unsignedinteger]:
    gray = pixels.shape[2] == 1
    rgb = (pixels.repeat(3, axis=2) if gray else pixels).astype(np.float32) * np.float32(255 / peak)
    if model.colors == 3:
        result = finite(model.run(rgb / np.float32(255)), model) * np.float32(255)
        if gray:
            result = result.clip(0, 255).mean(axis=2, keepdims=True)
    else:
        y = finite(model.run(images.luma(rgb)[:, :, None] / np.float32(255)), model)[:, :, 0] * np.float32(255)
        if gray:  # gray is a color with chroma 128, which needs no enlarging
            result = images.ycbcr_to_rgb(y, np.full((*y.shape, 2), 128, np.float32))[:, :, :1]
        else:
            size = (y.shape[1], y.shape[0])
            result = images.ycbcr_to_rgb(y, images.resize_bicubic(images.chroma(rgb), size))
    return images.round_to(result * np.float32(peak / 255), pixels.dtype)


def _bicubic(plane: NDArray[np.unsignedinteger], scale: int) -> NDArray[np.unsignedinteger]:
    height, width = plane.shape
    enlarged = images.resize_bicubic(plane.astype(np.float32), (width * scale, height * scale))
    return images.round_to(enlarged, plane.dtype)
