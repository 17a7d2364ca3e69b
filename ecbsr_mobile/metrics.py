"""PSNR and SSIM as super-resolution papers report them: on 8-bit luma, without a border."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UsageError
from .utils.opencv import opencv

if TYPE_CHECKING:
    from numpy.typing import NDArray


MAX_PSNR = 100.0
"""dB of equal planes: infinity would make the mean over a set infinite, however bad the other images are."""


def psnr(a: NDArray[Any], b: NDArray[Any], border: int = 0) -> float:
    """Peak signal-to-noise ratio in dB of two planes [H, W] in 0..255, without `border` pixels on each side.

    At most `MAX_PSNR`, which equal planes have.

    Raises:
        UsageError: the planes differ in shape, or nothing is left inside the border.
    """
    a, b = _inner(a, b, border)
    return min(psnr_from_mse(float(np.mean(np.square(a - b)))), MAX_PSNR)


def psnr_from_mse(mse: float, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error of values in 0..`peak`; infinite for 0."""
    return float("inf") if mse == 0 else float(10 * np.log10(peak**2 / mse))


def ssim(a: NDArray[Any], b: NDArray[Any], border: int = 0) -> float:
    """Structural similarity of two planes [H, W] in 0..255, without `border` pixels on each side.

    Gaussian window of 11×11 with σ = 1.5, K = (0.01, 0.03), averaged over the positions where the window fits: Z. Wang
    et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004. NaN for planes
    that are smaller than the window.

    Raises:
        UsageError: the planes differ in shape, or nothing is left inside the border.
    """
    cv2 = opencv()

    a, b = _inner(a, b, border)
    if min(a.shape) < 11:
        return float("nan")
    window = cv2.getGaussianKernel(11, 1.5)

    def mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        return cv2.sepFilter2D(plane, cv2.CV_64F, window, window)[5:-5, 5:-5]

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return float(np.mean(luminance * structure))


def _inner(a: NDArray[Any], b: NDArray[Any], border: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if a.shape != b.shape or a.ndim != 2:
        raise UsageError(f"cannot compare planes of shape {a.shape} and {b.shape}; give two of the same size")
    rows, columns = (slice(border, length - border) for length in a.shape)
    if min(a.shape) <= 2 * border:
        raise UsageError(f"a plane of {a.shape[1]}x{a.shape[0]} is too small for a border of {border}")
    return a[rows, columns].astype(np.float64), b[rows, columns].astype(np.float64)
