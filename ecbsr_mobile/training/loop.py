"""Training, read from top to bottom: settings, schedule, the loop, what it writes. A step is in `trainer`.

The paper trains with L1, Adam and a constant 5e-4 for 1.6 million steps. Started from nothing and with
less time, a cosine schedule from 1e-3 and an exponential moving average of the weights get further; a
second-order optimizer on the plain network, from 5e-3, gets there in a fraction of the steps.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from .. import checkpoint, evaluation
from ..dataset import Crops, Pair, ahead, pairs
from ..errors import EcbsrError, UsageError
from ..layers import Activation
from ..network import Architecture, PlainNet, PReLUDecomposition
from ..upscaling import TorchModel
from ..utils.files import write_bytes
from ..utils.progress import Progress
from ..utils.signals import defer_signals
from . import curves
from .distributed import choose_device, processes
from .gpu_crops import GpuCrops
from .trainer import Trainer

RATES = {"adam": 1e-3, "soap": 5e-3}
"""Where a cosine schedule starts well, by optimizer."""

OBSERVED = 256
"""Crops that the ranges of an int8 network are set on before its first step."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a training run gives; kept in its checkpoint."""

    blocks: int = 4
    channels: int = 16
    scale: int = 2
    colors: int = 1
    activation: Activation = "prelu"
    identity: bool = False
    steps: int = 100_000
    batch: int = 32
    patch: int = 32  # LR pixels; the paper's HR crops of 64² at x2
    optimizer: Literal["adam", "soap"] = "adam"  # soap trains the plain network: its branches are of no more use
    rate: float = RATES["adam"]
    # psnr: the mean over the crops. float, for int8: what is added to the float network's own error.
    loss: Literal["l1", "l2", "psnr", "float"] = "l1"
    schedule: Literal["cosine", "constant"] = "cosine"
    average: float = 0.999  # decay of the moving average that is validated and kept
    seed: int = 0
    rounded: float = 0.0  # share of the steps with activations rounded as int8 rounds them: int8 then costs less
    int8: PReLUDecomposition | None = None  # train the int8 network of this form, with the ranges of its activations
    mixed: bool = False  # convolutions in bfloat16: faster where the processor multiplies it
    validate_every: int = 1000

    def __post_init__(self) -> None:
        Architecture(self.blocks, self.channels, self.scale, self.colors, self.activation)
        for name in ("steps", "batch", "patch", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)} makes no training; use 1 or more")
        if not 0 <= self.rounded <= 1:
            raise UsageError(f"{self.rounded} is no share of the steps to round; use 0 to 1")
        if self.loss == "float" and not self.int8:
            raise UsageError(
                "the float network's own result is what int8 can learn from; use l1, l2 or psnr without int8"
            )
        if self.int8 and (self.rounded or self.mixed):
            raise UsageError("int8 rounds by itself and needs full precision; leave rounded and mixed out")
        if not self.rate > 0 or not 0 <= self.average < 1:
            raise UsageError(f"rate {self.rate} and average {self.average} make no training; use 1e-3 and 0.999")

    def rate_at(self, step: int) -> float:
        """The learning rate of a step (from 0): constant, or half a cosine down to 0."""
        if self.schedule == "constant":
            return self.rate
        return self.rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class Report:
    """How far a run has come; written to `log.jsonl` at each validation.

    `loss` is the mean loss since the last report, `psnr` the mean luma PSNR in dB on the validation
    set, `seconds_left` an estimate from the pace of this process.
    """

    step: int
    steps: int
    loss: float
    psnr: float
    best_psnr: float
    rate: float
    seconds_left: float


