"""`ecbsr-eval`: PSNR and SSIM of a model on folders of images."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from .. import zoo
from . import common, paths


def main(argv: list[str] | None = None) -> int:
    """Parse, evaluate, print the table."""
    options = parser().parse_args(argv)
    from ..evaluation import evaluate
    from ..reference_picture import MUCH_LESS_DB
    from ..upscaling import open_model
    from ..utils.progress import bar

    model = open_model(options.model, **common.weights_options(options))
    failures: list[str] = []
    results = [evaluate(model, folder, bar, failures) for folder in options.data]
    for mean, _ in results:
        if mean.psnr < mean.bicubic_psnr - MUCH_LESS_DB:
            common.notice(
                f"note: {model.name} gives {mean.psnr:.2f} dB on {mean.name}, where bicubic gives "
                f"{mean.bicubic_psnr:.2f} dB: it is not trained, or misread (--range, --identity, --activation)"
            )
    if options.json:
        sets = [
            {"folder": folder, **asdict(mean), "each": scores}
            for folder, (mean, scores) in zip(options.data, results, strict=True)
        ]
        common.print_json(
            {"model": model.name, "scale": model.scale, "colors": model.colors, "sets": sets, "failed": failures}
        )
        return common.report_failures(failures)
    rows = [
        [score.name, score.pictures, f"{score.psnr:.2f}", f"{score.ssim:.4f}",
         f"{score.bicubic_psnr:.2f}", f"{score.bicubic_ssim:.4f}"]
        for mean, scores in results
        for score in ([*scores, mean] if options.each else [mean])
    ]  # fmt: skip
    header = ["set", "images", "PSNR dB", "SSIM", "bicubic PSNR dB", "bicubic SSIM"]
    common.print_table(header, rows, f"{model.name}, luma, border {model.scale}")
    return common.report_failures(failures)


def script() -> None:
    """The command's entry point."""
    common.run(main)


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = common.parser("ecbsr-eval", "PSNR and SSIM of a model on luma, compared with bicubic.")
    parser.add_argument("model", nargs="?", default=zoo.DEFAULT, type=paths.MODEL,
                        help="weights, a .tflite, or the name of a bundled model (%(default)s)")  # fmt: skip
    parser.add_argument("--data", required=True, nargs="+", metavar="DIR", type=paths.INPUT_FOLDER,
                        help="folders of HR images, or with HR/ and LR/, or x2/HR/ and x2/LR/, or DIV2K")  # fmt: skip
    parser.add_argument("--each", action="store_true", help="show every image")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_weights_options(parser)
    return parser
