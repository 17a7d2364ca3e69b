"""Folders of pictures as pairs of high and low resolution, and random training crops of them."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import images
from .errors import EcbsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .utils.progress import Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Pair:
    """One picture twice: `hr` [scale·H, scale·W, 3] and `lr` [H, W, 3], RGB uint8."""

    name: str
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]


def pairs(folder: str | os.PathLike[str], scale: int) -> Iterator[Pair]:
    """The pairs in a folder, in order of name.

    The folder holds `HR/` and `LR/`, or `x2/HR/` and `x2/LR/` (by scale), or pictures alone, whose LR is
    then made by MATLAB-compatible bicubic. Of DIV2K and sets laid out like it, it is `NAME_HR`, which uses
    `NAME_LR_bicubic/X2` (by scale) beside it, or the folder that holds both. HR is cropped to a multiple of
    `scale`. An LR picture is named like its HR picture, or with `x2` (by scale) behind the name.

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
            return _match(base / "HR", base / "LR", scale)
    like_div2k = [hr for hr in (root, *sorted(root.glob("*_HR"))) if _lr_beside(hr, scale).is_dir()]
    if len(like_div2k) > 1:
        raise EcbsrError(f"{root}: holds {' and '.join(hr.name for hr in like_div2k)}; give one of them")
    for hr in like_div2k:
        return _match(hr, _lr_beside(hr, scale), scale)
    try:
        return [(path, None) for path in images.find(root)]
    except EcbsrError:
        if not root.is_dir() or not any(child.is_dir() for child in root.iterdir()):
            raise
        raise EcbsrError(
            f"{root}: holds neither pictures, nor HR/ and LR/, nor x{scale}/HR/ and x{scale}/LR/, "
            f"nor NAME_HR/ and NAME_LR_bicubic/X{scale}/"
        ) from None


def _lr_beside(hr: Path, scale: int) -> Path:
    """Where DIV2K keeps the LR pictures of its folder `hr`, whose name ends in _HR."""
    hr = hr.absolute()  # the name of "." is empty
    return hr.with_name(re.sub("_HR$", "_LR_bicubic", hr.name)) / f"X{scale}"


def _match(hr: Path, lr: Path, scale: int) -> list[tuple[Path, Path | None]]:
    high, low = images.find(hr), images.find(lr)
    by_stem = {path.stem.removesuffix(f"x{scale}"): path for path in low} | {path.stem: path for path in low}
    for path in high:
        if path.stem not in by_stem:
            raise EcbsrError(f"{lr}: holds no LR picture for {path.name}")
    return [(path, by_stem[path.stem]) for path in high]


class Crops:
    """Random square crops of a folder of pictures, held in memory.

    A batch depends on the seed and the step alone, so that a resumed run sees what an uninterrupted one would have
    seen. `pictures` holds (HR, LR) [colors, H, W]: luma as uint16 in steps of 1/256, RGB as uint8; `unit` is white.
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
        self.unit = np.float32(255 if colors == 3 else 255 * 256)
        self.pictures: list[tuple[NDArray[Any], NDArray[Any]]] = []
        found = pairs(folder, scale)
        count = len(paths(folder, scale))
        steps = progress(range(count), "reading pictures") if progress else range(count)
        for _, pair in zip(steps, found, strict=True):
            if min(pair.lr.shape[:2]) >= patch:
                self.pictures.append((_planes(pair.hr, colors), _planes(pair.lr, colors)))
        if not self.pictures:
            raise EcbsrError(f"{folder}: every picture is smaller than a crop of {patch * scale}x{patch * scale}")
        # By area, so that every position of every picture is as likely as any other.
        areas = np.array([lr[0].size for _, lr in self.pictures], np.float64)
        self._chances = areas / areas.sum()
        self._positions = np.array([lr.shape[1:] for _, lr in self.pictures]) - patch + 1  # of a crop, in LR pixels

    def __len__(self) -> int:
        return len(self.pictures)

    def batch(self, seed: int, step: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The (LR, HR) crops of a step (see `draw` and `cut`)."""
        return self.cut(self.draw(seed, step, size))

    def cut(self, drawn: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(LR, HR) of what was drawn, [size, colors, patch, patch] and [size, colors, scale·patch, scale·patch].

        Values in [0, 1], laid out as channels_last.
        """
        colors = len(self.pictures[0][0])
        sides = (self.patch, self.patch * self.scale)
        low, high = (np.empty((len(drawn), n, n, colors), np.float32).transpose(0, 3, 1, 2) for n in sides)
        for crop, (index, top, left, way) in enumerate(drawn.tolist()):
            hr, lr = self.pictures[index]
            low[crop] = _turned(_cut(lr, top, left, self.patch), way)
            high[crop] = _turned(_cut(hr, top * self.scale, left * self.scale, self.patch * self.scale), way)
        return np.divide(low, self.unit, out=low), np.divide(high, self.unit, out=high)

    def whole(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(LR, HR) of a picture, [1, colors, H, W] in [0, 1]."""
        high, low = (planes[None].astype(np.float32) / self.unit for planes in self.pictures[index])
        return low, high

    def draw(self, seed: int, step: int, size: int) -> NDArray[np.int64]:
        """[size, 4]: of each crop of a batch the picture, its top and left LR pixel, and the way it is turned.

        Way 1 flips it upside down, 2 left to right, 4 along its diagonal; they add up, in this order.
        """
        random = np.random.default_rng((seed, step))
        indices = random.choice(len(self.pictures), size, p=self._chances)
        tops, lefts = (random.integers(self._positions[indices, axis]) for axis in (0, 1))
        return np.stack([indices, tops, lefts, random.integers(8, size=size)], axis=1)


def ahead(make: Callable[[int], T], steps: range, most: int = 4) -> Generator[T, None, None]:
    """`make(step)` for each step in turn, made by a thread that is up to `most` of them ahead.

    What it gives is the same as without the thread. Close it (`contextlib.closing`) to leave early.
    """
    with ThreadPoolExecutor(1, "batches") as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for step in steps:
                waiting.append(pool.submit(make, step))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _planes(rgb: NDArray[np.uint8], colors: int) -> NDArray[Any]:
    """[colors, H, W]: to cut, turn and convert rows of one colour is the quickest."""
    if colors == 3:
        return np.ascontiguousarray(rgb.transpose(2, 0, 1))
    return np.round(images.luma(rgb) * 256).astype(np.uint16)[None]


def _cut(planes: NDArray[Any], top: int, left: int, length: int) -> NDArray[Any]:
    return planes[:, top : top + length, left : left + length]


def _turned(planes: NDArray[Any], way: int) -> NDArray[Any]:
    """One of the eight ways to lay a square; a view."""
    if way & 1:
        planes = planes[:, ::-1]
    if way & 2:
        planes = planes[:, :, ::-1]
    return planes.transpose(0, 2, 1) if way & 4 else planes
