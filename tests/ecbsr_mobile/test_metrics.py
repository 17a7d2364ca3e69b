"""PSNR and SSIM against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from ecbsr_mobile import UsageError, images, metrics, zoo


@pytest.mark.parametrize("border", [0, 2, 4])
def test_psnr_and_ssim_equal_skimage(border: int, random: np.random.Generator) -> None:
    a = images.round_to(images.luma(images.read(zoo.pictures()[0]).rgb()), np.uint8)
    b = np.clip(a + random.normal(0, 8, a.shape), 0, 255).astype(np.uint8)
    inner = (slice(border, a.shape[0] - border), slice(border, a.shape[1] - border))
    assert metrics.psnr(a, b, border) == pytest.approx(peak_signal_noise_ratio(a[inner], b[inner]), abs=1e-9)
    expected = structural_similarity(
        a[inner], b[inner], gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert metrics.ssim(a, b, border) == pytest.approx(expected, abs=1e-6)
    assert metrics.psnr(a, a) == metrics.MAX_PSNR
    mse = mean_squared_error(a / 255, b / 255)
    assert metrics.psnr_from_mse(mse, 1.0) == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-9)
    assert metrics.ssim(a, a) == pytest.approx(1)


def test_planes_that_cannot_be_compared_are_refused() -> None:
    plane = np.zeros((8, 9), np.uint8)
    with pytest.raises(UsageError, match="same size"):
        metrics.psnr(plane, plane.T)
    with pytest.raises(UsageError, match="9x8 is too small for a border of 4"):
        metrics.psnr(plane, plane, border=4)
    assert np.isnan(metrics.ssim(plane, plane))
