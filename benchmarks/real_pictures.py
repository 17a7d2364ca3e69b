"""PSNR of models on degraded pictures and frames of clips, beside bicubic's on the same ones.

    python benchmarks/real_pictures.py ecbsr-m6c16-leaky-x2 MODEL... --data Set14 Urban100 --at-most 20

Models are bundled models, weights, or `.tflite` files of one scale. `--degrade jpeg:50` and the like degrade the LR
image of each pair as `ecbsr-train --degrade` does for validation; with `h264:CRF`, a slow pan and zoom over the HR
image is reduced and encoded by libx264 (`h264_frames.py`), and four of its 16 frames are measured. All models get the
same pixels, in every run.

Prints a Markdown table: for each data set and degradation, the mean PSNR of bicubic in dB (luma, 8 bits, border =
scale), what each model has more, and in parentheses what it has more than the first model, such as one of the same
architecture that was trained on bicubic LR alone. `--json` prints the same as JSON. `--picture FILE` shows one picture
of each data set where it has the most detail, in a row for each degradation: bicubic, each model, and HR.

Two models on Set14 and 20 pictures of Urban100 take one thread 4.0 minutes of processor time at x2 and 2.6 at x4 (AMD
EPYC Zen 4, two cores; 7.6 and 3.7 minutes passed, with other work beside it).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecbsr_mobile import degradation
from ecbsr_mobile.cli import common, paths
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.progress import bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecbsr_mobile.dataset import Pair
    from ecbsr_mobile.upscaling import Model

DEGRADE = ("jpeg:30", "jpeg:50", "jpeg:75", "jpeg:90", "h264:18", "h264:23", "h264:28", "h264:33")
SHOWN = (160, 120)  # width and height in HR pixels of what --picture shows of a picture
ZOOM, GAP = 2, 6  # each pixel is shown as ZOOM x ZOOM; GAP white pixels between two panels

How = int | tuple[degradation.Degradation, ...]
"""How pictures are degraded: a constant rate factor of H.264, or a list as in `ecbsr-train --degrade`."""


@dataclass(frozen=True)
class Row:
    """The mean PSNR in dB on a data set that is degraded in one way: of bicubic, and of each model by name."""

    pictures: str
    degraded_by: str
    images: int
    bicubic_psnr: float
    psnr: dict[str, float]


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    hows = {text: parse(text) for text in options.degrade}
    if options.at_most is not None and options.at_most < 1:
        raise UsageError(f"--at-most {options.at_most} leaves no picture; give at least 1")
    if options.show and not options.picture:
        raise UsageError(f"--show {options.show} needs --picture, the file to write")
    from ecbsr_mobile import Picture, images
    from ecbsr_mobile.dataset import paths as pairs_of
    from ecbsr_mobile.upscaling import open_model

    if options.picture:
        images.check_format(options.picture)
    models = {name: open_model(name) for name in options.models}
    scale = _scale_of(models)
    sets = {folder: every(pairs_of(folder, scale), options.at_most) for folder in options.data}
    shown = {folder: _shown(options.show, [hr for hr, _ in chosen]) for folder, chosen in sets.items()}
    if options.show and not any(shown.values()):
        example = next(iter(sets.values()))[0][0].stem
        raise UsageError(f"--show {options.show} is none of the pictures that are measured; use one, such as {example}")
    if not options.json:
        print(header(models))
    rows, strips = [], []
    for folder, chosen in sets.items():
        measured, strip = measure(models, chosen, hows, folder.name, shown[folder] if options.picture else None)
        rows += measured
        strips += strip
        if not options.json:
            print("\n".join(map(line, measured)), flush=True)
    if options.json:
        common.print_json({"scale": scale, "models": list(models), "rows": rows})
    if options.picture:
        images.write(Picture(_stacked(strips, 0)), options.picture)
        common.notice(f"{options.picture}: bicubic, {', '.join(models)}, HR; from top to bottom {', '.join(hows)}")


def parse(text: str) -> How:
    """What an item of `--degrade` says.

    Raises:
        UsageError: it is neither h264:CRF nor a list for `degradation.parse`.
    """
    kind, _, strength = text.partition(":")
    if kind != "h264":
        return degradation.parse(text)
    if not strength.isdecimal() or int(strength) > 51:
        raise UsageError(f"degrade {text!r} has no constant rate factor from 0 to 51; use one, such as h264:23")
    return int(strength)


def every(items: Sequence[Any], at_most: int | None) -> list[Any]:
    """Every k-th item, with the smallest k that leaves `at_most`."""
    return list(items[:: -(-len(items) // at_most) if at_most else 1])


def measure(
    models: dict[str, Model],
    chosen: Sequence[tuple[Path, Path | None]],
    hows: dict[str, How],
    data_set: str,
    shown: Path | None,
) -> tuple[list[Row], list[NDArray[Any]]]:
    """A row for each degradation, and what it shows of the picture `shown`."""
    from ecbsr_mobile import evaluation
    from ecbsr_mobile.dataset import read_pair

    scale = next(iter(models.values())).scale
    scores: dict[str, dict[str, list[evaluation.Score]]] = {text: {name: [] for name in models} for text in hows}
    strips = []
    for number, (hr, lr) in enumerate(bar(chosen, data_set)):
        for text, pairs in _degraded(read_pair(hr, lr, scale), scale, hows, number).items():
            for name, model in models.items():
                scores[text][name] += [evaluation.score(model, pair) for pair in pairs]
            if hr == shown:
                strips.append(_strip(pairs[-1], models))
    rows = []
    for text, by_model in scores.items():
        means = {name: evaluation.mean(name, each) for name, each in by_model.items()}
        first = next(iter(means.values()))
        psnrs = {name: mean.psnr for name, mean in means.items()}
        rows.append(Row(data_set, text, first.pictures, first.bicubic_psnr, psnrs))
    return rows, strips


def header(models: Iterable[str]) -> str:
    """The first two lines of the table."""
    names = ["pictures", "degraded by", "images", "bicubic, dB", *models]
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|"


def line(row: Row) -> str:
    """A row of the table: what each model has more than bicubic, and than the first model."""
    first, *others = row.psnr.values()
    cells = [_signed(first - row.bicubic_psnr)]
    cells += [f"{_signed(psnr - row.bicubic_psnr)} ({_signed(psnr - first)})" for psnr in others]
    return f"| {row.pictures} | {row.degraded_by} | {row.images} | {row.bicubic_psnr:.2f} | {' | '.join(cells)} |"


def _signed(difference: float) -> str:
    return f"{round(difference, 2) + 0:+.2f}"  # + 0 makes a plus of the sign of -0.0


def _scale_of(models: dict[str, Model]) -> int:
    (first, model), *others = models.items()
    for name, other in others:
        if other.scale != model.scale:
            raise UsageError(f"{name} is for x{other.scale}, {first} for x{model.scale}; give one scale")
    return model.scale


def _shown(name: str | None, pictures: Sequence[Path]) -> Path | None:
    """The picture of a data set that --picture shows: the one of that name, or the first."""
    return next((path for path in pictures if name in (None, path.stem)), None)


def _degraded(pair: Pair, scale: int, hows: dict[str, How], number: int) -> dict[str, list[Pair]]:
    """The picture, or frames of a clip of it, for each degradation; the same for every run."""
    from h264_frames import Clip

    clip = Clip(pair, scale, (number,)) if any(isinstance(how, int) for how in hows.values()) else None
    result = {}
    for text, how in hows.items():
        if isinstance(how, int):
            assert clip
            result[text] = clip.pairs(how)
        else:
            result[text] = [replace(pair, lr=degradation.degrade(pair.lr, how, (number,)))]
    return result


def _strip(pair: Pair, models: dict[str, Model]) -> NDArray[Any]:
    """What bicubic, each model, and HR have in the window where HR has the most detail, side by side."""
    from ecbsr_mobile import images, upscale

    height, width = pair.hr.shape[:2]
    across, down = min(SHOWN[0], width), min(SHOWN[1], height)
    top, left = images.most_detailed_corner(pair.hr, (across, down))
    panels = [images.resize_bicubic(pair.lr, (width, height))]
    panels += [upscale(pair.lr, model) for model in models.values()]
    shown = [panel[top : top + down, left : left + across] for panel in [*panels, pair.hr]]
    return _stacked([part.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1) for part in shown], 1)


def _stacked(parts: Sequence[NDArray[Any]], axis: int) -> NDArray[Any]:
    """Images beside or below each other, with a white gap between two."""
    import numpy as np

    across = [max(part.shape[side] for part in parts) for side in (0, 1)]
    gap = list(across)
    gap[axis] = GAP
    full = []
    for part in parts:
        missing = [(0, 0 if side == axis else across[side] - part.shape[side]) for side in (0, 1)]
        full += [np.pad(part, [*missing, (0, 0)], constant_values=255), np.full((*gap, 3), 255, np.uint8)]
    return np.concatenate(full[:-1], axis=axis)


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("real_pictures.py", __doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL",
                        help="bundled models, weights, or .tflite files; each is compared with the first")  # fmt: skip
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="DIR", help="data sets such as Set14")
    parser.add_argument("--degrade", nargs="+", default=DEGRADE, metavar="LIST",
                        help=f"lists as in ecbsr-train --degrade, or h264:CRF ({' '.join(DEGRADE)})")  # fmt: skip
    parser.add_argument("--at-most", type=int, metavar="N",
                        help="every k-th picture of a data set, with the smallest k that leaves N (all)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--picture", type=paths.OUTPUT_FILE, metavar="FILE",
                        help="write bicubic, the models and HR side by side")  # fmt: skip
    parser.add_argument("--show", metavar="NAME",
                        help="the picture for --picture, without extension (the first of each data set)")  # fmt: skip
    return parser


if __name__ == "__main__":
    common.run(main)
