"""Write an image that shows a crop in LR, enlarged by bicubic, enlarged by a model, and in HR, side by side.

    python benchmarks/comparison.py docs/images/comparison.png --zoom 1 --model MODEL

LR is the MATLAB-compatible bicubic reduction of the HR image; it is shown with its pixels repeated.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common

if TYPE_CHECKING:
    import numpy as np

GAP = 6  # white columns between two panels


def main(argv: list[str] | None = None) -> None:
    import numpy as np

    from ecbsr_mobile import Picture, images, upscale
    from ecbsr_mobile.upscaling import open_model

    options = _parser().parse_args(argv)
    bundled = {path.stem: path for path in zoo.pictures()}
    model = open_model(options.model)
    scale = model.scale
    hr = images.crop_to_multiple(images.read(bundled.get(options.picture, options.picture)).rgb(), scale)
    lr = images.downscale(hr, scale)
    x, y, width, height = options.crop
    crop = np.s_[y * scale : (y + height) * scale, x * scale : (x + width) * scale]
    panels = [_repeat(lr, scale), images.resize_bicubic(lr, (hr.shape[1], hr.shape[0])), upscale(lr, model), hr]
    zoomed = [_repeat(panel[crop], options.zoom) for panel in panels]
    gap = np.full((zoomed[0].shape[0], GAP, 3), 255, np.uint8)
    row = np.hstack([part for panel in zoomed for part in (panel, gap)][:-1])
    images.write(Picture(row), options.out)
    print(f"{options.out}: LR, bicubic, {model.name}, HR")


def _repeat(image: np.ndarray, times: int) -> np.ndarray:
    """Each pixel of [H, W, C] as a square of `times` x `times` pixels."""
    return image.repeat(times, axis=0).repeat(times, axis=1)


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("comparison.py", __doc__.splitlines()[0])
    parser.add_argument("out", help="the image to write")
    parser.add_argument("--model", default=zoo.DEFAULT,
                        help=f"weights, a .tflite, or a bundled model's name ({zoo.DEFAULT})")  # fmt: skip
    parser.add_argument("--picture", default="chelsea", help="a bundled image's name, or an image file (chelsea)")
    parser.add_argument("--crop", type=int, nargs=4, default=(50, 10, 120, 100), metavar=("X", "Y", "W", "H"),
                        help="the part of the LR image to show, in LR pixels (50 10 120 100)")  # fmt: skip
    parser.add_argument("--zoom", type=int, default=3, help="factor by which the pixels of the panels are repeated (3)")
    return parser


if __name__ == "__main__":
    common.run(main)
