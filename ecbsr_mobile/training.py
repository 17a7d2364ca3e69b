"""Training, read from top to bottom: settings, schedule, the loop, its checkpoints.

The paper trains with L1, Adam and a constant 5e-4 for 1.6 million steps. Started from nothing and with
less time, a cosine schedule from 1e-3 and an exponential moving average of the weights get further.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import checkpoint, evaluation
from .data import Crops, Pair, pairs
from .errors import EcbsrError, UsageError
from .files import replacing, write_bytes
from .network import ECBSR, Activation, Architecture, PlainNet
from .progress import Progress
from .upscaling import TorchModel


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
    rate: float = 1e-3
    loss: Literal["l1", "l2"] = "l1"  # l2 for a last stage: it is what PSNR measures
    schedule: Literal["cosine", "constant"] = "cosine"
    average: float = 0.999  # decay of the moving average that is validated and kept
    seed: int = 0
    rounded: float = 0.0  # share of the steps with activations rounded as int8 rounds them: int8 then costs less
    mixed: bool = False  # convolutions in bfloat16: faster where the processor multiplies it
    validate_every: int = 1000

    def __post_init__(self) -> None:
        Architecture(self.blocks, self.channels, self.scale, self.colors, self.activation)
        for name in ("steps", "batch", "patch", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)} makes no training; use 1 or more")
        if not 0 <= self.rounded <= 1:
            raise UsageError(f"{self.rounded} is no share of the steps to round; use 0 to 1")
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


_LOSSES = {"l1": torch.nn.functional.l1_loss, "l2": torch.nn.functional.mse_loss}


class _Run:
    """What changes while training, and what a checkpoint holds."""

    def __init__(self, settings: Settings, start: PlainNet | None) -> None:
        torch.manual_seed(settings.seed)
        s = settings
        self.settings = settings
        self.net = ECBSR(s.blocks, s.channels, s.scale, s.colors, s.activation, s.identity)
        if start is not None:
            self.net.start_from(start)
        self.net.to(memory_format=torch.channels_last)
        self.averaged = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(s.average))  # type: ignore[no-untyped-call]
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=s.rate, fused=True)
        self.step = 0
        self.best_psnr = -math.inf

    def train_step(self, crops: Crops) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate_at(self.step)
        low, high = (
            torch.from_numpy(values).contiguous(memory_format=torch.channels_last)
            for values in crops.batch(self.settings.seed, self.step, self.settings.batch)
        )
        self.optimizer.zero_grad(set_to_none=True)
        share = self.settings.rounded
        rounds = math.floor((self.step + 1) * share) > math.floor(self.step * share)
        forward = self.net.forward_rounded if rounds else self.net
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.mixed):
            upscaled = forward(low)
        loss = _LOSSES[self.settings.loss](upscaled, high)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.averaged.update_parameters(self.net)
        self.step += 1
        return float(loss.detach())

    @property
    def average(self) -> ECBSR:
        return cast(ECBSR, self.averaged.module)

    def plain(self) -> PlainNet:
        return self.average.collapse()

    def save(self, out: Path) -> None:
        state = {
            "settings": asdict(self.settings),
            "step": self.step,
            "best_psnr": self.best_psnr,
            "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with replacing(out / "last.ckpt") as temporary:
            torch.save(state, temporary)

    def restore(self, out: Path) -> None:
        path = out / "last.ckpt"
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            held = state["settings"]
            changed = {k: (held.get(k), v) for k, v in asdict(self.settings).items() if held.get(k) != v}
            if changed:
                said = ", ".join(f"{name} {old}, not {new}" for name, (old, new) in changed.items())
                raise UsageError(f"{path}: was trained with {said}; resume with the same options")
            self.net.load_state_dict(state["net"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.best_psnr = state["step"], state["best_psnr"]
        except FileNotFoundError:
            raise EcbsrError(f"{path}: no such checkpoint to resume from; leave --resume out") from None
        except (RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError):
            raise EcbsrError(f"{path}: is not a checkpoint of ecbsr-train, or damaged; start again") from None


def train(
    data: str | os.PathLike[str],
    val: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: Settings | None = None,
    start: PlainNet | None = None,
    resume: bool = False,
    on_step: Callable[[int, float], None] | None = None,
    on_report: Callable[[Report], None] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Train a network and keep the averaged weights that are best on the validation pictures.

    `out` gets `best.safetensors` (readable by `load`), `last.ckpt` (from which `resume` goes on as if
    never interrupted) and `log.jsonl` (one `Report` a line).

    Args:
        data: folder of training pictures (see `data.pairs`).
        val: folder of validation pictures, never trained on.
        out: folder to write to.
        settings: default `Settings()`.
        start: a plain network to start from; widths that differ (another scale) start anew.
        resume: go on from `out`/last.ckpt.
        on_step: called with (step, loss) after each step.
        on_report: called after each validation.
        progress: iterates over the pictures while they are read.

    Returns:
        The last report.

    Raises:
        EcbsrError: no usable pictures, nothing to resume from, or `out` cannot be written.
    """
    settings, out = settings or Settings(), Path(out)
    held_out = list(pairs(val, settings.scale))
    run = _Run(settings, start)
    if resume:
        run.restore(out)
    elif (out / "last.ckpt").exists():
        raise EcbsrError(f"{out}: holds a training run already; resume it (--resume) or choose another folder")
    crops = Crops(data, settings.scale, settings.colors, settings.patch, progress)
    report: Report | None = None
    losses: list[float] = []
    began, first = time.monotonic(), run.step
    while run.step < settings.steps:
        losses.append(run.train_step(crops))
        if on_step:
            on_step(run.step, losses[-1])
        if run.step % settings.validate_every == 0 or run.step == settings.steps:
            pace = (time.monotonic() - began) / (run.step - first)
            report = _report(run, held_out, losses, pace)
            losses = []
            _keep(run, out, report)
            if on_report:
                on_report(report)
    return report or _report(run, held_out, [], 0.0)  # a finished run that is resumed takes no step


def _report(run: _Run, held_out: list[Pair], losses: list[float], pace: float) -> Report:
    model = TorchModel(run.plain())
    psnr = evaluation.mean("val", [evaluation.score(model, pair) for pair in held_out]).psnr
    s, best = run.settings, max(psnr, run.best_psnr)
    loss = sum(losses) / len(losses) if losses else math.nan
    return Report(run.step, s.steps, loss, psnr, best, s.rate_at(run.step), (s.steps - run.step) * pace)


def _keep(run: _Run, out: Path, report: Report) -> None:
    if report.psnr > run.best_psnr:
        run.best_psnr = report.psnr
        described = {
            "settings": json.dumps(asdict(run.settings)),
            "step": str(run.step),
            "val_psnr": f"{report.psnr:.4f}",
        }
        checkpoint.save(run.average, out / "best.safetensors", described)
    log = out / "log.jsonl"
    # A run that was cut off wrote lines that its resumed self writes again.
    lines = (
        [line for line in log.read_text().splitlines() if json.loads(line)["step"] < run.step] if log.exists() else []
    )
    write_bytes(log, "".join(f"{line}\n" for line in [*lines, json.dumps(asdict(report))]).encode())
    run.save(out)
