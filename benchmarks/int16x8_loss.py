"""Loss of 16-bit activations against the float network, both from 8-bit images, and what each step gains.

    python benchmarks/int16x8_loss.py WEIGHTS... --data Set5 Set14 [--file-only]

Prints a Markdown table: for each weights file, the PSNR of the float file on luma in dB, and the loss of networks made
from it. In the first three, only the weights have 8 bits, and the rest is float: rounded to the nearest integer;
after equalization; rounded by reconstruction, too. The last is the int16x8 file for NPUs on LiteRT's built-in kernels.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common

if TYPE_CHECKING:
    from ecbsr_mobile.tflite import Graph
    from ecbsr_mobile.upscaling import Model

STEPS = ("nearest", "equalized", "reconstructed", "file")


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from zoo_check import mean_psnr

    common.show_warnings_as_notices()
    steps = STEPS[-1:] if options.file_only else STEPS
    losses = [f"{step}, {folder.name}" for step in steps for folder in options.data]
    header = ["weights", *(f"float, {folder.name}" for folder in options.data), *losses]
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}", flush=True)
    for weights in options.weights:
        with TemporaryDirectory(prefix="ecbsr-int16x8-") as folder:
            models = _models(weights, options.calibration, Path(folder), steps)
            cells = [f"`{Path(weights).name}`"]
            psnrs = {name: [mean_psnr(model, data) for data in options.data] for name, model in models.items()}
            cells += [f"{psnr:.3f}" for psnr in psnrs["float"]]
            for step in steps:
                cells += [f"{exact - psnr:.4f}" for exact, psnr in zip(psnrs["float"], psnrs[step], strict=True)]
        print(f"| {' | '.join(cells)} |", flush=True)


def _models(weights: str, calibration: str | None, folder: Path, steps: tuple[str, ...]) -> Mapping[str, Model]:
    """The float network and the networks of the steps, by step."""
    from zoo_check import EightBitInput

    from ecbsr_mobile import TfliteModel, tflite
    from export import export

    options = {"target": "npu", "activations": 16, "calibration": calibration, "max_drop": 100.0}
    files = {file.precision: file for file in export(weights, folder, precisions=("fp32", "int8"), **options).files}
    models: dict[str, Model] = {
        "float": EightBitInput(TfliteModel(files["fp32"].path)),
        "file": TfliteModel(files["int16x8"].path),
    }
    if steps != STEPS:
        return models
    for step, graph in _partial(tflite.read(files["fp32"].path), calibration).items():
        path = folder / f"{step}.tflite"
        path.write_bytes(tflite.write(graph))
        models[step] = EightBitInput(TfliteModel(path))
    return models


def _partial(graph: Graph, calibration: str | None) -> Mapping[str, Graph]:
    """The float graph with 8-bit weights that are rounded in the ways of the first steps."""
    import numpy as np

    from ecbsr_mobile import tflite
    from export.quantize.calibration import sheet
    from export.quantize.weight_rounding import equalize, round_to_nearest, round_weights
    from export.transforms.prelu import decompose_prelu, fold_steep_slopes
    from export.validation.sample_images import samples

    colors = tflite.image_input(graph).shape[3]
    views = [view for sample in samples(calibration, tflite.scale_of(graph), colors) for view in sample.views]
    image = sheet(views).astype(np.float32) / np.float32(255)
    native = decompose_prelu(graph, "native")
    equalized = equalize(fold_steep_slopes(native))
    return {
        "nearest": round_to_nearest(native).graph,
        "equalized": round_to_nearest(equalized).graph,
        "reconstructed": round_weights(equalized, image, lambda _text: None).graph,
    }


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("int16x8_loss.py", __doc__.splitlines()[0])
    parser.add_argument("weights", nargs="+", help="weights files, or names of bundled models")
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="DIR", help="data sets, such as Set14")
    parser.add_argument("--calibration", metavar="DIR", help="images to calibrate on (the bundled ones)")
    parser.add_argument("--file-only", action="store_true", help="leave out the steps before the file")
    return parser


if __name__ == "__main__":
    common.run(main)
