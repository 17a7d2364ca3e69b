"""Make the training and validation folders of the bundled models from the images of four data sets.

    python benchmarks/training_folders.py IMAGES OUT [--graphics]

The name of each image begins with that of its data set: `bsds`, `clic`, `t91` or `cid22`. Images of BSDS500 and CLIC
are added at half size, too, where neither JPEG artifacts nor camera blur show. Images of T91 are repeated eight times,
because they are 4 % of the area otherwise. `--graphics` adds 16 drawings and screenshots of CID22 (those for training
twice), because int8 needs examples of black on white.

Writes symbolic links and half-size images to OUT/train and OUT/val, and prints the number of files in each.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.progress import bar

VALIDATION_COUNTS = {"bsds": 16, "t91": 11, "clic": 6}
REPEATS = {"t91": 8, "cid22": 2}
GRAPHICS = (
    "3DPieChart", "Abstract-Art-1", "AgilityCourseElements", "Beam-Space-Processing", "Boxplot",
    "Lungs-Cross-Section-Illustration", "No-interference", "Performance-Graph", "StockQuoteGraph-20120521",
    "Temperament-pie-chart-according-to-Eysenck", "adriankierman-report-page", "akfcrc022",
    "klepas-Gentle-giants-of-the-sea-3", "newplot", "nicubunu_Game_baddie_Policeman", "ularapi_Semarang_City_Logo",
)  # fmt: skip
VALIDATION_GRAPHICS = ("Boxplot", "Performance-Graph", "ularapi_Semarang_City_Logo")
SEED = 7


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import images

    graphics = {f"cid22_{name}" for name in GRAPHICS} if options.graphics else set()
    paths = {path.stem: path for path in images.find(options.images)}
    sources = {stem: path for stem, path in paths.items() if _data_set(stem) != "cid22" or stem in graphics}
    validation = _validation_stems(list(sources))
    train, val = options.out / "train", options.out / "val"
    for folder in (train, val):
        folder.mkdir(parents=True)
    for stem, path in bar(list(sources.items()), "images"):
        if stem in validation:
            (val / path.name).symlink_to(path.resolve())
        else:
            _add_training_image(path, train)
    print(*(f"{len(list(folder.iterdir()))} in {folder}" for folder in (train, val)))


def _validation_stems(stems: list[str]) -> set[str]:
    """The images of the validation folder: a fixed random choice of each photo set, and three drawings."""
    generator = random.Random(SEED)
    chosen = {f"cid22_{name}" for name in VALIDATION_GRAPHICS}
    for name, count in VALIDATION_COUNTS.items():
        candidates = sorted(stem for stem in stems if stem.startswith(name))
        if len(candidates) < count:
            raise UsageError(f"only {len(candidates)} images begin with {name!r}; at least {count} are needed")
        chosen.update(generator.sample(candidates, count))
    return chosen


def _add_training_image(path: Path, folder: Path) -> None:
    """Link the image into the folder, once or repeated; add it at half size where its set is not repeated."""
    from ecbsr_mobile import Picture, images

    data_set = _data_set(path.stem)
    for copy in range(REPEATS.get(data_set, 1)):
        (folder / f"{copy}-{path.name}").symlink_to(path.resolve())
    if data_set not in REPEATS:
        full = images.crop_to_multiple(images.read(path).rgb(), 2)
        images.write(Picture(images.downscale(full, 2)), folder / f"half-{path.stem}.png")


def _data_set(stem: str) -> str:
    return stem.partition("_")[0]


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("training_folders.py", __doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="a folder with the images of all four sets")
    parser.add_argument("out", type=Path, help="the folder to make train/ and val/ in")
    parser.add_argument("--graphics", action="store_true", help="add drawings and screenshots: for stage 3 and int8")
    return parser


if __name__ == "__main__":
    common.run(main)
