"""Folders of images as pairs of high and low resolution."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import images
from .errors import EcbsrError
from .utils.text import first_and_more

if TYPE_CHECKING:
    from numpy.typing import NDArray


PairPaths = tuple[Path, Path | None]
"""The HR file of a pair, and its LR file, or None where LR is made from HR."""

MAX_SAID = 10
"""How many images that cannot be used a message lists, each with its reason."""


@dataclass(frozen=True)
class Pair:
    """An image in high and low resolution: `hr` [scale·H, scale·W, 3] and `lr` [H, W, 3], RGB uint8."""

    name: str
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]


def pairs(folder: str | os.PathLike[str], scale: int, listed: Sequence[PairPaths] | None = None) -> Iterator[Pair]:
    """The pairs in a folder, in order of name.

    `listed` are its `paths`, where they are known already: a network share takes minutes to list a large folder.

    `folder` contains one of these (the number is the scale):

    - `HR/` and `LR/`, or `x2/HR/` and `x2/LR/`, or `HR/` and `LR_bicubic/X2/`;
    - DIV2K or a set of the same layout: `folder` is `NAME_HR` with `NAME_LR_bicubic/X2` beside it, or contains both;
    - HR and LR side by side, told apart by name: `NAME_HR` and `NAME_LR` as in SelfExSR's sets (or its folder
      `image_SRF_2/`), or `NAME_HR` and `NAME_LR2`, or `NAME` and a smaller `NAMEx2`;
    - HR images only: LR is then made by MATLAB-compatible bicubic.

    In a folder of its own, an LR image has the name of its HR image, or that name with `x2` or `LR`. HR is cropped to a
    multiple of `scale`. Warns (`UserWarning`) of files that are left out.

    Raises:
        EcbsrError: there are no images, an LR image is missing or has the wrong size, or HR and LR cannot be told
            apart; at the end, if some images cannot be read: all of them.
    """
    failures = []
    for hr_path, lr_path in paths(folder, scale) if listed is None else listed:
        try:
            pair = read_pair(hr_path, lr_path, scale)
        except EcbsrError as error:
            failures.append(str(error))
        else:
            yield pair
    if failures:
        raise EcbsrError(_cannot_be_used(folder, failures))


def _cannot_be_used(folder: str | os.PathLike[str], failures: list[str]) -> str:
    """What to say of the images of a folder that cannot be read: all at once, so that they are repaired at once."""
    if len(failures) == 1:
        return failures[0]
    left_out = f"; and {len(failures) - MAX_SAID} more" if len(failures) > MAX_SAID else ""
    return f"{folder}: {len(failures)} images cannot be used: {'; '.join(failures[:MAX_SAID])}{left_out}"


def read_pair(hr_path: Path, lr_path: Path | None, scale: int) -> Pair:
    """One of `paths`, read.

    Raises:
        EcbsrError: an image cannot be read, or LR has the wrong size.
    """
    hr = images.crop_to_multiple(images.read(hr_path).rgb(), scale)
    if not hr.size:
        raise EcbsrError(f"{hr_path}: is smaller than {scale}x{scale} pixels; remove it")
    if lr_path is None:
        return Pair(hr_path.name, hr, images.downscale(hr, scale))
    lr = images.read(lr_path).rgb()
    expected = (hr.shape[0] // scale, hr.shape[1] // scale)
    if lr.shape[:2] != expected:
        raise EcbsrError(
            f"{lr_path}: is {lr.shape[1]}x{lr.shape[0]}, but {hr_path.name} at 1/{scale} is "
            f"{expected[1]}x{expected[0]}; is this the LR folder of another scale?"
        )
    return Pair(hr_path.name, hr, lr)


def paths(folder: str | os.PathLike[str], scale: int) -> list[PairPaths]:
    """The files of each pair (see `pairs`).

    Raises:
        EcbsrError: there are no images, an LR image is missing, or HR and LR cannot be told apart.
    """
    root = Path(folder)
    for base in (root / f"x{scale}", root):
        if (base / "HR").is_dir():
            lr = next(filter(Path.is_dir, (base / "LR", base / "LR_bicubic" / f"X{scale}")), None)
            if lr is None:
                raise EcbsrError(f"{base}: contains HR/ but no LR/; add it, or give {base / 'HR'} to have LR made")
            return _match(base / "HR", lr, scale)
    like_div2k = [hr for hr in (root, *sorted(root.glob("*_HR"))) if _lr_beside(hr, scale).is_dir()]
    if len(like_div2k) > 1:
        raise EcbsrError(f"{root}: contains {' and '.join(hr.name for hr in like_div2k)}; give one of them")
    if like_div2k:
        (hr,) = like_div2k
        return _match(hr, _lr_beside(hr, scale), scale)
    if (root / f"image_SRF_{scale}").is_dir():
        root /= f"image_SRF_{scale}"
    try:
        files = images.find(root)
    except EcbsrError:
        if not root.is_dir() or not any(child.is_dir() for child in root.iterdir()):
            raise
        below = images.folders_below(root)
        not_read = f" (those in {first_and_more(below)} are not read)" if below else ""
        raise EcbsrError(
            f"{root}: contains neither images{not_read}, nor HR/ and LR/, nor x{scale}/HR/ and x{scale}/LR/, "
            f"nor NAME_HR/ and NAME_LR_bicubic/X{scale}/, nor image_SRF_{scale}/"
        ) from None
    if below := images.folders_below(root):
        text = f"{root}: without the images in the folders below it: {first_and_more(below)}"
        warnings.warn(text, UserWarning, stacklevel=2)
    return _side_by_side(root, files, scale)


def _lr_beside(hr: Path, scale: int) -> Path:
    """Where DIV2K has the LR images of its folder `hr`, whose name ends in _HR."""
    hr = hr.absolute()  # the name of "." is empty
    return hr.with_name(re.sub("_HR$", "_LR_bicubic", hr.name)) / f"X{scale}"


def _match(hr: Path, lr: Path, scale: int) -> list[PairPaths]:
    """The files of two folders in pairs, by name."""
    high, low = images.find(hr), images.find(lr)
    by_name = {_name(path): path for path in low if _scale_of(path) in (None, scale)}
    by_name |= {path.stem: path for path in low}
    matched: list[PairPaths] = []
    for path in high:
        match = by_name.get(path.stem) or by_name.get(_name(path))
        if match is None:
            raise EcbsrError(f"{lr}: contains no LR image for {path.name}")
        matched.append((path, match))
    return matched


_HR = re.compile(r"(?i)[-_ .](?:HR|GT|HQ|high)$|^(?:HR|GT|HQ|high)[-_ .]")
_LR = re.compile(
    r"(?i)[-_ .](?:LR|LQ|low|LRBI|LR_?bicubic)(?:[-_ .]?x?([2-8]))?$|^(?:LR|LQ|low)[-_ .]|"
    r"[-_ .]?x([2-8])(?:[-_ .]?LR)?$"
)
"""How data sets mark HR and LR in names: img_001_SRF_2_HR and …_LR, a_LR2, 0001x2, baby_GT, butterfly_LRBI_x3."""


def _name(path: Path) -> str:
    """The part of a name that HR and LR share."""
    return (_HR if _HR.search(path.stem) else _LR).sub("", path.stem)


def _scale_of(path: Path) -> int | None:
    """The scale in the name of an LR image, if there is one."""
    mark = _LR.search(path.stem)
    number = mark and next(filter(None, mark.groups()), None)
    return int(number) if number else None


def _are_only_names(files: list[Path]) -> bool:
    """Whether what looks like a mark of HR or LR is just a name: "High tide" beside "beach", and no pair at all."""
    marked = {_name(path) for path in files if _HR.search(path.stem)}
    plain = [path.stem for path in files if not _HR.search(path.stem) and not _LR.search(path.stem)]
    strangers = [name for name in plain if not any(name.startswith(f"{other}_") for other in marked)]
    high = marked or {*plain}
    return bool(strangers) and not any(_LR.search(path.stem) and _name(path) in high for path in files)


def _side_by_side(folder: Path, files: list[Path], scale: int) -> list[PairPaths]:
    """The pairs of a folder in which LR images may lie beside the HR images."""
    if _are_only_names(files):
        if named := [path.name for path in files if _LR.search(path.stem) and _scale_of(path) is None]:
            text = f"{folder}: there is no HR image for {first_and_more(named)}, so each counts as one"
            warnings.warn(text, UserWarning, stacklevel=3)
        return [(path, None) for path in files]
    return _told_apart(folder, files, scale)


def _told_apart(folder: Path, files: list[Path], scale: int) -> list[PairPaths]:
    """The pairs of a folder by the marks in its names."""
    marked = {_name(path): path for path in files if _HR.search(path.stem)}
    unmarked = {path.stem: path for path in files if not _LR.search(path.stem)}
    high = marked or unmarked
    low: dict[str, Path] = {}
    others, other_scale = [], []
    for path in (path for path in files if path not in high.values()):
        name = _name(path)
        if not _LR.search(path.stem):  # a result of another method, such as img_001_SRF_2_bicubic
            others.append(path)
        elif name in high:
            if min(images.header_size(path)) >= min(images.header_size(high[name])):
                raise EcbsrError(
                    f"{folder}: contains {high[name].name} and {path.name}, which is not smaller; "
                    "give a folder of HR images alone, or HR/ and LR/"
                )
            if _scale_of(path) in (None, scale):
                low[name] = path
            else:
                other_scale.append(path)
        elif marked or _scale_of(path) is None:
            raise EcbsrError(
                f"{folder}: contains {path.name}, but no HR image for it; give a folder of HR images alone"
            )
        else:
            high = {**high, path.stem: path}  # "photo-x2" alone is just a name
    strangers = [path for path in others if not any(path.stem.startswith(f"{name}_") for name in high)]
    if strangers:
        raise EcbsrError(f"{folder}: contains HR images and {strangers[0].name}, which is neither HR nor LR; remove it")
    missing = next((path for name, path in high.items() if low and name not in low), None)
    if missing:
        raise EcbsrError(
            f"{folder}: contains LR images, but none for {missing.name}; move them to LR/ and the others to HR/"
        )
    if left_out := [*others, *other_scale]:
        names = first_and_more([path.name for path in left_out])
        warnings.warn(f"{folder}: without {names}", UserWarning, stacklevel=4)
    return [(path, low.get(name)) for name, path in sorted(high.items(), key=lambda item: item[1])]
