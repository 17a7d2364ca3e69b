"""Peak memory of `ecbsr-upscale` on a picture of 40 megapixels."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ecbsr_mobile import Picture, images, zoo

with tempfile.TemporaryDirectory() as folder:
    source = Path(folder) / "large.png"
    cat = images.read(next(path for path in zoo.pictures() if path.stem == "chelsea")).pixels
    images.write(Picture(np.tile(cat, (20, 20, 1))[:5164, :7746]), source)  # 7746 x 5164 = 40.0 megapixels
    command = [str(Path(sys.executable).parent / "ecbsr-upscale"), str(source), str(Path(folder) / "larger.png")]
    subprocess.run(command, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"peak memory: {peak / 1e6:.2f} GB")
