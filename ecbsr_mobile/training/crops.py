"""Random training crops of a folder of images, and batches prepared ahead of their use."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import images
from ..dataset import PairPaths, pairs, paths
from ..degradation import Degradation, degrade
from ..errors import EcbsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..upscaling import Model
    from ..utils.progress import Progress

T = TypeVar("T")

VERSIONS = 8
"""Degraded versions of each image. They are made once: a GPU trains faster than a host degrades."""

TEACHER_SHARE = 0.5
"""Share of the teacher's result in the HR images that a network learns from."""

AHEAD = 4
"""Batches that are prepared in advance."""


class Crops:
    """Random square crops of the images of a folder, which are kept in memory.

    A batch depends on the seed and the step only, so that a resumed run sees the same crops as an uninterrupted one.
    `images` has (HR, LR) [colors, H, W] of each image, or of each degraded version, without a teacher with the same HR
    array: luma as uint16 in units of 1/256, RGB as uint8; `white` is the value of white.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        scale: int,
        colors: int,
        patch: int,
        progress: Progress | None = None,
        degradations: Sequence[Degradation] = (),
        seed: int = 0,
        teacher: Model | None = None,
        listed: Sequence[PairPaths] | None = None,
    ) -> None:
        """Read the images of `folder`; crops are `patch`² in LR and (scale·patch)² in HR.

        With `degradations`, each LR image is replaced by `VERSIONS` that depend on `seed`. With a `teacher`, each HR
        image is mixed with the teacher's result for its LR image: the detail that no network can predict, which is
        noise for the one that learns, is weaker in it. `listed`: see `dataset.pairs`.

        Raises:
            EcbsrError: see `dataset.pairs`; or every image is smaller than a crop.
        """
        self.scale, self.patch, self.colors = scale, patch, colors
        self.white = np.float32(255 if colors == 3 else 255 * 256)
        self.images: list[tuple[NDArray[Any], NDArray[Any]]] = []
        listed = paths(folder, scale) if listed is None else listed
        numbers = range(len(listed))
        shown, used = progress(numbers, "reading images") if progress else numbers, 0
        for number, pair in zip(shown, pairs(folder, scale, listed), strict=True):
            if min(pair.lr.shape[:2]) >= patch:
                used += 1
                seeds = [(seed, number, version) for version in range(VERSIONS)]
                versions = [degrade(pair.lr, degradations, seed) for seed in seeds] if degradations else [pair.lr]
                hr = _planes(pair.hr, colors)
                for lr in versions:
                    target = hr if teacher is None else _taught(hr, lr, teacher)
                    self.images.append((target, _planes(lr, colors)))
        left_out = len(numbers) - used
        if not self.images:
            raise EcbsrError(
                f"{folder}: every image is smaller than a crop of {patch * scale}x{patch * scale}; use larger images, "
                "or a smaller --patch"
            )
        if left_out:
            side = patch * scale
            warnings.warn(
                f"{folder}: without {left_out} of {len(numbers)} images: smaller than a crop of {side}x{side}",
                UserWarning,
                stacklevel=2,
            )
        # Weighted by area, so that all positions of all images have the same probability.
        areas = np.array([lr[0].size for _, lr in self.images], np.float64)
        self._probabilities = areas / areas.sum()
        self._positions = np.array([lr.shape[1:] for _, lr in self.images]) - patch + 1  # rows and columns for a crop

    def __len__(self) -> int:
        """The number of images, or of their degraded versions."""
        return len(self.images)

    def batch(self, seed: int, step: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The (LR, HR) crops of a step (see `cut`)."""
        return self.cut(self.choose(seed, step, size))

    def choose(self, seed: int, step: int, size: int) -> NDArray[np.int64]:
        """Random crops as rows (image, top, left, orientation) [size, 4], in LR pixels.

        An orientation is a sum of 1 (flipped upside down), 2 (flipped left to right) and 4 (transposed), in this order.
        """
        random = np.random.default_rng((seed, step))
        indices = random.choice(len(self.images), size, p=self._probabilities)
        tops, lefts = (random.integers(self._positions[indices, axis]) for axis in (0, 1))
        return np.stack([indices, tops, lefts, random.integers(8, size=size)], axis=1)

    def cut(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(LR, HR) of chosen crops: [size, colors, patch, patch] and [size, colors, scale·patch, scale·patch].

        Values in [0, 1]; memory in channels_last order.
        """
        sides = (self.patch, self.patch * self.scale)
        low, high = (np.empty((len(chosen), n, n, self.colors), np.float32).transpose(0, 3, 1, 2) for n in sides)
        for number, (index, top, left, orientation) in enumerate(chosen.tolist()):
            hr, lr = self.images[index]
            low[number] = _oriented(_window(lr, top, left, self.patch), orientation)
            hr_window = _window(hr, top * self.scale, left * self.scale, self.patch * self.scale)
            high[number] = _oriented(hr_window, orientation)
        return np.divide(low, self.white, out=low), np.divide(high, self.white, out=high)

    def whole(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(LR, HR) of a whole image, [1, colors, H, W] in [0, 1]."""
        high, low = (planes[None].astype(np.float32) / self.white for planes in self.images[index])
        return low, high


def digest(pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> str:
    """SHA-256 of the values and shapes of pairs of images (HR, LR), which tells other images from the same ones."""
    found, last = hashlib.sha256(), None
    for hr, lr in pairs:
        for array in (lr,) if hr is last else (hr, lr):  # degraded versions of an image share its HR
            found.update(f"{array.shape} {array.dtype}".encode())
            found.update(np.ascontiguousarray(array).data)
        last = hr
    return found.hexdigest()


def prefetch(make: Callable[[int], T], steps: range) -> Generator[T, None, None]:
    """Yield `make(step)` for each step in order; a thread computes up to `AHEAD` of them in advance.

    Close the generator (`contextlib.closing`) to stop early.
    """
    with ThreadPoolExecutor(1, "batches") as pool:
        pending: deque[Future[T]] = deque()
        try:
            for step in steps:
                pending.append(pool.submit(make, step))
                if len(pending) > AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _planes(rgb: NDArray[np.uint8], colors: int) -> NDArray[Any]:
    """[colors, H, W]: rows of one color are the fastest to cut, turn and convert."""
    if colors == 3:
        return np.ascontiguousarray(rgb.transpose(2, 0, 1))
    return np.round(images.luma(rgb) * 256).astype(np.uint16)[None]


def _taught(hr: NDArray[Any], lr: NDArray[np.uint8], teacher: Model) -> NDArray[Any]:
    """HR planes, mixed with the teacher's result for LR [H, W, 3]; of the same dtype."""
    white = 255 if teacher.colors == 3 else 255 * 256
    image = (lr if teacher.colors == 3 else images.luma(lr)[:, :, None]).astype(np.float32) / np.float32(255)
    result = teacher.run(image).transpose(2, 0, 1).clip(0, 1) * np.float32(white)
    return images.round_to(hr + np.float32(TEACHER_SHARE) * (result - hr), hr.dtype)


def _window(planes: NDArray[Any], top: int, left: int, side: int) -> NDArray[Any]:
    return planes[:, top : top + side, left : left + side]


def _oriented(planes: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A square in one of its eight orientations; a view (see `Crops.choose`)."""
    if orientation & 1:
        planes = planes[:, ::-1]
    if orientation & 2:
        planes = planes[:, :, ::-1]
    return planes.transpose(0, 2, 1) if orientation & 4 else planes
