"""Measure the memory of `ecbsr-upscale` on a large image, and on a folder of many small ones.

    python benchmarks/upscale_memory.py                                  # PNG of 40 megapixels
    python benchmarks/upscale_memory.py --size 10000x10000 --flat        # a small file of 100 megapixels
    python benchmarks/upscale_memory.py --size 10000x10000 --input .jpg
    python benchmarks/upscale_memory.py --folder 2000 --model ecbsr_mobile/zoo/ecbsr-m4c8-x2-int8.tflite

The image is a bundled one, repeated (with --flat: one color); those of the folder are parts of it, of 24 to 87 pixels a
side. Prints the largest resident memory of the process in GB and, for a folder, its memory after each tenth of the
images, in MB (Linux).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError

if TYPE_CHECKING:
    import numpy as np

POLL_SECONDS = 0.05


def main(argv: list[str] | None = None) -> None:
    parser = common.parser("upscale_memory.py", __doc__.splitlines()[0])
    parser.add_argument("--size", type=_size, default="7746x5164", metavar="WIDTHxHEIGHT", help="(%(default)s)")
    parser.add_argument("--flat", action="store_true", help="an image of one color, which is a small file")
    parser.add_argument("--input", default=".png", metavar="EXTENSION", help="format of the image (%(default)s)")
    parser.add_argument("--folder", type=int, metavar="N", help="a folder of N small images instead")
    parser.add_argument("--model", default=zoo.DEFAULT, help="as for ecbsr-upscale (%(default)s)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / f"large{options.input}", Path(folder) / "larger.png"
        if options.folder:
            source, target = Path(folder) / "small", Path(folder) / "larger"
            _write_many(source, options.folder)
        else:
            _write_large(source, *options.size, flat=options.flat)
        done, largest = watch([str(source), str(target), "--model", options.model], target)
    if options.folder:
        print("MB after each tenth:", *done)
    print(f"peak memory: {largest / 1e9:.2f} GB")


def watch(arguments: list[str], target: Path) -> tuple[list[int], int]:
    """Run `ecbsr-upscale`.

    Returns:
        The resident memory in MB whenever another tenth of the files of a folder `target` is written, and the largest
        resident memory of the process in bytes.

    Raises:
        EcbsrError: the command failed.
    """
    import psutil

    code = "from ecbsr_mobile.cli.scripts import upscale; upscale()"
    process = psutil.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)
    count = len(list(Path(arguments[0]).iterdir())) if Path(arguments[0]).is_dir() else 0
    seen, largest = list[int](), 0
    while process.poll() is None:
        try:
            resident = process.memory_info().rss
            with Path(f"/proc/{process.pid}/status").open() as status:
                peaks = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
        except (psutil.Error, OSError):
            break
        if not resident:  # it has ended since the poll
            break
        largest = max(largest, resident, *(1024 * peak for peak in peaks))
        written = len(list(target.glob("[!.]*"))) if count and target.is_dir() else 0
        if count and written >= (len(seen) + 1) * count / 10:
            seen.append(resident // 10**6)
        time.sleep(POLL_SECONDS)
    if process.wait():
        raise EcbsrError(f"ecbsr-upscale failed with exit code {process.returncode}")
    return seen, largest


def _write_large(path: Path, width: int, height: int, flat: bool) -> None:
    import numpy as np

    from ecbsr_mobile import Picture, images

    tile = _bundled()
    if flat:
        tile = np.full_like(tile, tile[0, 0])
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    images.write(Picture(np.tile(tile, repeats)[:height, :width]), path)


def _write_many(folder: Path, count: int) -> None:
    from ecbsr_mobile import Picture, images

    tile = _bundled()
    for number in range(count):
        height, width = 24 + number % 64, 24 + number * 7 % 64
        images.write(Picture(tile[number % 100 :, number % 90 :][:height, :width]), folder / f"{number:05}.png")


def _bundled() -> np.ndarray:
    from ecbsr_mobile import images

    return images.read(next(path for path in zoo.pictures() if path.stem == "chelsea")).pixels


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 10000x10000")
    return int(match[1]), int(match[2])


if __name__ == "__main__":
    common.run(main)
