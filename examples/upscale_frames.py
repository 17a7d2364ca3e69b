"""Upscale every picture of a folder with one model that is opened once.

python examples/upscale_frames.py frames larger [--model MODEL]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ecbsr_mobile import images
from ecbsr_mobile.upscaling import open_model, upscale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frames", type=Path)
    parser.add_argument("larger", type=Path)
    parser.add_argument("--model", default="ecbsr-m4c16-x2")
    options = parser.parse_args()
    model = open_model(options.model)
    for path in images.find(options.frames):
        rgb = upscale(images.read(path).rgb(), model)
        images.write(images.Picture(rgb), options.larger / f"{path.stem}.png")
        print(f"{path.name}: {rgb.shape[1]}x{rgb.shape[0]}")


if __name__ == "__main__":
    main()
