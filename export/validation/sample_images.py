"""Sample images for calibration and for measuring quality."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import dataset, images, zoo
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.reference_picture import reduced

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

REDUCTIONS = (2, 3, 4)
"""How much smaller than HR the views of a sample are. Others would change every int8 file that is exported."""

MAX_IMAGES = 24
MIN_SIDE = 64  # HR pixels: a smaller image is mostly border
MAX_SIDE = 768  # HR pixels: a larger image is cropped to its center, to keep measuring short


@dataclass(frozen=True, eq=False)
class Sample:
    """A sample image.

    Attributes:
        name: file name.
        lr: [h, w, colors], 8 bits, luma or RGB; the MATLAB-compatible bicubic reduction of HR.
        hr_luma: [scale·h, scale·w], 8 bits.
        views: the same image reduced by each of `REDUCTIONS`, like `lr`, to calibrate and fine-tune on.
        drawing: whether it is rendered, not photographed: its edges are sharper than any lens shows.
    """

    name: str
    lr: NDArray[np.uint8]
    hr_luma: NDArray[np.uint8]
    views: tuple[NDArray[np.uint8], ...]
    drawing: bool = False

    @property
    def image(self) -> NDArray[np.float32]:
        """The LR image in [0, 1]."""
        return self.lr.astype(np.float32) / np.float32(255)


def samples(folder: str | os.PathLike[str] | None, scale: int, colors: int, most: int = MAX_IMAGES) -> list[Sample]:
    """Samples of the images in a folder, spread evenly over their sorted names.

    Args:
        folder: folder of images, or a data set, of which HR is used (see `dataset.pairs`); None for the bundled ones.
        scale: upscaling factor of the network.
        colors: 1 for luma, 3 for RGB.
        most: largest number of images; benchmarks take more than an export.

    Raises:
        EcbsrError: the folder is missing or has no image of at least 64x64 pixels that is not flat, or an image cannot
            be read.
    """
    paths = zoo.pictures() if folder is None else [hr for hr, _ in dataset.paths(folder, scale)]
    paths = [path for path in paths if min(images.header_size(path)) >= MIN_SIDE]
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(len(paths), most)).round().astype(int)]
    read = [_sample(path, scale, colors) for path in chosen]
    usable = [sample for sample in read if sample.lr.min() < sample.lr.max()]  # a flat image tells nothing
    if not usable:
        raise EcbsrError(
            f"{folder or 'this installation'} has no image of at least {MIN_SIDE}x{MIN_SIDE} pixels to calibrate on, "
            "or only flat ones"
        )
    return usable


def drawings(scale: int, colors: int) -> list[Sample]:
    """Samples of the bundled drawings, which int8 is calibrated on, but not measured; see `samples`."""
    return [replace(_sample(path, scale, colors), drawing=True) for path in zoo.drawings()]


def as_tensors(samples: Sequence[Sample]) -> list[Tensor]:
    """The LR images in [0, 1] as batches of one, [1, C, h, w]."""
    import torch

    return [torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))[None] for sample in samples]


def frame(sample: Sample, size: tuple[int, int]) -> NDArray[np.float32]:
    """A sample in [0, 1] as [h, w, C] of a `size` (width, height): cropped, or mirrored beyond its borders."""
    return images.pad_to_size(sample.image, size)[: size[1], : size[0]]


def _sample(path: Path, scale: int, colors: int) -> Sample:
    rgb = images.read(path).rgb()
    rgb = images.center_crop(rgb, (MAX_SIDE, MAX_SIDE))
    reductions = {factor: reduced(rgb, factor, colors) for factor in dict.fromkeys((*REDUCTIONS, scale))}
    hr_luma = images.round_to(images.luma(images.crop_to_multiple(rgb, scale)), np.uint8)
    return Sample(path.name, reductions[scale], hr_luma, tuple(reductions[factor] for factor in REDUCTIONS))
