"""Degradations: each does what SciPy, OpenCV or statistics say, and a list that makes no sense is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ecbsr_mobile import UsageError, images, zoo
from ecbsr_mobile.degradation import DEFAULTS, EXAMPLE, LIMITS, Degradation, degrade, parse

GRAY = np.full((80, 100, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return images.read(zoo.pictures()[0]).rgb()[:96, :120]


def _degraded(rgb: np.ndarray, text: str, seed: int = 0) -> np.ndarray:
    return degrade(rgb, parse(text), (seed,))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jpeg:30-95", [Degradation("jpeg", 30, 95)]),
        ("jpeg:50", [Degradation("jpeg", 50, 50)]),
        (
            "jpeg:30-95,blur,noise,resize",
            [Degradation(kind, *DEFAULTS[kind]) for kind in ("blur", "noise", "resize", "jpeg")],
        ),
        ("noise:0.5-2, blur", [Degradation("blur", *DEFAULTS["blur"]), Degradation("noise", 0.5, 2)]),
    ],
)
def test_a_list_gives_kinds_and_ranges_in_the_order_of_application(text: str, expected: list[Degradation]) -> None:
    assert list(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "degrade '' is unknown; use some of blur, noise, resize, jpeg, such as jpeg:30-95,blur:0-0.5,noise:0-1"),
        ("fog", "degrade 'fog' is unknown"),
        ("blur,,jpeg", "degrade '' is unknown"),
        ("jpeg:0-50", "degrade 'jpeg:0-50' is not a range; use jpeg:LOW-HIGH within 1 and 100"),
        ("jpeg:30-101", "within 1 and 100"),
        ("jpeg:95-30", "'jpeg:95-30' is not a range"),
        ("jpeg:", "'jpeg:' is not a range"),
        ("noise:many", "'noise:many' is not a range; use noise:LOW-HIGH within 0 and 100"),
        ("blur:-1", "'blur:-1' is not a range"),
        ("blur:nan", "'blur:nan' is not a range"),
        ("resize:0", "within 0.1 and 1"),
        ("jpeg:50,blur,jpeg:70", "degrade 'jpeg:50,blur,jpeg:70' has jpeg twice; give one range"),
    ],
)
def test_lists_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert message in str(refused.value)
    assert str(refused.value).count("degrade ") == 1


@pytest.mark.parametrize("quality", [10, 50, 95])
def test_jpeg_is_that_of_pillow(picture: np.ndarray, quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    expected = np.asarray(Image.open(file)).astype(int)
    ours = _degraded(picture, f"jpeg:{quality}")
    assert np.abs(ours - expected).max() <= 1


def test_blur_is_the_gaussian_of_scipy(picture: np.ndarray) -> None:
    sigma = 1.7
    expected = ndimage.gaussian_filter(picture.astype(np.float64), (sigma, sigma, 0), mode="mirror")
    assert np.abs(_degraded(picture, f"blur:{sigma}") - expected).max() < 0.6
    np.testing.assert_array_equal(_degraded(picture, "blur:0"), picture)


def test_noise_has_the_standard_deviation_and_is_independent_in_each_value() -> None:
    noise = _degraded(GRAY, "noise:12").astype(float) - 128
    assert noise.std() == pytest.approx(12, rel=0.03)
    assert abs(noise.mean()) < 0.3
    assert abs(np.corrcoef(noise[:, :, 0].ravel(), noise[:, :, 1].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.05


def test_resize_takes_what_a_smaller_image_cannot_hold_and_nothing_else() -> None:
    rows, columns = np.indices((96, 96))
    fine = np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    assert np.abs(_degraded(fine, "resize:0.5").astype(int) - 127.5).max() < 2
    wave = 128 + 100 * np.sin(columns / 96 * 2 * np.pi * 3)
    coarse = np.repeat(np.round(wave).astype(np.uint8)[:, :, None], 3, axis=2)
    assert np.abs(_degraded(coarse, "resize:0.5").astype(int) - coarse)[:, 4:-4].max() <= 4
    np.testing.assert_array_equal(_degraded(fine, "resize:1"), fine)


def test_strengths_fill_the_range_and_depend_on_the_seed_alone() -> None:
    levels = [_degraded(GRAY, "noise:2-10", seed).astype(float).std() for seed in range(40)]
    assert 1.8 < min(levels) < 3.5 and 8.5 < max(levels) < 10.3
    first, again, other = (_degraded(GRAY, EXAMPLE, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_kind_can_be_named_at_its_limits(picture: np.ndarray) -> None:
    for kind, limits in LIMITS.items():
        for limit in limits:
            result = _degraded(picture[:9, :7], f"{kind}:{limit:g}")
            assert result.shape == (9, 7, 3) and result.dtype == np.uint8
