"""Small folders of images to train and validate on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecbsr_mobile import Picture, images, zoo


@pytest.fixture(scope="session")
def train_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of 97x121 pixels, which are not multiples of a scale."""
    folder = tmp_path_factory.mktemp("train_images")
    for path in zoo.pictures()[:3]:
        images.write(Picture(images.read(path).rgb()[:121, :97]), folder / path.name)
    return folder


@pytest.fixture(scope="session")
def val_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image of 60x60 pixels."""
    folder = tmp_path_factory.mktemp("val_images")
    images.write(Picture(images.read(zoo.pictures()[4]).rgb()[:60, :60]), folder / "a.png")
    return folder
