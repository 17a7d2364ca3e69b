"""The curves of a training run: a plot of its log, and event files for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ..errors import EcbsrError
from ..utils.files import atomic_write
from .settings import Report

# The first thousand steps improve so much that the rest would look flat, so the axes show only this much.
_SHOWN_DB = 2.0  # below the best PSNR
_SHOWN_LOSS = 1.5  # times the lowest loss


@contextmanager
def event_file(folder: Path, step: int) -> Iterator[Callable[[Report], None]]:
    """Yield a function that appends a report to a TensorBoard event file in `folder`.

    A run resumed from `step` starts a new file, and TensorBoard then drops later steps from older ones.

    Raises:
        EcbsrError: the folder cannot be written.
    """
    from tensorboardX import SummaryWriter

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EcbsrError(f"cannot write {folder}: {error.strerror}; choose another folder") from None
    purge = step + 1 if step else None
    # File names contain the time in seconds, which two short runs may share; the suffix tells them apart.
    with SummaryWriter(str(folder), purge_step=purge, flush_secs=1, filename_suffix=f".{step}") as writer:

        def write(report: Report) -> None:
            for name in ("loss", "psnr", "lr"):
                writer.add_scalar(name, getattr(report, name), report.step)

        yield write


def read_log(log: Path) -> list[Report]:
    """The reports of a `log.jsonl`; none if there is no such file.

    Raises:
        EcbsrError: it cannot be read, or a line is no report.
    """
    reports: list[Report] = []
    try:
        lines = log.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EcbsrError(f"{log}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            reports.append(msgspec.json.decode(line, type=Report))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise EcbsrError(f"{log}: line {number} is no report of a training; remove the line or the file") from None
    return reports


def plot(reports: Sequence[Report], path: Path, loss: str) -> None:
    """Plot the loss (called `loss`) and the validation PSNR of a run's reports over the steps, as a PNG at `path`."""
    from matplotlib.figure import Figure

    steps = [report.step for report in reports]
    losses, psnr = ([getattr(report, name) for report in reports] for name in ("loss", "psnr"))
    best = max(reports, key=lambda report: report.psnr)

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    above.plot(steps, losses, ".-", color="tab:blue", markersize=3)
    above.set_ylabel(f"training loss ({loss})")
    lowest = min(losses)
    shown = lowest + _SHOWN_DB if loss == "psnr" else _SHOWN_LOSS * lowest
    above.set_ylim(lowest - 0.01 * abs(lowest), min(max(losses), shown) + 0.01 * abs(lowest))
    below.plot(steps, psnr, ".-", color="tab:orange", markersize=3)
    below.plot(best.step, best.psnr, "o", color="tab:red")
    below.set(xlabel="step", ylabel="validation PSNR, dB")
    below.set_title(f"best: {best.psnr:.3f} dB at step {best.step:,}", fontsize="medium", color="tab:red")
    margin = max(0.02, 0.05 * min(_SHOWN_DB, best.psnr - min(psnr)))
    below.set_ylim(max(min(psnr), best.psnr - _SHOWN_DB) - margin, best.psnr + margin)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=120)
