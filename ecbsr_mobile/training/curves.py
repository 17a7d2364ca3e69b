"""The curves of a training run, from its reports: a picture, and event files for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import EcbsrError
from ..utils.files import atomic_write

if TYPE_CHECKING:
    from .loop import Report

# The first thousand steps climb so far that nothing else would be seen: what is shown of them.
_SHOWN_DB = 2.0  # below the best
_SHOWN_LOSS = 1.5  # times the least


class _Tell(Protocol):
    def __call__(self, report: Report) -> None: ...


@contextmanager
def event_file(folder: Path, step: int) -> Iterator[_Tell]:
    """Append each report that is told to an event file of TensorBoard in `folder`.

    A run that goes on from `step` begins a file of its own, and TensorBoard drops what older ones say of later steps.
    """
    from tensorboardX import SummaryWriter

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EcbsrError(f"cannot write {folder}: {error.strerror}; choose another folder") from None
    purge = step + 1 if step else None
    # The name of a file has the second in which it was made, which two short runs may share.
    with SummaryWriter(str(folder), purge_step=purge, flush_secs=1, filename_suffix=f".{step}") as writer:

        def tell(report: Report) -> None:
            for name, value in asdict(report).items():
                if name in ("loss", "psnr", "rate"):
                    writer.add_scalar(name, value, report.step)

        yield tell


def draw(log: Path, picture: Path, loss: str) -> None:
    """Draw the loss and the validation's PSNR of a `log.jsonl` over the steps, as a PNG; `loss` names the first."""
    from matplotlib.figure import Figure

    reports = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [report["step"] for report in reports]
    losses, psnr = ([report[name] for report in reports] for name in ("loss", "psnr"))
    best = max(reports, key=lambda report: report["psnr"])

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    above.plot(steps, losses, ".-", color="tab:blue", markersize=3)
    above.set_ylabel(f"training loss ({loss})")
    least = min(losses)
    shown = least + _SHOWN_DB if loss == "psnr" else _SHOWN_LOSS * least
    above.set_ylim(least - 0.01 * abs(least), min(max(losses), shown) + 0.01 * abs(least))
    below.plot(steps, psnr, ".-", color="tab:orange", markersize=3)
    below.plot(best["step"], best["psnr"], "o", color="tab:red")
    below.set(xlabel="step", ylabel="validation PSNR, dB")
    below.set_title(f"best: {best['psnr']:.3f} dB at step {best['step']:,}", fontsize="medium", color="tab:red")
    room = max(0.02, 0.05 * min(_SHOWN_DB, best["psnr"] - min(psnr)))
    below.set_ylim(max(min(psnr), best["psnr"] - _SHOWN_DB) - room, best["psnr"] + room)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    with atomic_write(picture) as temporary:
        figure.savefig(temporary, dpi=120)
