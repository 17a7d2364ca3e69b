"""The quality of JPEGs, against the one that Pillow wrote them with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecbsr_mobile.images import jpeg_quality


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_quality_is_that_of_the_encoder(tmp_path: Path, random: np.random.Generator, mode: str) -> None:
    pixels = random.integers(0, 256, (16, 24, len(mode) if mode != "L" else 1), np.uint8)
    image = Image.fromarray(pixels.squeeze(), mode if mode == "CMYK" else None)
    path = tmp_path / "image.jpg"
    for quality in (20, 21, 33, 49, 50, 51, 75, 90, 99):
        image.save(path, quality=quality)
        assert jpeg_quality(path) == quality
    image.save(path, quality=1)
    assert jpeg_quality(path) == pytest.approx(1, abs=10)


def test_other_images_have_none(tmp_path: Path) -> None:
    for ending in ("png", "webp", "bmp"):
        path = tmp_path / f"image.{ending}"
        Image.new("RGB", (8, 8)).save(path)
        assert jpeg_quality(path) is None
