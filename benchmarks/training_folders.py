"""Make the folders that the bundled models were trained and chosen on, from the pictures of four sets.

Each picture's name begins with that of its set: `bsds`, `clic`, `t91` or `cid22`. BSDS500 and CLIC are there at half
size, too, where neither JPEG nor a camera's blur shows, and T91 eight times, for it is 4 % of the area otherwise.
With `--graphics`, 16 drawings and screens of CID22 are added, so that int8 learns what black on white needs.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from ecbsr_mobile import Picture, images
from ecbsr_mobile.utils.progress import bar

HELD_OUT = {"bsds": 16, "t91": 11, "clic": 6}
COPIES = {"t91": 8, "cid22": 2}
GRAPHICS = (
    "3DPieChart", "Abstract-Art-1", "AgilityCourseElements", "Beam-Space-Processing", "Boxplot",
    "Lungs-Cross-Section-Illustration", "No-interference", "Performance-Graph", "StockQuoteGraph-20120521",
    "Temperament-pie-chart-according-to-Eysenck", "adriankierman-report-page", "akfcrc022",
    "klepas-Gentle-giants-of-the-sea-3", "newplot", "nicubunu_Game_baddie_Policeman", "ularapi_Semarang_City_Logo",
)  # fmt: skip
HELD_OUT_GRAPHICS = ("Boxplot", "Performance-Graph", "ularapi_Semarang_City_Logo")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("pictures", type=Path, help="a folder of all the pictures")
parser.add_argument("out", type=Path, help="gets train/ and val/")
parser.add_argument("--graphics", action="store_true", help="for the third stage and int8")
options = parser.parse_args()

found = {path.stem: path for path in images.find(options.pictures)}
random_state, held_out = random.Random(7), set()
for name, count in HELD_OUT.items():
    held_out |= set(random_state.sample(sorted(stem for stem in found if stem.startswith(name)), count))
held_out |= {f"cid22_{stem}" for stem in HELD_OUT_GRAPHICS}
graphics = {f"cid22_{stem}" for stem in GRAPHICS} if options.graphics else set()
for folder in ("train", "val"):
    (options.out / folder).mkdir(parents=True)
for stem, path in bar(list(found.items()), "pictures"):
    part = stem.split("_")[0]
    if part == "cid22" and stem not in graphics:
        continue
    if stem in held_out:
        (options.out / "val" / path.name).symlink_to(path.resolve())
        continue
    for copy in range(COPIES.get(part, 1)):
        (options.out / "train" / f"{copy}-{path.name}").symlink_to(path.resolve())
    if part not in COPIES:
        whole = images.crop_to_multiple(images.read(path).rgb(), 2)
        images.write(Picture(images.downscale(whole, 2)), options.out / "train" / f"half-{stem}.png")
print(*(f"{len(list((options.out / folder).iterdir()))} in {options.out / folder}" for folder in ("train", "val")))
