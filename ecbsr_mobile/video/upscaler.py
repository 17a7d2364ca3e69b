"""From the planes of a frame to those of the upscaled frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import zoo
from ..tflite_model import TfliteModel
from ..utils.scheduling import usable_cores
from .chroma import LUMA, resample
from .network import LumaRunner, RgbRunner, luma_runner, rgb_runner
from .planes import Layout
from .rgb import conversions

if TYPE_CHECKING:
    from ..upscaling import Model
    from .chroma import Plane
    from .probe import Clip

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
    cores = len(usable_cores())
    if model.sized(*size) is None:
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
        compare: the half that is displayed on the left is bicubic.
        threads: of the network in each.

    Raises:
        EcbsrError: the model has three colors, and the clip a color matrix without RGB.
    """
    source = clip.source.layout
    if model.colors == 3:
        conversions(clip)

    def make() -> Upscale:
        luma = luma_runner(model, clip.size, source, threads) if model.colors == 1 else None
        rgb = rgb_runner(model, clip, threads) if model.colors == 3 else None
        return _Upscaling(luma, rgb, model.scale, source, layout, size, _left_of(clip.matrix) if compare else None)

    return make


@dataclass(frozen=True)
class _Half:
    """A half of a plane as it is coded: the first or the last along an axis (0: rows, 1: columns)."""

    axis: int
    first: bool

    def of(self, one: Plane, two: Plane) -> Plane:
        """A plane that is `one` in this half and `two` in the other."""
        middle = one.shape[self.axis] // 2
        before, after = (one, two) if self.first else (two, one)
        parts = np.split(before, [middle], self.axis)[0], np.split(after, [middle], self.axis)[1]
        return np.concatenate(parts, self.axis)


def _left_of(matrix: tuple[int, ...] | None) -> _Half:
    """The half that a display matrix shows on the left: (a, b, u, c, d, v, …) puts (x, y) at x' = a·x + c·y."""
    if matrix is None:
        return _Half(1, True)
    across, down = matrix[0], matrix[3]
    return _Half(1, across >= 0) if abs(across) >= abs(down) else _Half(0, down > 0)


@dataclass(frozen=True)
class _Upscaling:
    """Planes of one layout to those of another: by a luma network and bicubic chroma, or by an RGB network."""

    luma: LumaRunner | None
    rgb: RgbRunner | None
    scale: int
    source: Layout
    target: Layout
    size: tuple[int, int]
    bicubic: _Half | None

    def __call__(self, planes: tuple[Plane, ...]) -> tuple[Plane, ...]:
        enlarged = (
            self._by_rgb(planes) if self.luma is None else (self._padded(self.luma(planes[0])), *self._chroma(planes))
        )
        if self.bicubic is not None:
            enlarged = self._half_bicubic(planes, enlarged, self.bicubic)
        return tuple(self._in_depth(plane) for plane in enlarged)

    def _by_rgb(self, planes: tuple[Plane, ...]) -> tuple[Plane, ...]:
        assert self.rgb is not None
        own, grids, peak = self.source.grids, self.target.grids, self.source.peak
        size = planes[0].shape[::-1]
        if len(planes) == 1:
            neutral = np.full_like(planes[0], self.source.neutral)
            return self._padded(self.rgb((planes[0], neutral, neutral))[0]), *self._chroma(planes)
        blue, red = (resample(plane, size, own, (LUMA, LUMA), 1, peak) for plane in planes[1:])
        luma, *chroma = map(self._padded, self.rgb((planes[0], blue, red)))
        return luma, *(resample(plane, self._chroma_size, (LUMA, LUMA), grids, 1, peak) for plane in chroma)

    def _padded(self, plane: Plane) -> Plane:
        width, height = self.size
        missing = height - plane.shape[0], width - plane.shape[1]
        return np.pad(plane, [(0, after) for after in missing], mode="edge") if any(missing) else plane

    def _half_bicubic(self, planes: tuple[Plane, ...], enlarged: tuple[Plane, ...], half: _Half) -> tuple[Plane, ...]:
        """The planes with one half by bicubic, and a white line between."""
        source, scale = self.source, self.scale
        size = (planes[0].shape[1] * scale, planes[0].shape[0] * scale)
        bicubic = self._padded(resample(planes[0], size, (LUMA, LUMA), (LUMA, LUMA), scale, source.peak))
        luma, *chroma = (half.of(one, two) for one, two in zip((bicubic, *self._chroma(planes)), enlarged, strict=True))
        middle = luma.shape[half.axis] // 2
        np.moveaxis(luma, half.axis, 0)[middle - 1 : middle + 1] = source.peak
        return luma, *chroma

    def _chroma(self, planes: tuple[Plane, ...]) -> tuple[Plane, ...]:
        """Cb and Cr by bicubic."""
        source, size = self.source, self._chroma_size
        if len(planes) == 1:
            return (np.full(size[::-1], source.neutral, source.dtype),) * 2
        return tuple(
            resample(plane, size, source.grids, self.target.grids, self.scale, source.peak) for plane in planes[1:]
        )

    @property
    def _chroma_size(self) -> tuple[int, int]:
        across, down = self.target.grids
        return across.length(self.size[0]), down.length(self.size[1])

    def _in_depth(self, plane: Any) -> Plane:
        shift = self.source.depth - self.target.depth
        if shift == 0:
            return plane
        if shift < 0:
            return plane.astype(self.target.dtype) << -shift
        wide: Any = plane.astype(np.uint32) + (1 << (shift - 1))
        return np.minimum(wide >> shift, self.target.peak).astype(self.target.dtype)
