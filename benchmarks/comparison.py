"""A picture of the result: a crop in low resolution, enlarged by bicubic, and by a model, side by side."""

from __future__ import annotations

import argparse

import numpy as np

from ecbsr_mobile import Picture, images, upscale, zoo
from ecbsr_mobile.upscaling import open_model

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("out", help="the picture to write")
parser.add_argument("--model", default=zoo.DEFAULT, help="weights, a .tflite, or a bundled model's name")
parser.add_argument("--picture", default="chelsea", help="a bundled picture's name, or any picture's path")
parser.add_argument("--crop", type=int, nargs=4, default=(50, 10, 120, 100), metavar=("X", "Y", "W", "H"),
                    help="the part of the LR picture to show")  # fmt: skip
parser.add_argument("--zoom", type=int, default=3, help="how many times each pixel of the result is repeated")
options = parser.parse_args()

bundled = {path.stem: path for path in zoo.pictures()}
model = open_model(options.model)
high = images.crop_to_multiple(images.read(bundled.get(options.picture, options.picture)).rgb(), model.scale)
low = images.downscale(high, model.scale)
x, y, width, height = options.crop
crop = np.s_[y * model.scale : (y + height) * model.scale, x * model.scale : (x + width) * model.scale]
panels = [
    low.repeat(model.scale, 0).repeat(model.scale, 1),
    images.resize_bicubic(low, (high.shape[1], high.shape[0])),
    upscale(low, model),
    high,
]
zoomed = [panel[crop].repeat(options.zoom, 0).repeat(options.zoom, 1) for panel in panels]
gap = np.full((zoomed[0].shape[0], 6, 3), 255, np.uint8)
images.write(Picture(np.hstack([part for panel in zoomed for part in (panel, gap)][:-1])), options.out)
print(f"{options.out}: LR, bicubic, {model.name}, HR")
