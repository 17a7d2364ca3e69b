"""Networks on the planes of video frames.

The luma networks were trained on BT.601 luma in limited range (16..235 of 255), so limited-range luma goes in as it is
and full-range luma is converted. RGB networks get RGB at the clip's color matrix. A runner belongs to one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EcbsrError
from ..images import pad_to_size
from ..utils.opencv import opencv
from .planes import Layout
from .rgb import conversions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..tflite_model import SizedTflite
    from ..upscaling import Model
    from .chroma import Plane
    from .probe import Clip

LumaRunner = Callable[["Plane"], "Plane"]
"""Luma [H, W] of a layout → [s·H, s·W] of the same."""

RgbRunner = Callable[["tuple[Plane, Plane, Plane]"], "tuple[Plane, Plane, Plane]"]
"""Y, Cb and Cr [H, W] of a layout, without subsampling → [s·H, s·W] of the same."""


def luma_runner(model: Model, size: tuple[int, int], layout: Layout, threads: int) -> LumaRunner:
    """The network for luma of one size (width, height), for one thread.

    Raises:
        EcbsrError: LiteRT cannot load the model at this size.
    """
    sized = model.sized(*size, threads)
    if sized is None:
        return lambda plane: _of_reals(model.run(_to_reals(plane, layout)), layout)
    return _SizedLuma(sized, model.scale, layout)


def rgb_runner(model: Model, clip: Clip, threads: int) -> RgbRunner:
    """The RGB network for frames of a clip, for one thread.

    Raises:
        EcbsrError: LiteRT cannot load the model at this size, or RGB cannot be computed.
    """
    layout, cv2 = clip.source.layout, opencv()
    to_rgb, to_stored = conversions(clip)
    sized = model.sized(*clip.size, threads)

    def enlarged(image: NDArray[np.float32]) -> NDArray[np.float32]:
        if sized is None:
            return model.run(image)
        output = sized.run(sized.io.input.store(pad_to_size(image, sized.size)))
        return sized.io.output.load(output)[: model.scale * image.shape[0], : model.scale * image.shape[1]]

    def run(planes: tuple[Plane, Plane, Plane]) -> tuple[Plane, Plane, Plane]:
        rgb = cv2.transform(cv2.merge(planes).astype(np.float32), to_rgb)
        luma, blue, red = cv2.split(_rounded(cv2.transform(enlarged(rgb), to_stored), layout))
        return luma, blue, red

    return run


class _SizedLuma:
    """A `.tflite` at one size. Integers are looked up in tables, since NumPy's arithmetic would cost a fifth more."""

    def __init__(self, sized: SizedTflite, scale: int, layout: Layout) -> None:
        self._sized, self._scale, self._layout = sized, scale, layout
        codes = np.arange(layout.peak + 1, dtype=layout.dtype)
        self._stored = sized.io.input.store(_to_reals(codes[None], layout)).ravel()
        self._loaded: Plane | None = None
        tensor = sized.io.output.tensor
        if tensor.dtype.itemsize == 1:
            every = np.arange(256, dtype=np.uint8).view(tensor.dtype)
            self._loaded = _of_reals(sized.io.output.load(every.reshape(1, 1, 256, 1)), layout)[0]

    def __call__(self, plane: Plane) -> Plane:
        height, width = plane.shape
        plane = pad_to_size(plane, self._sized.size) if self._sized.size != (width, height) else plane
        stored = _look_up(self._stored, plane)
        shape = (1, 1, *plane.shape) if self._sized.io.input.channels_first else (1, *plane.shape, 1)
        output = self._sized.run(stored.reshape(shape))
        scale = self._scale
        if self._loaded is None:
            result = _of_reals(self._sized.io.output.load(output), self._layout)
        else:
            result = _look_up(self._loaded, output.view(np.uint8).reshape(scale * plane.shape[0], -1))
        return result[: scale * height, : scale * width]


def _look_up(table: NDArray[Any], plane: NDArray[Any]) -> NDArray[Any]:
    if plane.dtype == np.uint8 and table.dtype.itemsize == 1:
        codes = table.view(np.uint8)
        flipped = codes ^ np.arange(256, dtype=np.uint8)
        if (flipped == flipped[0]).all():  # int8 of scale 1/255: a tenth of the time
            return (plane ^ flipped[0]).view(table.dtype)
    if plane.dtype == np.uint8 and table.dtype.itemsize in (1, 4):
        return opencv().LUT(plane, table)
    return table[plane]


def _levels(layout: Layout) -> tuple[float, float]:
    """Black, and the difference of one code, as values of the network."""
    if layout.full:
        return 16 / 255, 219 / 255 / layout.peak
    return 0.0, 1 / (255 << (layout.depth - 8))  # 8 bits are the upper ones of 10


def _to_reals(plane: Plane, layout: Layout) -> NDArray[np.float32]:
    """Luma [H, W] as an image [H, W, 1] for the network."""
    black, step = _levels(layout)
    return plane.astype(np.float32)[:, :, None] * np.float32(step) + np.float32(black)


def _of_reals(image: NDArray[np.float32], layout: Layout) -> Plane:
    """Luma [H, W] of a network's image [H, W, 1], rounded to the nearest code."""
    black, step = _levels(layout)
    return _rounded(image[:, :, 0], layout, 1 / step, -black / step)


def _rounded(values: NDArray[np.float32], layout: Layout, gain: float = 1, offset: float = 0) -> Plane:
    """The nearest codes of `gain · values + offset`.

    Raises:
        EcbsrError: the values have infinities or NaN.
    """
    if not math.isfinite(float(values.sum())):  # one pass; a mask of all values would take two
        raise EcbsrError("the network gives infinities or NaN for a frame; check its weights")
    # One pass of OpenCV; NumPy takes four.
    eight = layout.depth == 8
    cv2 = opencv()
    rounded: Plane = cv2.addWeighted(values, gain, values, 0, offset, dtype=cv2.CV_8U if eight else cv2.CV_16U)
    return rounded if eight else np.minimum(rounded, layout.peak, out=rounded)
