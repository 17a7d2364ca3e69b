"""Measure how others upscale beside the bundled models: PSNR by the same code, time on the same processor.

    git clone https://github.com/yhjo09/SR-LUT RIVALS/SR-LUT        (and ddlee-cn/MuLUT, jasonli0707/hklut, ECNUSR/ETDS)
    python benchmarks/rivals.py RIVALS --data Set5 Set14 BSD100 Urban100 --out benchmarks/rivals.json

Only data of others is read; what runs it is written here: look-up tables by `lut.c`, one thread, without intrinsics;
networks by LiteRT. Bicubic and Lanczos are OpenCV's. The time is that over the fp32 file of `ecbsr-m4c16` of the same
scale, as in `front.py`, on one thread, interleaved. Tables run on luma, and on RGB as their authors run them, which
takes three times as long. Prints a Markdown table, and writes JSON for the plot of `front.py`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from interleaved import add_rounds_option, compare, processor
from rival_tables import FORK, SQUARE, WIDE, LookUp, Nibbles, Simplex
from tflite_runner import add_size_option, runner

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.files import write_bytes
from export import resolutions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecbsr_mobile.upscaling import Model

SOURCES = {
    "OpenCV": "Apache-2.0",
    "yhjo09/SR-LUT": "none stated",
    "ddlee-cn/MuLUT": "MIT",
    "jasonli0707/hklut": "CC BY-NC-ND 4.0",
    "ECNUSR/ETDS": "Apache-2.0",
}
"""Where the data comes from, and its license."""

NETWORKS = {"ESPCN": "ESPCN", "FSRCNN": "FSRCNN", "ETDS_M5C16": "ETDS", "ABPN_M4C28": "ABPN"}
"""Networks of ECNUSR/ETDS, which trained all of them on DIV2K in RGB, and the folder of each."""


@dataclass(frozen=True)
class Rival:
    """Something that upscales: its model, its source in `SOURCES`, its bytes, and a function that runs it once."""

    name: str
    source: str
    bytes: int
    model: Model
    run: Callable[[], object]


class Resized(LookUp):
    """A kernel of OpenCV's resize, on luma."""

    def __init__(self, name: str, scale: int, kernel: int) -> None:
        super().__init__(name, scale)
        self._kernel = kernel

    def plane(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `LookUp.plane`."""
        import cv2

        return cv2.resize(plane, None, fx=self.scale, fy=self.scale, interpolation=self._kernel)


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import evaluation
    from ecbsr_mobile.utils.opencv import opencv

    opencv().setNumThreads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for rival in _rivals(options.rivals, options.size, Path(folder)):  # one at a time: a file of 540p takes memory
            baseline = runner(zoo.tflite(f"ecbsr-m4c16-x{rival.model.scale}", "fp32"), options.size)
            ratio = compare(rival.run, baseline, options.rounds).ratio
            scores = {data.name: evaluation.evaluate(rival.model, data)[0] for data in options.data}
            rows.append({
                "name": rival.name,
                "scale": rival.model.scale,
                "colors": rival.model.colors,
                "source": rival.source,
                "license": SOURCES[rival.source],
                "bytes": rival.bytes,
                "time": [round(value, 4) for value in astuple(ratio)],
                "sets": {name: [round(score.psnr, 3), round(score.ssim, 4)] for name, score in scores.items()},
            })  # fmt: skip
    document = {
        "schema": common.SCHEMA, "machine": processor(), "size": resolutions.name(options.size), "rivals": rows
    }  # fmt: skip
    print(table(document))
    if options.out:
        write_bytes(options.out, (json.dumps(document, indent=1) + "\n").encode())


def table(document: dict[str, Any]) -> str:
    """The Markdown table of what `main` writes: time with its 95 % interval, and PSNR in dB / SSIM."""
    sets = list(document["rivals"][0]["sets"])
    lines = [f"| scale | rival | on | kB | time over fp32 | {' | '.join(sets)} |", "|---" * (5 + len(sets)) + "|"]
    for row in sorted(document["rivals"], key=lambda row: (row["scale"], row["time"][0])):
        scores = " | ".join(
            "{:.2f} / {:.4f}".format(*row["sets"][name]) if name in row["sets"] else "" for name in sets
        )
        time = "{:.3f} ({:.3f} to {:.3f})".format(*row["time"])
        kilobytes = f"{row['bytes'] / 1000:.0f}" if row["bytes"] else ""
        colors = "luma" if row["colors"] == 1 else "RGB"
        lines.append(f"| x{row['scale']} | {row['name']} | {colors} | {kilobytes} | {time} | {scores} |")
    return "\n".join(lines)


def _rivals(root: Path, size: tuple[int, int], folder: Path) -> Iterator[Rival]:
    import cv2

    for scale in (2, 4):
        for name, kernel in {"bicubic": cv2.INTER_CUBIC, "Lanczos": cv2.INTER_LANCZOS4}.items():
            yield _planes(Resized(name, scale, kernel), "OpenCV", [], size)
        for colors in (1, 3):
            path = _existing(root, "SR-LUT", f"3_Test_using_LUT/Model_S_x{scale}_4bit_int8.npy")
            table = Simplex("SR-LUT", scale, [[(SQUARE, path)]], "reflect", colors)
            yield _planes(table, "yhjo09/SR-LUT", [path], size)
    tables = _existing(root, "MuLUT", "models/sr_x2sdy")
    shapes = {"s": SQUARE, "d": WIDE, "y": FORK}
    stages = [
        [(taps, tables / f"LUT_ft_x4_4bit_int8_s{n}_{name}.npy") for name, taps in shapes.items()] for n in (1, 2)
    ]
    halves = _existing(root, "hklut", "luts/msb:hdb-lsb:hd-act:relu-nf:64-2x2")
    for colors in (1, 3):
        yield _planes(Simplex("MuLUT", 4, stages, "edge", colors), "ddlee-cn/MuLUT", list(tables.glob("*.npy")), size)
        yield _planes(Nibbles("HKLUT", halves, 2, colors), "jasonli0707/hklut", list(halves.glob("*.npy")), size)
    for scale in (2, 4):
        yield from _networks(root, scale, size, folder)


def _planes(model: LookUp, source: str, files: list[Path], size: tuple[int, int]) -> Rival:
    noise = np.random.default_rng(0).integers(0, 256, (model.colors, *size[::-1]), np.uint8)
    return Rival(
        model.name, source, sum(file.stat().st_size for file in files), model, lambda: [*map(model.plane, noise)]
    )


def _networks(root: Path, scale: int, size: tuple[int, int], folder: Path) -> Iterator[Rival]:
    """The networks in fp32; those with ReLU in int8, too, by TensorFlow's converter; ECBSR in int8 by ours."""
    from rival_networks import write_tflite

    from ecbsr_mobile import TfliteModel
    from export import export

    def rival(name: str, file: Path, value_range: float | None) -> Rival:
        return Rival(name, "ECNUSR/ETDS", file.stat().st_size, TfliteModel(file, 1, value_range), runner(file, size))

    for name, kind in NETWORKS.items():
        weights = _existing(root, "ETDS", f"experiments/pretrained_models/{kind}/{name}_x{scale}.pth")
        for int8 in (False, True) if kind in ("ETDS", "ABPN") else (False,):
            file = folder / f"{name}-x{scale}-{'int8' if int8 else 'fp32'}.tflite"
            write_tflite(weights, scale, int8, file)
            shown = name.replace("_", "-") + (", int8" if int8 else "")
            yield rival(shown, file, None if int8 else 1)
    weights = _existing(root, "ETDS", f"experiments/pretrained_models/ECBSR/ECBSR_M4C16_x{scale}.pth")
    for file in export(weights, folder / f"ecbsr-x{scale}", precisions=("fp32", "int8"), target="cpu").files:
        yield rival("ECBSR-M4C16" + (", int8" if file.precision == "int8" else ""), file.path, None)


def _existing(root: Path, repository: str, name: str) -> Path:
    path = root / repository / name
    if not path.exists():
        raise UsageError(f"{path}: does not exist; clone the repository into {root / repository}")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("rivals.py", __doc__.splitlines()[0])
    parser.add_argument("rivals", type=Path, metavar="RIVALS", help="a folder with clones of the repositories")
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="DIR", help="data sets such as Set5")
    add_size_option(parser)
    add_rounds_option(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="a JSON file to write")
    return parser


if __name__ == "__main__":
    common.run(main)
