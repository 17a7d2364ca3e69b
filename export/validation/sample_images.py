"""Pictures to calibrate and to measure on, as the network meets them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONVERSION_SIZE = (48, 32)
"""A network is converted once at this size, small and not square; every size asked for is stamped into that."""

MOST_PICTURES = 24
REDUCTIONS = (2, 3, 4)  # every scale that a network can have
LEAST_SIDE = 64  # pixels of HR: a smaller picture is mostly border
MOST_SIDE = 768  # pixels of HR: what is larger is cut to its middle, so that measuring stays short


@dataclass(frozen=True, eq=False)
class Sample:
    """An LR picture [h, w, colors] of 8 bits (luma or RGB) and the HR luma [scale·h, scale·w] it comes from.

    `views` are reductions of the same picture, by the network's scale and by others: more to calibrate on.
    """

    name: str
    lr: NDArray[np.uint8]
    hr_luma: NDArray[np.uint8]
    views: tuple[NDArray[np.uint8], ...]

    @property
    def image(self) -> NDArray[np.float32]:
        """The LR picture in [0, 1]."""
        return self.lr.astype(np.float32) / np.float32(255)


def samples(folder: str | os.PathLike[str] | None, scale: int, colors: int) -> list[Sample]:
    """Samples of the pictures in a folder, or of the bundled ones; up to 24, spread evenly over their names.

    The LR picture is the HR one's MATLAB-compatible bicubic reduction.

    Raises:
        EcbsrError: the folder is missing or holds no picture of at least 64x64 pixels, or one cannot be read.
    """
    from ecbsr_mobile import images

    paths = zoo.pictures() if folder is None else images.find(folder)
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(len(paths), MOST_PICTURES)).round().astype(int)]
    made = [sample for path in chosen if (sample := _sample(path, scale, colors)) is not None]
    if not made:
        raise EcbsrError(f"{folder}: holds no picture of at least {LEAST_SIDE}x{LEAST_SIDE} pixels to calibrate on")
    return made


def frame(sample: Sample, size: tuple[int, int]) -> NDArray[np.float32]:
    """A picture [h, w, C] of a size: the sample, mirrored to fill it."""
    height, width = sample.lr.shape[:2]
    missing = [(0, max(size[1] - height, 0)), (0, max(size[0] - width, 0)), (0, 0)]
    return np.pad(sample.image, missing, mode="symmetric")[: size[1], : size[0]]


def _sample(path: Path, scale: int, colors: int) -> Sample | None:
    from ecbsr_mobile import images

    rgb = images.read(path).rgb()
    if min(rgb.shape[:2]) < LEAST_SIDE:
        return None
    top, left = (max(side - MOST_SIDE, 0) // 2 for side in rgb.shape[:2])
    rgb = rgb[top : top + MOST_SIDE, left : left + MOST_SIDE]
    views = {reduction: _reduced(rgb, reduction, colors) for reduction in REDUCTIONS}
    hr_luma = images.round_to(images.luma(images.crop_to_multiple(rgb, scale)), np.uint8)
    return Sample(path.name, views[scale], hr_luma, tuple(views.values()))


def _reduced(rgb: NDArray[np.uint8], reduction: int, colors: int) -> NDArray[np.uint8]:
    from ecbsr_mobile import images

    lr = images.downscale(images.crop_to_multiple(rgb, reduction), reduction)
    return images.round_to(images.luma(lr), np.uint8)[:, :, None] if colors == 1 else lr
