"""PSNR of models on degraded pictures, beside bicubic's on the same ones.

    python benchmarks/real_pictures.py ecbsr-m4c16-x2 --data Set14 Urban100 --degrade jpeg:30 jpeg:50 jpeg:75 jpeg:90

The LR image of each pair is degraded as `ecbsr-train --degrade` does for validation, the same way for every model.
Models are bundled models, weights, or `.tflite` files of one scale. Prints a Markdown table: for each data set and
degradation the PSNR of bicubic in dB, and what each model has more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ecbsr_mobile import degradation
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.progress import bar


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    lists = {text: degradation.parse(text) for text in options.degrade}
    from ecbsr_mobile import evaluation
    from ecbsr_mobile.dataset import pairs
    from ecbsr_mobile.upscaling import open_model

    models = [open_model(name) for name in options.models]
    scale = models[0].scale
    for model in models:
        if model.scale != scale:
            raise UsageError(f"{model.name} is for x{model.scale}, {models[0].name} for x{scale}; give one scale")
    print(f"| pictures | degraded by | bicubic, dB | {' | '.join(model.name for model in models)} |")
    print("|---" * (3 + len(models)) + "|")
    for folder in options.data:
        clean = list(bar(list(pairs(folder, scale)), f"reading {folder.name}"))
        for text, degradations in lists.items():
            degraded = degradation.degraded(clean, degradations)
            means = [
                evaluation.mean(model.name, [evaluation.score(model, pair) for pair in degraded]) for model in models
            ]
            gains = " | ".join(f"{mean.psnr - mean.bicubic_psnr:+.2f}" for mean in means)
            print(f"| {folder.name} | {text} | {means[0].bicubic_psnr:.2f} | {gains} |", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("real_pictures.py", __doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL", help="bundled models, weights, or .tflite files")
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="DIR", help="data sets such as Set14")
    parser.add_argument("--degrade", nargs="+", default=["jpeg:30", "jpeg:50", "jpeg:75", "jpeg:90"], metavar="LIST",
                        help="lists as in ecbsr-train --degrade (jpeg:30 jpeg:50 jpeg:75 jpeg:90)")  # fmt: skip
    return parser


if __name__ == "__main__":
    common.run(main)
