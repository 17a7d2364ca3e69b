"""From the planes of a frame to those of the upscaled frame."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import zoo
from ..errors import EcbsrError
from ..tflite_model import TfliteModel
from .chroma import LUMA, resample
from .network import LumaRunner, luma_runner
from .planes import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..upscaling import Model
    from .probe import Clip

    Plane = NDArray[np.unsignedinteger]
    Upscale = Callable[[tuple[Plane, ...]], tuple[Plane, ...]]


_PIXELS_AT_ONCE = 8_000_000  # LR pixels in the networks of all threads, which need some 130 bytes for each


def bundled_model(clip: Clip, name: str = zoo.DEFAULT) -> Model:
    """A bundled `.tflite` for a clip: int8 sees 8 bits in limited range as they are; the others need floats.

    Raises:
        UsageError: there is no such model.
    """
    return TfliteModel(zoo.tflite(name, "fp32" if needs_floats(clip) else "int8"))


def needs_floats(clip: Clip) -> bool:
    """Whether int8 would see fewer levels of luma than the clip has."""
    return clip.source.layout.depth > 8 or clip.source.layout.full


def coarse(model: Model, clip: Clip) -> str:
    """What to say where the input of a network has fewer levels than the luma of a clip; empty if it has not."""
    depth = clip.source.layout.depth
    if depth == 8 or not isinstance(model, TfliteModel) or not model.reads_bytes:
        return ""
    return f"{model.name} reads 8 bits of the {depth} of {clip.path}; a float model reads all"


def parallel(model: Model, size: tuple[int, int]) -> tuple[int, int]:
    """How many frames of a size are upscaled at once, and with how many threads each.

    Frames side by side use the cores better than threads within a frame, which wait for each other after each layer.
    """
    cores = os.cpu_count() or 1
    if not hasattr(model, "sized") or model.sized(8, 8) is None:
        return 1, cores
    workers = max(1, min(cores, _PIXELS_AT_ONCE // (size[0] * size[1])))
    return workers, max(1, cores // workers)


def maker(
    model: Model, clip: Clip, layout: Layout, size: tuple[int, int], compare: bool, threads: int
) -> Callable[[], Upscale]:
    """A function that makes the upscaling of planes for one thread.

    Args:
        model: the network.
        clip: the source of the planes.
        layout: of the upscaled planes.
        size: of the upscaled luma, at least `scale` times the clip's.
        compare: the left half is bicubic.
        threads: of the network in each.

    Raises:
        EcbsrError: the model has three colors.
    """
    if model.colors != 1:
        raise EcbsrError(f"{model.name}: is an RGB network; clips need a luma network, such as {zoo.DEFAULT}")
    source = clip.source.layout

    def make() -> Upscale:
        runner = luma_runner(model, clip.size, source, threads)
        return partial(_Upscaling(runner, model.scale, source, layout, size, compare))

    return make


@dataclass(frozen=True)
class _Upscaling:
    """Luma by the network, chroma by bicubic on the grids of both layouts."""

    runner: LumaRunner
    scale: int
    source: Layout
    target: Layout
    size: tuple[int, int]
    compare: bool

    def __call__(self, planes: tuple[Plane, ...]) -> tuple[Plane, ...]:
        luma = self.runner(planes[0])
        if self.compare:
            luma = self._half_bicubic(planes[0], luma)
        width, height = self.size
        missing = height - luma.shape[0], width - luma.shape[1]
        if any(missing):
            luma = np.pad(luma, [(0, after) for after in missing], mode="edge")
        return tuple(self._in_depth(plane) for plane in (luma, *self._chroma(planes[1:])))

    def _half_bicubic(self, plane: Plane, luma: Plane) -> Plane:
        luma = np.array(luma)
        middle = luma.shape[1] // 2
        size = (luma.shape[1], luma.shape[0])
        bicubic = resample(plane, size, (LUMA, LUMA), (LUMA, LUMA), self.scale, self.source.peak)
        luma[:, :middle] = bicubic[:, :middle]
        luma[:, middle - 1 : middle + 1] = self.source.peak
        return luma

    def _chroma(self, planes: tuple[Plane, ...]) -> tuple[Plane, ...]:
        grids = self.target.grids
        size = (grids[0].length(self.size[0]), grids[1].length(self.size[1]))
        if not planes:
            return (np.full(size[::-1], self.source.neutral, self.source.dtype),) * 2
        return tuple(resample(plane, size, self.source.grids, grids, self.scale, self.source.peak) for plane in planes)

    def _in_depth(self, plane: Any) -> Plane:
        shift = self.source.depth - self.target.depth
        if shift == 0:
            return plane
        if shift < 0:
            return plane.astype(self.target.dtype) << -shift
        wide: Any = plane.astype(np.uint32) + (1 << (shift - 1))
        return np.minimum(wide >> shift, self.target.peak).astype(self.target.dtype)
