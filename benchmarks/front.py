"""Measure the Pareto front of int8 models on a CPU: PSNR against time.

    python benchmarks/front.py --data Set5 Set14 --out docs/images/front.png [--times ecbsr_mobile/zoo/front_zen4.json]
        [--rivals benchmarks/rivals.json]

The time of a model is that of its int8 file for CPUs over that of the fp32 file of `ecbsr-m4c16` of the same scale, on
one thread, interleaved. The PSNR is that of the int8 file on the last data set. A model is on the Pareto front if no
other model of its scale has at least its PSNR in at most its time. Models are bundled models, or weights, which are
exported first; each is measured with `ecbsr-export --fixed-size`, too, where that gains something. Prints a Markdown
table and writes a plot. Times depend on the machine, not on the weights: `--times` stores them. `--rivals` adds what
`rivals.py` has measured to the plot.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interleaved import Ratio, add_rounds_option, compare, processor
from tflite_runner import add_size_option, runner

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.files import write_bytes
from ecbsr_mobile.utils.progress import bar
from export import resolutions

if TYPE_CHECKING:
    from ecbsr_mobile.tflite import Graph


@dataclass(frozen=True)
class Point:
    """A model in int8: its name, scale, time over the fp32 baseline, and PSNR in dB on each data set."""

    name: str
    scale: int
    time: Ratio
    psnr: tuple[float, ...]


@dataclass(frozen=True)
class Times:
    """The time of each model over the fp32 baseline, on which processor and at which LR size."""

    machine: str
    size: str
    times: dict[str, Ratio]


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from front_plot import plot

    stored = read_times(options.times) if options.times and options.times.exists() else None
    # Other weights of the same network take the same time.
    networks = {name: model for name, model in zoo.figures().items() if zoo.of_same_network(name) == name}
    luma_models = [name for name, model in networks.items() if model["colors"] == 1]
    models = options.models or [name for name in luma_models if stored is None or name in stored.times]
    with tempfile.TemporaryDirectory() as folder:
        measured = [_measure(model, options, stored, Path(folder)) for model in bar(models, "measuring")]
    points = [point for pair in measured for point in pair]
    data_sets = [folder.name for folder in options.data]
    print(table(points, data_sets))
    rivals = read_rivals(options.rivals, data_sets) if options.rivals else []
    plot(points, pareto_front(points), rivals, data_sets[-1], options.out)
    times = stored or Times(processor(), resolutions.name(options.size), {point.name: point.time for point in points})
    print(f"\nint8 over fp32 ecbsr-m4c16 at {times.size}, 1 thread; {times.machine}")
    if options.times and not stored:
        write_times(options.times, times)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """The points that no other point of their scale dominates, fastest first."""
    front = [p for p in points if not any(_dominates(other, p) for other in points if other.scale == p.scale)]
    return sorted(front, key=lambda point: point.time.mean)


def table(points: Sequence[Point], data_sets: Sequence[str]) -> str:
    """A Markdown table: time with its 95 % interval, PSNR in dB, and whether the model is on the Pareto front."""
    header = ["model, int8", "time over fp32", *data_sets, "Pareto front"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    front = pareto_front(points)
    for point in sorted(points, key=lambda point: (point.scale, point.time.mean)):
        scores = " | ".join(f"{psnr:.2f}" for psnr in point.psnr)
        lines.append(f"| `{point.name}` | {point.time} | {scores} | {'yes' if point in front else ''} |")
    return "\n".join(lines)


def _dominates(point: Point, other: Point) -> bool:
    return point is not other and point.time.mean <= other.time.mean and point.psnr[-1] >= other.psnr[-1]


def _measure(model: str, options: argparse.Namespace, stored: Times | None, folder: Path) -> list[Point]:
    """A model, and the same for one size."""
    from front_plot import FIXED_SIZE
    from zoo_check import mean_psnr

    from ecbsr_mobile import TfliteModel, load, tflite
    from ecbsr_mobile.tflite.four_pixels import with_four_pixels

    net = load(model)
    scale = net.architecture.scale
    file = zoo.tflite(model) if model in zoo.names() else _export(model, folder)
    psnr = tuple(mean_psnr(TfliteModel(file), data_set) for data_set in options.data)
    plain = tflite.read(file)
    fixed = with_four_pixels(plain)
    graphs = {net.name: plain} | ({} if fixed is plain else {net.name + FIXED_SIZE: fixed})
    if stored and not graphs.keys() <= stored.times.keys():
        raise UsageError(f"{options.times}: has no time of {list(graphs)[-1]}; use another file name to measure it")
    times = stored.times if stored else {name: _time(graph, scale, options) for name, graph in graphs.items()}
    return [Point(name, scale, times[name], psnr) for name in graphs]


def _time(graph: Graph, scale: int, options: argparse.Namespace) -> Ratio:
    from ecbsr_mobile import tflite

    baseline = runner(zoo.tflite(f"ecbsr-m4c16-x{scale}", "fp32"), options.size)
    return compare(runner(tflite.write(graph), options.size), baseline, options.rounds).ratio


def _export(weights: str, folder: Path) -> Path:
    from export import export

    (file,) = export(weights, folder / Path(weights).stem, precisions=("int8",), target="cpu").files
    return file.path


def read_times(path: Path) -> Times:
    """Read the times that `write_times` has written."""
    document = json.loads(path.read_text())
    times = {name: Ratio(*values) for name, values in document["times"].items()}
    return Times(document["machine"], document["size"], times)


def read_rivals(path: Path, data_sets: Sequence[str]) -> list[Point]:
    """The results that `rivals.py` has written."""
    return [
        Point(
            f"{rival['name']} ({'luma' if rival['colors'] == 1 else 'RGB'})",
            rival["scale"],
            Ratio(*rival["time"]),
            tuple(rival["sets"][name][0] for name in data_sets),
        )
        for rival in json.loads(path.read_text())["rivals"]
    ]


def write_times(path: Path, times: Times) -> None:
    """Write times as JSON; ratios are rounded to 4 decimals."""
    ratios = {name: [round(value, 4) for value in astuple(ratio)] for name, ratio in times.times.items()}
    document = {"schema": common.SCHEMA, "machine": times.machine, "size": times.size, "times": ratios}
    write_bytes(path, (json.dumps(document, indent=1) + "\n").encode())


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("front.py", __doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="bundled models, or weights files (the bundled luma models)")
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="DIR",
                        help="data sets such as Set5 and Set14; the last one decides the Pareto front")  # fmt: skip
    add_size_option(parser)
    add_rounds_option(parser)
    parser.add_argument("--times", type=Path, metavar="FILE",
                        help="a JSON file of times: read if it exists, else measured and written")  # fmt: skip
    parser.add_argument("--rivals", type=Path, metavar="FILE", help="results of rivals.py to show in the plot")
    parser.add_argument("--out", type=Path, default=Path("front.png"), help="the plot (front.png)")
    return parser


if __name__ == "__main__":
    common.run(main)
