"""Scores of pairs of clips, against scikit-image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ecbsr_mobile.errors import EcbsrError
from tests.helpers.clips import TAGS, picture, write_clip

from ecbsr_mobile.video.scores import score_clips  # isort: skip


def planes(noise: float, depth: int = 8, frames: int = 3) -> list[list[np.ndarray]]:
    random, dtype = np.random.default_rng(3), np.uint8 if depth == 8 else np.uint16
    chroma = np.full((24, 32), 1 << (depth - 1), dtype)
    one = picture((64, 48))[:, :, 1].astype(np.float64) * (1 << (depth - 8))
    noises = (noise * (1 + index) * (1 << (depth - 8)) * random.normal(size=one.shape) for index in range(frames))
    return [[(one + each).round().clip(0, (1 << depth) - 1).astype(dtype), chroma, chroma] for each in noises]


@pytest.mark.parametrize("depth", [8, 10])
def test_scores_are_those_of_scikit_image(tmp_path: Path, depth: int) -> None:
    pixel_format = "yuv420p" if depth == 8 else "yuv420p10le"
    clean, noisy = planes(0, depth), planes(4, depth)
    write_clip(tmp_path / "a.mkv", codec="ffv1", pixel_format=pixel_format, planes=noisy)
    write_clip(tmp_path / "b.nut", codec="ffv1", pixel_format=pixel_format, planes=clean)
    score = score_clips(tmp_path / "a.mkv", tmp_path / "b.nut")
    peak = 255 << (depth - 8)
    for one, two, each in zip(noisy, clean, score.each, strict=True):
        a, b = one[0].astype(np.float64), two[0].astype(np.float64)
        assert each.psnr == pytest.approx(peak_signal_noise_ratio(a, b, data_range=peak))
        _, full = structural_similarity(
            a, b, data_range=peak, gaussian_weights=True, use_sample_covariance=False, full=True
        )
        assert each.ssim == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-4)
    assert score.frames == 3 and score.worst_psnr.frame == score.worst_ssim.frame == 3
    assert score.psnr == pytest.approx(np.mean([each.psnr for each in score.each]))


def test_equal_clips_are_equal(tmp_path: Path) -> None:
    for name in ("a.mkv", "b.mp4"):
        write_clip(tmp_path / name)
    score = score_clips(tmp_path / "a.mkv", tmp_path / "b.mp4")
    assert (score.psnr, score.ssim) == (100, pytest.approx(1))


def test_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "a.mkv", frames=5)
    others = {
        "small": ({"size": (46, 32)}, "a.mkv: is 48x32, .* is 46x32"),
        "short": ({"frames": 4}, "has 4 frames, .*a.mkv more"),
        "slow": ({"frames": 5, "pts": [0, 1, 2, 4, 5]}, r"frame 4 comes at 0.120 s, in .* at 0.160 s"),
        "full": ({"frames": 5, "tags": {**TAGS, "color_range": 2}}, "has limited-range luma, .* full-range"),
    }
    for name, (options, message) in others.items():
        other = write_clip(tmp_path / f"{name}.mkv", **options)
        with pytest.raises(EcbsrError, match=message):
            score_clips(first, other)
