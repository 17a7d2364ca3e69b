"""The plot of `front.py`: PSNR against time, one panel for each scale with at least two models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from front import Point
    from matplotlib.axes import Axes

FIXED_SIZE = " --fixed-size"  # after the name of a model: its file for one size, beside which the other has no label
OURS, OTHERS = "tab:blue", "0.4"
TICKS = (0.125, 0.25, 0.5, 1, 2, 4, 8)  # of time
MIN_SPAN = 0.1  # of an axis: smaller differences are noise and must not fill the panel


def plot(points: Sequence[Point], front: Sequence[Point], rivals: Sequence[Point], data_set: str, out: Path) -> None:
    """Write the plot to `out`; a line joins the points of the Pareto front `front`, fastest first."""
    scales = [scale for scale in (2, 3, 4) if sum(point.scale == scale for point in points) > 1]
    size = (7.5, 7) if rivals else (6, 4.5)
    figure = Figure(figsize=(size[0] * max(len(scales), 1), size[1]), layout="constrained")
    for axes, scale in zip(figure.subplots(1, max(len(scales), 1), squeeze=False)[0], scales, strict=False):
        groups = [[point for point in group if point.scale == scale] for group in (points, front, rivals)]
        (_plot_with_rivals if rivals else _plot_scale)(axes, *groups[: 3 if rivals else 2])
        axes.set(title=f"x{scale}", xlabel="time over fp32 m4c16", ylabel=f"PSNR, {data_set}, dB")
    figure.savefig(out, dpi=120)


def _plot_with_rivals(axes: Axes, points: Sequence[Point], front: Sequence[Point], rivals: Sequence[Point]) -> None:
    axes.set_xscale("log")
    axes.step([p.time.mean for p in front], [p.psnr[-1] for p in front], where="post", color="0.7", zorder=0)
    for group, color, marker in ((points, OURS, "o"), (rivals, OTHERS, "s")):
        axes.scatter([p.time.mean for p in group], [p.psnr[-1] for p in group], color=color, marker=marker, s=20,
                     label="this project, int8" if group is points else "others")  # fmt: skip
    times = [p.time.mean for p in (*points, *rivals)]
    axes.set_xlim(min(times) / 2, max(times) * 5)
    axes.legend(loc="lower right", fontsize=9)
    _label_apart(axes, [(p, OURS) for p in front] + [(p, OTHERS) for p in rivals], (*points, *rivals))


def _label_apart(axes: Axes, labeled: Sequence[tuple[Point, str]], points: Sequence[Point]) -> None:
    """Write each label in its color at the first place beside its point where it covers no other label and no point."""
    axes.figure.draw_without_rendering()  # the layout is final from here on
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8)
             for x, y in axes.transData.transform([(p.time.mean, p.psnr[-1]) for p in points])]  # fmt: skip
    for point, color in labeled:
        sides = ((-6, "right"), (6, "left")) if color == OURS else ((6, "left"), (-6, "right"))
        for up, (across, alignment) in product((0, -8, 8, 16, -16, 24, -24, 32, -32), sides):
            label = axes.annotate(_label(point), (point.time.mean, point.psnr[-1]), (across, up), fontsize=8,
                                  textcoords="offset points", ha=alignment, va="center", color=color)  # fmt: skip
            box = label.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            label.remove()


def _plot_scale(axes: Axes, points: Sequence[Point], front: Sequence[Point]) -> None:
    times, psnr = [point.time.mean for point in points], [point.psnr[-1] for point in points]
    axes.set_xscale("log")
    axes.step([p.time.mean for p in front], [p.psnr[-1] for p in front], where="post", color="0.7", zorder=0)
    names = {point.name for point in points}
    for color, name in ((OURS, "Pareto front"), ("tab:orange", "behind it")):
        group = [point for point in points if (point in front) == (color == OURS)]
        axes.scatter([p.time.mean for p in group], [p.psnr[-1] for p in group], color=color, label=name)
    axes.legend(loc="lower right", fontsize=9)
    ticks = [tick for tick in TICKS if min(times) / 2 < tick < max(times) * 2]
    axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(min(times) / 2, max(times) * 1.6)
    axes.set_ylim(*_limits(psnr))
    labeled = [point for point in points if point.name + FIXED_SIZE not in names]
    _label_apart(axes, [(point, OURS if point in front else OTHERS) for point in labeled], points)


def _label(point: Point) -> str:
    return point.name.removesuffix(FIXED_SIZE).removeprefix("ecbsr-").removesuffix(f"-x{point.scale}")


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """The limits of an axis, with a margin for labels."""
    middle, half = (min(values) + max(values)) / 2, max(max(values) - min(values), MIN_SPAN) / 2
    return middle - 1.6 * half, middle + 1.5 * half
