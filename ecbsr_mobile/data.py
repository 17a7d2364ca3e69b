"""Folders of pictures as pairs of high and low resolution, and random training crops of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import images
from .errors import EcbsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .progress import Progress


@dataclass(frozen=True)
class Pair:
    """One picture twice: `hr` [scale·H, scale·W, 3] and `lr` [H, W, 3], RGB uint8."""

    name: str
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]


def pairs(folder: str | os.PathLike[str], scale: int) -> Iterator[Pair]:
    """The pairs in a folder, in order of name.

    The folder holds `HR/` and `LR/`, or `x2/HR/` and `x2/LR/` (by scale), or pictures alone, whose LR is
    then made by MATLAB-compatible bicubic. HR is cropped to a multiple of `scale`. An LR picture is named
    like its HR picture, or with `x2` (by scale) behind the name, as DIV2K has it.

    Raises:
        EcbsrError: no pictures, no LR picture of the same name, or one of another size.
    """
    for hr_path, lr_path in paths(folder, scale):
        hr = images.crop_to_multiple(images.read(hr_path).rgb(), scale)
        if not hr.size:
            raise EcbsrError(f"{hr_path}: is smaller than the scale, {scale}; leave it out")
        if lr_path is None:
            yield Pair(hr_path.name, hr, images.downscale(hr, scale))
            continue
        lr = images.read(lr_path).rgb()
        expected = (hr.shape[0] // scale, hr.shape[1] // scale)
        if lr.shape[:2] != expected:
            raise EcbsrError(
                f"{lr_path}: is {lr.shape[1]}x{lr.shape[0]}, but {hr_path.name} at 1/{scale} is "
                f"{expected[1]}x{expected[0]}; is this the LR folder of another scale?"
            )
        yield Pair(hr_path.name, hr, lr)


def paths(folder: str | os.PathLike[str], scale: int) -> list[tuple[Path, Path | None]]:
    """The HR picture and, where the folder has one, the LR picture of each pair (see `pairs`)."""
    root = Path(folder)
    for base in (root / f"x{scale}", root):
        if (base / "HR").is_dir():
            if not (base / "LR").is_dir():
                raise EcbsrError(f"{base}: holds HR/ but no LR/; add it, or give {base / 'HR'} to have LR made")
            return _match(images.find(base / "HR"), images.find(base / "LR"), base / "LR", scale)
    try:
        return [(path, None) for path in images.find(root)]
    except EcbsrError:
        if not root.is_dir() or not any(child.is_dir() for child in root.iterdir()):
            raise
        raise EcbsrError(
            f"{root}: holds neither pictures, nor HR/ and LR/, nor x{scale}/HR/ and x{scale}/LR/"
        ) from None


def _match(hr: list[Path], lr: list[Path], folder: Path, scale: int) -> list[tuple[Path, Path | None]]:
    by_stem = {path.stem.removesuffix(f"x{scale}"): path for path in lr} | {path.stem: path for path in lr}
    for path in hr:
        if path.stem not in by_stem:
            raise EcbsrError(f"{folder}: holds no LR picture for {path.name}")
    return [(path, by_stem[path.stem]) for path in hr]


class Crops:
    """Random square crops of a folder of pictures, held in memory.

    Luma is held in steps of 1/256, RGB in whole steps. A batch depends on the seed and the step alone, so
    that a resumed run sees what an uninterrupted one would have seen.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        scale: int,
        colors: int,
        patch: int,
        progress: Progress | None = None,
    ) -> None:
        """Read the pictures of `folder`; crops are `patch`² in LR and (scale·patch)² in HR.

        `progress(items, label)` iterates over the items and shows how far it came.

        Raises:
            EcbsrError: see `pairs`; or every picture is smaller than a crop.
        """
        self.scale, self.patch = scale, patch
        self._unit = np.float32(255 if colors == 3 else 255 * 256)
        self._pictures: list[tuple[NDArray[Any], NDArray[Any]]] = []
        found = pairs(folder, scale)
        count = len(paths(folder, scale))
        steps = progress(range(count), "reading pictures") if progress else range(count)
        for _, pair in zip(steps, found, strict=True):
            if min(pair.lr.shape[:2]) >= patch:
                self._pictures.append((_planes(pair.hr, colors), _planes(pair.lr, colors)))
        if not self._pictures:
            raise EcbsrError(f"{folder}: every picture is smaller than a crop of {patch * scale}x{patch * scale}")
        # By area, so that every position of every picture is as likely as any other.
        areas = np.array([lr.shape[0] * lr.shape[1] for _, lr in self._pictures], np.float64)
        self._chances = areas / areas.sum()

    def __len__(self) -> int:
        return len(self._pictures)

    def batch(self, seed: int, step: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(LR, HR) crops, [size, colors, patch, patch] and [size, colors, scale·patch, scale·patch], in [0, 1].

        Each is flipped and turned at random (eight ways).
        """
        random = np.random.default_rng((seed, step))
        low, high = [], []
        for index in random.choice(len(self._pictures), size, p=self._chances):
            hr, lr = self._pictures[index]
            top = int(random.integers(lr.shape[0] - self.patch + 1))
            left = int(random.integers(lr.shape[1] - self.patch + 1))
            way = int(random.integers(8))
            low.append(_turn(_cut(lr, top, left, self.patch), way))
            high.append(_turn(_cut(hr, top * self.scale, left * self.scale, self.patch * self.scale), way))
        return self._to_batch(low), self._to_batch(high)

    def _to_batch(self, crops: list[NDArray[Any]]) -> NDArray[np.float32]:
        return np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32) / self._unit


def _planes(rgb: NDArray[np.uint8], colors: int) -> NDArray[Any]:
    if colors == 3:
        return rgb
    return np.round(images.luma(rgb) * 256).astype(np.uint16)[:, :, None]


def _cut(image: NDArray[Any], top: int, left: int, length: int) -> NDArray[Any]:
    return image[top : top + length, left : left + length]


def _turn(image: NDArray[Any], way: int) -> NDArray[Any]:
    flipped = image[:, ::-1] if way & 4 else image
    return np.rot90(flipped, way & 3)
