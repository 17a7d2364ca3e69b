"""A bundled image in low and high resolution: models are compared with bicubic on it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from . import images, metrics, zoo
from .errors import EcbsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGE = "chelsea"
SIZE = (96, 64)
"""Width and height of the LR image for a model that can be given any size."""

MUCH_LESS_DB = 1.0
"""A model this far below bicubic is not trained, or misread."""

NOISE, QUALITY = 25, 50
"""The LR image of a scale of 1: standard deviation of its noise in 8-bit levels, and its quality as a JPEG.

Not the image itself: a model for denoising changes a clean image less where it is misread. In the right range, networks
that were trained on either damage alone restore this one best.
"""


@dataclass(frozen=True, eq=False)
class ReferencePicture:
    """The middle of the bundled image, 8 bits, luma or RGB.

    Attributes:
        lr: [h, w, C], the MATLAB-compatible bicubic reduction, or for a scale of 1 a damaged copy (see `NOISE`);
            mirrored where the image is smaller than the size.
        hr: [scale·h, scale·w, C] without the mirrored part.
        bicubic_psnr: PSNR of the LR image enlarged by bicubic, in dB; for a scale of 1, of the damaged copy.
        scale: upscaling factor.
    """

    lr: NDArray[np.uint8]
    hr: NDArray[np.uint8]
    bicubic_psnr: float
    scale: int

    @property
    def least_psnr(self) -> float:
        """PSNR in dB below which a model is not trained for this, or misread."""
        return self.bicubic_psnr - MUCH_LESS_DB

    @property
    def image(self) -> NDArray[np.float32]:
        """The LR image in [0, 1]."""
        return self.lr.astype(np.float32) / np.float32(255)

    @property
    def flat_psnr(self) -> float:
        """PSNR in dB of the best image of one color."""
        return _psnr(np.broadcast_to(images.round_to(self.hr.mean((0, 1)), np.uint8), self.hr.shape), self.hr)

    def psnr(self, result: NDArray[np.floating]) -> float:
        """PSNR in dB of an SR image in [0, 1], rounded to 8 bits; -inf where it contains NaN."""
        height, width = self.hr.shape[:2]
        if not np.isfinite(result).all():
            return float("-inf")
        return _psnr(images.round_to(result[:height, :width] * 255, np.uint8), self.hr)


def reference_picture(scale: int, colors: int, size: tuple[int, int] = SIZE) -> ReferencePicture:
    """The reference picture with an LR image of `size` (width, height).

    Raises:
        EcbsrError: no image is bundled.
    """
    return _reference_picture(scale, colors, size)


def below_bicubic(picture: ReferencePicture, psnr: float) -> str:
    """What to say of a model that gives `psnr` dB on the picture; "" where it is near bicubic or better.

    Raises:
        EcbsrError: its result contains infinities or NaN.
    """
    if psnr == -math.inf:
        raise EcbsrError("it gives infinities or NaN for a bundled image; check its weights")
    if psnr >= picture.least_psnr:
        return ""
    if picture.scale == 1:
        return f"gives {psnr:.2f} dB on a noisy bundled image that has {picture.bicubic_psnr:.2f} dB itself"
    return f"gives {psnr:.2f} dB on a bundled image where bicubic gives {picture.bicubic_psnr:.2f} dB"


def check(run: Callable[[NDArray[np.float32]], NDArray[np.floating]], scale: int, colors: int) -> str:
    """What to say of a model that `run` applies to an LR image.

    Raises:
        EcbsrError: see `below_bicubic`.
    """
    picture = reference_picture(scale, colors)
    return below_bicubic(picture, picture.psnr(run(picture.image)))


def bundled_image() -> NDArray[np.uint8]:
    """The bundled image as RGB [H, W, 3].

    Raises:
        EcbsrError: no image is bundled.
    """
    from PIL import Image

    paths = {path.stem: path for path in zoo.pictures()}
    if not paths:
        raise EcbsrError("no image is bundled with this installation, so models cannot be compared on it")
    with Image.open(paths.get(IMAGE, next(iter(paths.values())))) as opened:
        return np.asarray(opened.convert("RGB"), np.uint8)


def reduced(rgb: NDArray[np.uint8], scale: int, colors: int) -> NDArray[np.uint8]:
    """The LR image [h, w, colors] of an RGB image [H, W, 3]: MATLAB-compatible bicubic, luma for 1 color; 8 bits."""
    return with_colors(images.downscale(images.crop_to_multiple(rgb, scale), scale), colors)


def with_colors(rgb: NDArray[np.uint8], colors: int) -> NDArray[np.uint8]:
    """An RGB image [H, W, 3] as [H, W, colors]: luma for 1 color."""
    return images.round_to(images.luma(rgb), np.uint8)[:, :, None] if colors == 1 else rgb


@cache
def _reference_picture(scale: int, colors: int, size: tuple[int, int]) -> ReferencePicture:
    width, height = size
    rgb = images.crop_to_multiple(images.center_crop(bundled_image(), (width * scale, height * scale)), scale)
    lr, hr = reduced(_noisy(rgb) if scale == 1 else rgb, scale, colors), with_colors(rgb, colors)
    enlarged = images.resize_bicubic(lr, (hr.shape[1], hr.shape[0]))
    return ReferencePicture(images.pad_to_size(lr, size), hr, _psnr(enlarged, hr), scale)


def _noisy(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An RGB image with noise, and then as a JPEG."""
    from PIL import Image

    noise = np.random.default_rng(0).normal(0, NOISE, rgb.shape)
    file = io.BytesIO()
    Image.fromarray(images.round_to(rgb + noise, np.uint8)).save(file, "JPEG", quality=QUALITY)
    with Image.open(file) as opened:
        return np.asarray(opened, np.uint8)


def _psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return metrics.psnr_from_mse(float(np.mean(np.square(first.astype(np.float64) - second))))
