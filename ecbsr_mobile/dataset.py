"""Folders of images as pairs of high and low resolution."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import images
from .errors import EcbsrError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """An image in high and low resolution: `hr` [scale·H, scale·W, 3] and `lr` [H, W, 3], RGB uint8."""

    name: str
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]


def pairs(folder: str | os.PathLike[str], scale: int) -> Iterator[Pair]:
    """The pairs in a folder, in order of name.

    `folder` contains one of these (the number is the scale):

    - `HR/` and `LR/`, or `x2/HR/` and `x2/LR/`;
    - DIV2K or a set of the same layout: `folder` is `NAME_HR` with `NAME_LR_bicubic/X2` beside it, or contains both;
    - HR images only: LR is then made by MATLAB-compatible bicubic.

    An LR image has the name of its HR image, or that name with `x2` appended. HR is cropped to a multiple of `scale`.

    Raises:
        EcbsrError: there are no images, an LR image is missing, or it has the wrong size.
    """
    for hr_path, lr_path in paths(folder, scale):
        hr = images.crop_to_multiple(images.read(hr_path).rgb(), scale)
        if not hr.size:
            raise EcbsrError(f"{hr_path}: is smaller than {scale}x{scale} pixels; remove it")
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
    """The HR file of each pair, and its LR file, or None where LR is made from HR (see `pairs`).

    Raises:
        EcbsrError: there are no images, or an LR image is missing.
    """
    root = Path(folder)
    for base in (root / f"x{scale}", root):
        if (base / "HR").is_dir():
            if not (base / "LR").is_dir():
                raise EcbsrError(f"{base}: contains HR/ but no LR/; add it, or give {base / 'HR'} to have LR made")
            return _match(base / "HR", base / "LR", scale)
    like_div2k = [hr for hr in (root, *sorted(root.glob("*_HR"))) if _lr_beside(hr, scale).is_dir()]
    if len(like_div2k) > 1:
        raise EcbsrError(f"{root}: contains {' and '.join(hr.name for hr in like_div2k)}; give one of them")
    if like_div2k:
        (hr,) = like_div2k
        return _match(hr, _lr_beside(hr, scale), scale)
    try:
        return [(path, None) for path in images.find(root)]
    except EcbsrError:
        if not root.is_dir() or not any(child.is_dir() for child in root.iterdir()):
            raise
        raise EcbsrError(
            f"{root}: contains neither images, nor HR/ and LR/, nor x{scale}/HR/ and x{scale}/LR/, "
            f"nor NAME_HR/ and NAME_LR_bicubic/X{scale}/"
        ) from None


def _lr_beside(hr: Path, scale: int) -> Path:
    """Where DIV2K has the LR images of its folder `hr`, whose name ends in _HR."""
    hr = hr.absolute()  # the name of "." is empty
    return hr.with_name(re.sub("_HR$", "_LR_bicubic", hr.name)) / f"X{scale}"


def _match(hr: Path, lr: Path, scale: int) -> list[tuple[Path, Path | None]]:
    """The files of two folders in pairs, by name."""
    high, low = images.find(hr), images.find(lr)
    by_stem = {path.stem.removesuffix(f"x{scale}"): path for path in low} | {path.stem: path for path in low}
    for path in high:
        if path.stem not in by_stem:
            raise EcbsrError(f"{lr}: contains no LR image for {path.name}")
    return [(path, by_stem[path.stem]) for path in high]
