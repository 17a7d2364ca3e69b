"""Which network of this family gives the most PSNR in int8 for the time it takes on a CPU: a table and a plot.

The time is that of the int8 file for CPUs over the fp32 file of `ecbsr-m4c16` of the same scale, one thread,
interleaved. A model is on the front if none is both as quick and better. Models are bundled ones, or weights, which
are exported first. Times depend on the machine, not on the weights: `--times` keeps them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from interleaved import machine, ratio
from matplotlib.figure import Figure
from tflite_run import runner

from ecbsr_mobile import TfliteModel, evaluation, load, zoo
from ecbsr_mobile.dataset import Pair, pairs
from ecbsr_mobile.utils.progress import bar
from export import export, resolutions


@dataclass(frozen=True)
class Time:
    """Over the fp32 baseline's: the mean of the ratios, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A model in int8: its name, scale, time over the fp32 baseline, and PSNR in dB on each set."""

    name: str
    scale: int
    time: Time
    psnr: tuple[float, ...]


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="bundled models' names, and weights (the bundled luma models)")
    parser.add_argument(
        "--data", nargs="+", type=Path, required=True, metavar="DIR", help="Set5, Set14; the last counts"
    )
    parser.add_argument("--size", type=resolutions.parse, default="540p", help="low-resolution input (540p)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--times", type=Path, help="a JSON file of times: taken from there if it exists, else kept there"
    )
    parser.add_argument("--out", type=Path, default=Path("front.png"), help="the plot (front.png)")
    options = parser.parse_args()
    kept = json.loads(options.times.read_text()) if options.times and options.times.exists() else None
    held = {name: Time(*values) for name, values in kept["times"].items()} if kept else None
    chosen = options.models or [
        name for name, figures in zoo.figures().items() if figures["colors"] == 1 and (not held or name in held)
    ]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for model in bar(chosen, "measuring"):
            net = load(model)
            scale = net.architecture.scale
            if held and net.name not in held:
                parser.error(f"{options.times}: holds no time of {net.name}; give another file, to measure anew")
            file = zoo.tflite(model) if model in zoo.names() else _exported(model, Path(folder))
            baseline = zoo.tflite(f"ecbsr-m4c16-x{scale}", "fp32")
            time = held[net.name] if held else _time(file, baseline, options.size, options.rounds)
            scores = tuple(_psnr(file, list(pairs(data, scale))) for data in options.data)
            found.append(Measured(net.name, scale, time, scores))
    names = [data.name for data in options.data]
    _print(found, names)
    _plot(found, names[-1], options.out)
    where = kept["machine"] if kept else machine()
    size = kept["size"] if kept else resolutions.name(options.size)
    print(f"\nint8 over fp32 ecbsr-m4c16 at {size}, 1 thread; {where}")
    if options.times and not kept:
        times = {one.name: [round(value, 4) for value in astuple(one.time)] for one in found}
        options.times.write_text(json.dumps({"machine": where, "size": size, "times": times}, indent=1) + "\n")


def front(found: Sequence[Measured]) -> list[Measured]:
    """Those that no model of their scale beats in PSNR in as little time, quickest first."""
    return sorted(
        (one for one in found if not any(_beats(other, one) for other in found if other.scale == one.scale)),
        key=lambda one: one.time.mean,
    )


def _beats(one: Measured, other: Measured) -> bool:
    return one is not other and one.time.mean <= other.time.mean and one.psnr[-1] >= other.psnr[-1]


def _exported(weights: str, folder: Path) -> Path:
    out = folder / Path(weights).stem
    (file,) = export(weights, out, precisions=("int8",), target="cpu").files
    return file.path


def _time(file: Path, baseline: Path, size: tuple[int, int], rounds: int) -> Time:
    measured = ratio(runner(file, size), runner(baseline, size), rounds)
    return Time(measured.mean, measured.low, measured.high)


def _psnr(file: Path, held: Sequence[Pair]) -> float:
    model = TfliteModel(file)
    return evaluation.mean(file.name, [evaluation.score(model, pair) for pair in held]).psnr


def _print(found: Sequence[Measured], sets: Sequence[str]) -> None:
    print(f"| model, int8 | time over fp32 | {' | '.join(sets)} | on the front |")
    print("|---" * (len(sets) + 3) + "|")
    best = front(found)
    for one in sorted(found, key=lambda one: (one.scale, one.time.mean)):
        time = f"{one.time.mean:.3f} ({one.time.low:.3f} to {one.time.high:.3f})"
        scores = " | ".join(f"{psnr:.2f}" for psnr in one.psnr)
        print(f"| `{one.name}` | {time} | {scores} | {'yes' if one in best else ''} |")


def _plot(found: Sequence[Measured], measured_on: str, out: Path) -> None:
    scales = [scale for scale in (2, 3, 4) if sum(one.scale == scale for one in found) > 1]
    figure = Figure(figsize=(6 * len(scales), 4.5), layout="constrained")
    for axes, scale in zip(figure.subplots(1, len(scales), squeeze=False)[0], scales, strict=True):
        held = [one for one in found if one.scale == scale]
        best = front(held)
        axes.step([one.time.mean for one in best], [one.psnr[-1] for one in best], where="post", color="0.7", zorder=0)
        times = [one.time.mean for one in held]
        crowded = 0.1 * (max(times) - min(times))
        for one in held:
            axes.scatter(one.time.mean, one.psnr[-1], color="tab:blue" if one in best else "tab:orange")
            short = one.name.removeprefix("ecbsr-").removesuffix(f"-x{scale}")
            # Above and left of the front lies no model, or it would be on it; the others go to the other side.
            offset, side = ((-5, 5), "right") if one in best else ((5, -11), "left")
            if one in best and any(0 < one.time.mean - other.time.mean < crowded for other in best):
                offset, side = (5, 5), "left"
            at = (one.time.mean, one.psnr[-1])
            axes.annotate(short, at, offset, textcoords="offset points", fontsize=9, ha=side)
        axes.set(title=f"x{scale}", xlabel="time, int8 over fp32 m4c16", ylabel=f"PSNR of int8, {measured_on}, dB")
        axes.set_xlim(*_around(times, 0.1))
        axes.set_ylim(*_around([one.psnr[-1] for one in held], 0.1))
    figure.savefig(out, dpi=120)


def _around(values: Sequence[float], least: float) -> tuple[float, float]:
    """Ends of an axis that shows `least` at the least, for smaller differences are noise."""
    middle, half = (min(values) + max(values)) / 2, max(max(values) - min(values), least) / 2
    return middle - 1.3 * half, middle + 1.5 * half


if __name__ == "__main__":
    main()