def train(
    data: str | os.PathLike[str],
    val: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: Settings | None = None,
    start: PlainNet | None = None,
    resume: bool = False,
    device: str = "auto",
    on_step: Callable[[int, float], None] | None = None,
    on_report: Callable[[Report], None] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Train a network and keep the averaged weights that are best on the validation pictures.

    `out` gets `best.safetensors` (readable by `load`), `last.ckpt` (from which `resume` goes on as if
    never interrupted), `log.jsonl` (one `Report` a line), `curves.png` and event files for TensorBoard.
    Ctrl-C and SIGTERM end the step that is under way and write `last.ckpt` before they have their effect.

    Started by `torchrun`, all its processes call this alike; each takes its share of a batch, and the
    first alone validates, writes, and calls the functions given.

    Args:
        data: folder of training pictures (see `data.pairs`).
        val: folder of validation pictures, never trained on.
        out: folder to write to.
        settings: default `Settings()`.
        start: a plain network to start from; widths that differ (another scale) start anew.
        resume: go on from `out`/last.ckpt.
        device: `cpu`, `cuda`, or `auto`: a GPU where there is one.
        on_step: called with (step, loss) after each step; on a GPU, waiting for the loss costs time.
        on_report: called after each validation.
        progress: iterates over the pictures while they are read.

    Returns:
        The last report.

    Raises:
        EcbsrError: no usable pictures, nothing to resume from, no such device, a loss that is no number, or
            `out` cannot be written.
        UsageError: `settings` are not those of the checkpoint, or the batch has no equal share for each process.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    settings, out, on = settings or Settings(), Path(out), choose_device(device)
    with processes(on) as group:
        if settings.batch % group.count:
            raise UsageError(f"batch {settings.batch} has no equal share for {group.count} processes; use a multiple")
        held_out = list(pairs(val, settings.scale)) if group.first else []
        trainer = Trainer(settings, start, on, group)
        if resume:
            trainer.restore(out / "last.ckpt")
        elif group.first and (out / "last.ckpt").exists():
            raise EcbsrError(f"{out}: holds a training run already; resume it (--resume) or choose another folder")
        if trainer.step < settings.steps or _due(trainer):
            crops = Crops(data, settings.scale, settings.colors, settings.patch, progress if group.first else None)
            if trainer.step == 0:
                trainer.observe(torch.from_numpy(crops.batch(settings.seed, 0, OBSERVED)[0]))
            if on.type == "cuda":
                trainer.cut = GpuCrops(crops, on).cut
            if settings.loss == "float":
                trainer.measure(crops, progress if group.first else None)
            _loop(trainer, crops, held_out, out, on_step, on_report)
        last = group.from_first(lambda: trainer.report)
    assert last is not None
    return Report(**last)


def _loop(
    trainer: Trainer,
    crops: Crops,
    held_out: list[Pair],
    out: Path,
    on_step: Callable[[int, float], None] | None,
    on_report: Callable[[Report], None] | None,
) -> None:
    settings, group, checkpoint_path = trainer.settings, trainer.group, out / "last.ckpt"
    began, first = time.monotonic(), trainer.step
    batches = ahead(_batch_maker(trainer, crops), range(trainer.step, settings.steps))
    events = curves.event_file(out, trainer.step) if group.first else nullcontext()
    with defer_signals() as interrupted, closing(batches), events as tell:
        while True:
            if group.first and _due(trainer):
                pace = (time.monotonic() - began) / max(1, trainer.step - first)
                report = _validated(trainer, held_out, pace, interrupted)
                if report and tell:
                    _keep(trainer, out, report)
                    trainer.save(checkpoint_path)
                    tell(report)
                    if on_report:
                        on_report(report)
            stopped = group.any(interrupted())
            if stopped and group.first:
                trainer.save(checkpoint_path)
            if stopped or trainer.step == settings.steps:
                break
            loss = trainer.train_step(*next(batches))
            if on_step and group.first:
                on_step(trainer.step, float(loss))
    if stopped:  # by a signal that another process got; this one's own was just sent again
        raise KeyboardInterrupt(signal.SIGTERM)


def _due(trainer: Trainer) -> bool:
    """Whether the step that was taken last still wants its validation."""
    step, s = trainer.step, trainer.settings
    reported = trainer.report["step"] if trainer.report else 0
    return reported < step and (step % s.validate_every == 0 or step == s.steps)


def _batch_maker(trainer: Trainer, crops: Crops) -> Callable[[int], tuple[Tensor, ...]]:
    s, group = trainer.settings, trainer.group
    share = slice(group.rank, None, group.count)

    def make(step: int) -> tuple[Tensor, ...]:
        drawn = crops.draw(s.seed, step, s.batch)[share]
        if trainer.device.type == "cpu":
            return (*map(torch.from_numpy, crops.cut(drawn)), torch.from_numpy(drawn))
        # The GPU fetches from pinned memory by itself, while this machine goes on.
        return (torch.from_numpy(drawn).pin_memory(),)

    return make


def _validated(trainer: Trainer, held_out: list[Pair], pace: float, interrupted: Callable[[], bool]) -> Report | None:
    """The report of the steps since the last one; None if interrupted: a resumed run then makes it."""
    s, step = trainer.settings, trainer.step
    before = trainer.report or {"step": 0, "best_psnr": -math.inf}
    loss = float(trainer.losses) / (step - before["step"])
    if not math.isfinite(loss):
        raise EcbsrError(f"step {step}: the loss is {loss}, so nothing is learned any more; use a rate below {s.rate}")
    model = TorchModel(trainer.model())
    scores = []
    for pair in held_out:
        if interrupted():
            return None
        scores.append(evaluation.score(model, pair))
    psnr = evaluation.mean("val", scores).psnr
    best = max(psnr, before["best_psnr"])
    return Report(step, s.steps, loss, psnr, best, s.rate_at(step), (s.steps - step) * pace)


def _keep(trainer: Trainer, out: Path, report: Report) -> None:
    """Write weights that are better than any before, the log and its curves."""
    if trainer.report is None or report.psnr > trainer.report["best_psnr"]:
        described = {
            "settings": json.dumps(asdict(trainer.settings)),
            "step": str(report.step),
            "val_psnr": f"{report.psnr:.4f}",
        }
        checkpoint.save(trainer.weights(), out / "best.safetensors", described)
    log = out / "log.jsonl"
    # A run that was killed wrote lines that its resumed self writes again.
    held = log.read_text().splitlines() if log.exists() else []
    lines = [*(line for line in held if json.loads(line)["step"] < report.step), json.dumps(asdict(report))]
    write_bytes(log, "".join(f"{line}\n" for line in lines).encode())
    curves.draw(log, out / "curves.png", trainer.settings.loss)
    trainer.report = asdict(report)
    trainer.losses.zero_()
