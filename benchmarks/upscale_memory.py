"""Measure the peak memory of `ecbsr-upscale` on an image of 40 megapixels.

    python benchmarks/upscale_memory.py

The image is a bundled one, repeated to 7746x5164. Prints the maximum resident set size of the process in GB (Linux).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError

WIDTH, HEIGHT = 7746, 5164  # 40.0 megapixels


def main(argv: list[str] | None = None) -> None:
    common.parser("upscale_memory.py", __doc__.splitlines()[0]).parse_args(argv)
    import numpy as np

    from ecbsr_mobile import Picture, images

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "large.png"
        tile = images.read(next(path for path in zoo.pictures() if path.stem == "chelsea")).pixels
        repeats = (-(-HEIGHT // tile.shape[0]), -(-WIDTH // tile.shape[1]), 1)
        images.write(Picture(np.tile(tile, repeats)[:HEIGHT, :WIDTH]), source)
        command = [Path(sys.executable).parent / "ecbsr-upscale", source, Path(folder) / "larger.png"]
        code = subprocess.run(command, check=False).returncode
        if code:
            raise EcbsrError(f"ecbsr-upscale failed with exit code {code}")
        peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"peak memory: {peak_kib * 1024 / 1e9:.2f} GB")


if __name__ == "__main__":
    common.run(main)
