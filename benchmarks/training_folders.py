"""Make the training and validation folders of the bundled models from the images of several data sets.

    python benchmarks/training_folders.py IMAGES OUT [--mix varied]

The name of each image begins with that of its data set, such as `bsds_`. A mix is a choice of data sets:

- `photos`: BSDS500, CLIC and T91, at full size; BSDS500 and CLIC at half size, too, where neither JPEG artifacts nor
  camera blur show. Images of T91 are repeated eight times, because they are 4 % of the area otherwise.
- `graphics`: the same, and 16 drawings and screenshots of CID22 (those for training twice), because int8 needs examples
  of black on white.
- `varied`: the same, but CLIC at half size only, and the photographs of CID22 and of `free_pictures.py`, many of which
  show buildings.
- `free`: of these, only CLIC, CID22 and `free_pictures.py`, whose terms allow commercial use.

Writes symbolic links and half-size images to OUT/train and OUT/val, and prints the number of files in each.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.progress import bar

GRAPHICS = (
    "3DPieChart", "Abstract-Art-1", "AgilityCourseElements", "Beam-Space-Processing", "Boxplot",
    "Lungs-Cross-Section-Illustration", "No-interference", "Performance-Graph", "StockQuoteGraph-20120521",
    "Temperament-pie-chart-according-to-Eysenck", "adriankierman-report-page", "akfcrc022",
    "klepas-Gentle-giants-of-the-sea-3", "newplot", "nicubunu_Game_baddie_Policeman", "ularapi_Semarang_City_Logo",
)  # fmt: skip
VALIDATION_GRAPHICS = ("Boxplot", "Performance-Graph", "ularapi_Semarang_City_Logo")
SEED = 7


@dataclass(frozen=True)
class Use:
    """How a mix uses the images of a data set: how often each, whether at full and at half size; how many validate."""

    validation: int
    repeats: int = 1
    full: bool = True
    half: bool = False


PHOTOS = {"bsds": Use(16, half=True), "t91": Use(11, repeats=8), "clic": Use(6, half=True)}
GRAPHICS_USE = Use(len(VALIDATION_GRAPHICS), repeats=2)
FREE = {"clic": Use(6, full=False, half=True), "graphics": GRAPHICS_USE, "cid22": Use(8), "free": Use(8)}
MIXES: dict[str, Mapping[str, Use]] = {
    "photos": PHOTOS,
    "graphics": {**PHOTOS, "graphics": GRAPHICS_USE},
    "varied": {**PHOTOS, **FREE},
    "free": FREE,
}
"""The data sets of each mix; `graphics` are drawings and screenshots of CID22, and `cid22` its other images."""


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import images

    mix = MIXES[options.mix]
    paths = {path.stem: path for path in images.find(options.images) if _data_set(path.stem) in mix}
    validation = _validation_stems(list(paths), mix)
    train, val = options.out / "train", options.out / "val"
    for folder in (train, val):
        folder.mkdir(parents=True)
    work = [(path, mix[_data_set(stem)], train) for stem, path in paths.items() if stem not in validation]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for future in bar([pool.submit(_add_training_image, *item) for item in work], "images"):
            future.result()
    for stem in validation:
        (val / paths[stem].name).symlink_to(paths[stem].resolve())
    print(*(f"{len(list(folder.iterdir()))} in {folder}" for folder in (train, val)))


def _validation_stems(stems: list[str], mix: Mapping[str, Use]) -> set[str]:
    """The images of the validation folder: a fixed random choice of each set, and three drawings."""
    generator = random.Random(SEED)
    chosen = {f"cid22_{name}" for name in VALIDATION_GRAPHICS if "graphics" in mix}
    for name, use in mix.items():
        candidates = sorted(stem for stem in stems if _data_set(stem) == name)
        if len(candidates) < use.validation:
            raise UsageError(f"only {len(candidates)} images are of {name!r}; at least {use.validation} are needed")
        if name != "graphics":
            chosen.update(generator.sample(candidates, use.validation))
    return chosen


def _add_training_image(path: Path, use: Use, folder: Path) -> None:
    """Link the image into the folder, once or repeated, and add it at half size."""
    from ecbsr_mobile import Picture, images

    for copy in range(use.repeats if use.full else 0):
        (folder / f"{copy}-{path.name}").symlink_to(path.resolve())
    if use.half:
        full = images.crop_to_multiple(images.read(path).rgb(), 2)
        images.write(Picture(images.downscale(full, 2)), folder / f"half-{path.stem}.png")


def _data_set(stem: str) -> str:
    name, _, rest = stem.partition("_")
    return "graphics" if name == "cid22" and rest in GRAPHICS else name


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("training_folders.py", __doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="a folder with the images of all data sets of the mix")
    parser.add_argument("out", type=Path, help="the folder to make train/ and val/ in")
    parser.add_argument("--mix", choices=list(MIXES), default="photos", help="which data sets (%(default)s)")
    return parser


if __name__ == "__main__":
    common.run(main)
