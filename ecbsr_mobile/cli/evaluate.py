"""`ecbsr-eval`: PSNR and SSIM of models on folders of images, or of a clip against another."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import zoo
from ..errors import EcbsrError, UsageError
from ..utils.text import to_utf8
from . import common, evaluate_clips, paths, tables

if TYPE_CHECKING:
    from ..evaluation import Score
    from ..upscaling import Model


def main(argv: list[str] | None = None) -> int:
    """Parse, evaluate, print the table."""
    options = parser().parse_args(argv)
    if evaluate_clips.are_clips(options.models, options):
        return evaluate_clips.run(options)
    if options.data is None:
        raise UsageError("give the folders of images with --data, or a pair of clips")
    from ..evaluation import evaluate
    from ..upscaling import open_model
    from ..utils.progress import bar

    names = list(dict.fromkeys(options.models))
    models = [open_model(name, **common.weights_options(options)) for name in names]
    failures: list[str] = []
    results = []
    for name, model in zip(names, models, strict=True):
        sets = [evaluate(model, folder, bar, failures) for folder in options.data]
        results.append(_Result(name, model, sets))
        _note_much_less_than_bicubic(results[-1])
    failures = list(dict.fromkeys(failures))  # each model has found the same
    if options.json:
        firsts = {result.model.scale: result for result in reversed(results)}
        documents = [_document(result, firsts[result.model.scale], options.data) for result in results]
        # The values of a single model are at the top, too.
        common.print_json({**(documents[0] if len(documents) == 1 else {}), "models": documents, "failed": failures})
    else:
        _print_tables(results, options.each)
    code = common.report_failures(failures)
    if options.min_psnr is not None:
        _check_psnr(results, options.min_psnr)
    return code


def script() -> None:
    """The command's entry point."""
    common.run(main)


@dataclass(frozen=True)
class _Result:
    """What a model scores on each folder: the mean, and each image."""

    path: str
    model: Model
    sets: list[tuple[Score, list[Score]]]


def _document(result: _Result, first: _Result, folders: Sequence[str]) -> dict[str, Any]:
    """A model as JSON; `first` is the first of its scale."""
    sets = [
        {"folder": to_utf8(folder), **asdict(mean), "psnr_difference": mean.psnr - of_first.psnr, "each": scores}
        for folder, (mean, scores), (of_first, _) in zip(folders, result.sets, first.sets, strict=True)
    ]
    model = result.model
    names = {"file": to_utf8(result.path), "model": model.name}
    return names | {"scale": model.scale, "colors": model.colors, "sets": sets}


def _print_tables(results: Sequence[_Result], each: bool) -> None:
    """A table for each scale; of several models, one after the other for each folder."""
    several = len(results) > 1
    for scale in dict.fromkeys(result.model.scale for result in results):
        alike = [result for result in results if result.model.scale == scale]
        rows = []
        for sets in zip(*(result.sets for result in alike), strict=True):
            first_mean, first_scores = sets[0]
            for result, (mean, scores) in zip(alike, sets, strict=True):
                pairs = [*zip(scores, first_scores, strict=True)] if each else []
                for score, of_first in [*pairs, (mean, first_mean)]:
                    bicubic = [f"{score.bicubic_psnr:.2f}", f"{score.bicubic_ssim:.4f}"]
                    row = [score.pictures, f"{score.psnr:.2f}", f"{score.ssim:.4f}", *bicubic]
                    if several:
                        row = [*row[:2], _signed(score.psnr - of_first.psnr), *row[2:]]
                    rows.append([*([result.path] if several else []), score.name, *row])
        header = ["set", "images", "PSNR dB", "SSIM", "bicubic PSNR dB", "bicubic SSIM"]
        if several:
            header[:3] = ["model", "set", "images", "PSNR dB", "to the first"]
        title = f"{f'x{scale}' if several else alike[0].path}, luma, border {scale}"
        tables.print_table(header, rows, title, optional=("bicubic SSIM", "SSIM", "images"))


def _signed(difference: float) -> str:
    """A difference with its sign, and never "-0.00"."""
    text = f"{difference:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def _note_much_less_than_bicubic(result: _Result) -> None:
    from ..evaluation import mean
    from ..metrics import MAX_PSNR
    from ..reference_picture import MUCH_LESS_DB

    is_tflite = Path(result.path).suffix.lower() == ".tflite"  # it contains its whole network
    options = "--range" if is_tflite else "--range, --identity, --slope, --no-skip"
    for whole, scores in result.sets:
        # Bicubic enlarges a flat image without an error: any model has less, and nothing is wrong with it.
        uneven = [score for score in scores if score.bicubic_psnr < MAX_PSNR]
        if not uneven or result.model.scale == 1:
            continue
        shown = mean(whole.name, uneven)
        if shown.psnr < shown.bicubic_psnr - MUCH_LESS_DB:
            common.notice(
                f"note: {result.path} gives {shown.psnr:.2f} dB on {shown.name}, where bicubic gives "
                f"{shown.bicubic_psnr:.2f} dB: it is not trained, or misread ({options})"
            )


def _check_psnr(results: Sequence[_Result], minimum: float) -> None:
    """The gate of `--min-psnr`.

    Raises:
        EcbsrError: a model has less on a folder.
    """
    below = [
        f"{result.path} gives {mean.psnr:.3f} dB on {mean.name}"
        for result in results
        for mean, _ in result.sets
        if not mean.psnr >= minimum
    ]
    if below:
        raise EcbsrError(f"{'; '.join(below)}: less than --min-psnr {minimum:g}")


def _decibels(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of decibels")
    return value


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = common.parser("ecbsr-eval", "PSNR and SSIM of models on luma, compared with bicubic and with the first.")
    parser.add_argument("models", nargs="*", default=[zoo.DEFAULT], metavar="MODEL", type=paths.MODEL,
                        help="weights, .tflite, bundled models (NAME in fp32, NAME-int8 in int8; "
                        f"{zoo.DEFAULT}); or two clips")  # fmt: skip
    parser.add_argument("--data", nargs="+", action="extend", metavar="DIR", type=paths.INPUT_FOLDER,
                        help="folders of HR images, or with HR/ and LR/, or x2/HR/ and x2/LR/, or DIV2K")  # fmt: skip
    parser.add_argument("--min-psnr", type=_decibels, metavar="DB",
                        help="exit with 1 if a model has less on one of the folders")  # fmt: skip
    parser.add_argument("--each", action="store_true", help="show every image or frame")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_weights_options(parser)
    return parser
