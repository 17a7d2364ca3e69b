"""The training loop: batches, validation, what is written, and how a run stops and resumes. A step is in `trainer`.

The paper trains with L1, Adam and a constant learning rate of 5e-4 for 1.6 million steps. From random weights and in
less time, a cosine schedule from 1e-3 and a moving average of the weights reach a higher PSNR. SOAP on the plain
network, from 5e-3, gets there in a fraction of the steps.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import checkpoint, evaluation
from ..checkpoint.training_state import read_training_state
from ..dataset import Pair, PairPaths, pairs, paths
from ..degradation import degraded
from ..errors import EcbsrError, UsageError
from ..network import PlainNet
from ..tflite.recipe import weights_hash
from ..upscaling import Model, TorchModel
from ..utils.files import write_bytes
from ..utils.lock import locked
from ..utils.progress import Progress
from ..utils.signals import defer_signals
from ..utils.text import first_and_more
from . import curves
from .crops import Crops, digest, prefetch
from .distributed import choose_device, processes
from .settings import Report, Settings
from .trainer import Trainer

CHECKPOINT = "last.ckpt"
WEIGHTS = "best.safetensors"
LOG = "log.jsonl"
CURVES = "curves.png"

# What a run reads; a checkpoint has a hash of each.
_DATA, _VAL, _WEIGHTS = "training images", "validation images", "weights to start from"

_MEASURED_STEPS, _WARM_UP_STEPS = 23, 3  # before a run whose steps are to fit into a time
_MEASURED_SHARE, _USED_SHARE = 0.05, 0.9  # of the time: to measure at most, and to plan for

OnStep = Callable[[int, Tensor], None]
OnReport = Callable[[Report], None]


def train(
    data: str | os.PathLike[str],
    val: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: Settings | None = None,
    start: PlainNet | None = None,
    resume: bool = False,
    device: str = "auto",
    on_step: OnStep | None = None,
    on_report: OnReport | None = None,
    progress: Progress | None = None,
    minutes: float | None = None,
    fit_steps: bool = False,
) -> Report:
    """Train a network and save the averaged weights with the highest PSNR on the validation images.

    `out` gets `best.safetensors` (for `load`), `last.ckpt` (from which `resume` continues as if the run had not been
    interrupted), `log.jsonl` (one `Report` per line), `curves.png` and TensorBoard event files. On an interrupt
    the current step is finished and `last.ckpt` written.

    Under `torchrun`, every process calls this with the same arguments and trains on its share of each batch; only the
    first one validates, writes, and calls `on_step`, `on_report` and `progress`.

    Args:
        data: folder of training images (see `dataset.pairs`).
        val: folder of validation images, which are not trained on.
        out: folder to write to.
        settings: default `Settings()`.
        start: a plain network to start from (see `ECBSR.start_from`).
        resume: continue from `last.ckpt` in `out`.
        device: `cpu`, `cuda`, or `auto`: a GPU if there is one.
        on_step: called with (step, loss) after each step; to read the loss, a tensor of one value, waits for a GPU.
        on_report: called after each validation.
        progress: shows progress while the images are read.
        minutes: stop at the first step after this time, validate and write `last.ckpt`, from which `resume` continues.
        fit_steps: for a new run with `minutes`: replace `settings.steps`, on which the learning rate depends, by what
            this machine was measured to take in that time. From then on the run equals one of that many steps.

    Returns:
        The last report; its `step` is less than its `steps` if the time was over.

    Raises:
        EcbsrError: there are no usable images, nothing to resume from, or no such device; the loss is not finite;
            `out` cannot be written; or another training writes to it.
        UsageError: `out` contains another run, or is a folder of pictures; `settings` differ from those of the
            checkpoint; the batch cannot be divided among the processes; the teacher has another scale or other colors.
        KeyboardInterrupt: Ctrl-C, SIGTERM, or the end of the terminal.
    """
    settings, out, chosen_device = settings or Settings(), Path(out), choose_device(device)
    if minutes is not None and not minutes > 0:
        raise UsageError(f"minutes {minutes} is not a time; use more than 0")
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    with processes(chosen_device) as group, locked(out, "training") if group.first else nullcontext():
        if settings.batch % group.count:
            raise UsageError(
                f"batch {settings.batch} cannot be divided among {group.count} processes; use a multiple of it"
            )
        if group.first:
            _check_apart(out, data, val)
        if group.first and not resume:
            _check_new(out)
        listed = paths(data, settings.scale)
        val_pairs: list[Pair] = []
        if group.first:
            val_listed = paths(val, settings.scale)
            _note_trained_on(listed, val_listed, val)
            val_pairs = degraded(pairs(val, settings.scale, val_listed), settings.degradations)
        shown = progress if group.first else None
        for pair in val_pairs:
            evaluation.check_size(pair, settings.scale, val)

        crops = partial(
            Crops, data, settings.scale, settings.colors, settings.patch, shown, settings.degradations, settings.seed,
            _teacher(settings, chosen_device), listed,
        )  # fmt: skip
        inputs = {} if start is None and resume else {_WEIGHTS: "" if start is None else weights_hash(start)}
        inputs[_VAL] = digest((pair.hr, pair.lr) for pair in val_pairs)
        images: Crops | None = None
        trainer = Trainer(settings, start, chosen_device, group)
        if resume:
            trainer.restore(out / CHECKPOINT)
            if group.first:
                _check_resumed(trainer, inputs, out)
        elif minutes is not None and fit_steps:
            images = crops()
            trainer.prepare(images, shown)
            steps = _fitting_steps(trainer, val_pairs, deadline)
            settings = replace(settings, steps=group.from_first(lambda: steps))
            trainer = Trainer(settings, start, chosen_device, group)  # its steps were a measurement: begin anew
        if trainer.step < settings.steps or _validation_due(trainer):
            images = images or crops()
            trainer.prepare(images, shown)
            inputs[_DATA] = digest(images.images)
            if trainer.inputs.get(_DATA, inputs[_DATA]) != inputs[_DATA] and group.first:
                text = f"{data}: are other images than the run was trained on so far; it goes on with these"
                warnings.warn(text, UserWarning, stacklevel=2)
            trainer.inputs |= inputs
            _loop(trainer, val_pairs, out, on_step, on_report, deadline)
        last = group.from_first(lambda: trainer.report)
    assert last is not None
    return Report(**last)


def _check_apart(out: Path, *folders: str | os.PathLike[str]) -> None:
    """Refuse a folder of pictures: `curves.png` would become one of them."""
    for folder in map(Path, folders):
        if folder.is_dir() and out.is_dir() and folder.samefile(out):
            raise UsageError(f"{out}: is the folder of pictures {folder}; choose another one for the training")


def _check_new(out: Path) -> None:
    if (out / CHECKPOINT).exists():
        raise UsageError(f"{out}: contains a training run; resume it (--resume) or choose another folder")
    existing = next((out / name for name in (WEIGHTS, LOG, CURVES) if (out / name).exists()), None)
    if existing:
        raise UsageError(f"{existing} exists; choose another folder")


def _note_trained_on(data: Sequence[PairPaths], validation: Sequence[PairPaths], val: str | os.PathLike[str]) -> None:
    """Warn of images of the folder `val` that are training images."""
    trained, validated = ({os.path.realpath(hr) for hr, _ in listed} for listed in (data, validation))
    if both := sorted(trained & validated):
        text = (
            f"{val}: contains training images ({first_and_more([Path(path).name for path in both])}); the PSNR does "
            "not show what the network makes of others"
        )
        warnings.warn(text, UserWarning, stacklevel=3)


def _check_resumed(trainer: Trainer, inputs: dict[str, str], out: Path) -> None:
    """Refuse what would mix two runs, whose best weights are not the best by one measure, and a log that is damaged.

    Raises:
        UsageError: the validation images, or the weights that the run began with, are others.
        EcbsrError: the log is damaged.
    """
    for name, found in inputs.items():
        if trainer.inputs.get(name, found) != found:
            raise UsageError(f"{out / CHECKPOINT}: the run began with other {name}; resume it with the same ones")
    curves.read_log(out / LOG)


def _teacher(settings: Settings, device: torch.device) -> Model | None:
    """The network of `settings.teacher` on the device.

    Raises:
        EcbsrError: it cannot be read.
        UsageError: it does another task.
    """
    if settings.teacher is None:
        return None
    teacher = TorchModel(checkpoint.load(settings.teacher).to(device))
    if (teacher.scale, teacher.colors) != (settings.scale, settings.colors):
        raise UsageError(
            f"the teacher, {settings.teacher}, is {teacher.name}: a network of scale {settings.scale} and colors "
            f"{settings.colors} learns from one of the same"
        )
    return teacher


def saved_settings(out: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The settings of the run in a folder, by name; None if there is none that can be resumed."""
    try:
        return dict(read_training_state(Path(out, CHECKPOINT))["settings"])
    except (OSError, EcbsrError, KeyError, TypeError, ValueError):
        return None


def _fitting_steps(trainer: Trainer, val_pairs: list[Pair], deadline: float) -> int:
    """How many steps fit into the time until `deadline`, validations included; takes some steps to measure it."""
    settings, left = trainer.settings, deadline - time.monotonic()
    start_time = time.monotonic()
    for step in range(_MEASURED_STEPS):
        float(trainer.train_step(*trainer.batch(step)))
        if step + 1 == _WARM_UP_STEPS:
            start_time = time.monotonic()
        if trainer.group.any(step > _WARM_UP_STEPS and time.monotonic() - start_time > _MEASURED_SHARE * left):
            break
    per_step = (time.monotonic() - start_time) / max(1, step + 1 - _WARM_UP_STEPS)
    validation = 0.0
    if val_pairs:
        start_time = time.monotonic()
        evaluation.score(TorchModel(trainer.model()), val_pairs[0])
        share = sum(pair.hr.size for pair in val_pairs) / val_pairs[0].hr.size
        validation = (time.monotonic() - start_time) * share
    left = _USED_SHARE * (deadline - time.monotonic()) - validation
    return max(1, int(left / (per_step + validation / settings.validate_every)))


def _loop(
    trainer: Trainer,
    val_pairs: list[Pair],
    out: Path,
    on_step: OnStep | None,
    on_report: OnReport | None,
    deadline: float,
) -> None:
    settings, group = trainer.settings, trainer.group
    start_time, start_step, late = time.monotonic(), trainer.step, False
    batches = prefetch(trainer.batch, range(trainer.step, settings.steps))
    events = curves.event_file(out, trainer.step) if group.first else nullcontext()
    with defer_signals() as interrupted, closing(batches), events as write_event:
        while True:
            if group.first and (late or _validation_due(trainer)):
                seconds_per_step = (time.monotonic() - start_time) / max(1, trainer.step - start_step)
                report = _validate(trainer, val_pairs, seconds_per_step, interrupted)
                if report and write_event:
                    reports = _write(trainer, out, report)
                    trainer.save(out / CHECKPOINT)
                    curves.plot(reports, out / CURVES, settings.loss)
                    write_event(report)
                    if on_report:
                        on_report(report)
            stopped = group.any(interrupted())
            if stopped and group.first:
                trainer.save(out / CHECKPOINT)
            if stopped or late or trainer.step == settings.steps:
                break
            loss = trainer.train_step(*next(batches))
            if on_step and group.first:
                on_step(trainer.step, loss)
            late = deadline < math.inf and group.any(time.monotonic() > deadline)
    if stopped:  # by a signal to another process; for one to this process, defer_signals has raised already
        raise KeyboardInterrupt(signal.SIGTERM)


def _validation_due(trainer: Trainer) -> bool:
    """Whether the last step is one to validate after, and has not been validated."""
    step, settings = trainer.step, trainer.settings
    reported = trainer.report["step"] if trainer.report else 0
    return reported < step and (step % settings.validate_every == 0 or step == settings.steps)


def _validate(
    trainer: Trainer, val_pairs: list[Pair], seconds_per_step: float, interrupted: Callable[[], bool]
) -> Report | None:
    """The report of the steps since the last one; None if interrupted: the resumed run then validates."""
    settings, step = trainer.settings, trainer.step
    previous = trainer.report or {"step": 0, "best_psnr": -math.inf}
    loss = float(trainer.losses) / (step - previous["step"])
    diverged = f"training diverged; use a learning rate below {settings.lr}"
    if not math.isfinite(loss):
        raise EcbsrError(f"step {step}: the loss is {loss}: {diverged}")
    model = TorchModel(trainer.model())
    scores = []
    for pair in val_pairs:
        if interrupted():
            return None
        try:
            scores.append(evaluation.score(model, pair))
        except EcbsrError as error:
            raise EcbsrError(f"step {step}: {error}: {diverged}") from None
    mean = evaluation.mean("val", scores)
    best = max(mean.psnr, previous["best_psnr"])
    seconds_left = (settings.steps - step) * seconds_per_step
    lr = settings.lr_at(step)
    return Report(step, settings.steps, loss, mean.psnr, best, lr, seconds_left, mean.bicubic_psnr)


def _write(trainer: Trainer, out: Path, report: Report) -> list[Report]:
    """Write the weights if they are the best so far, and the log, whose reports are returned."""
    if trainer.report is None or report.psnr > trainer.report["best_psnr"]:
        metadata = {
            "settings": json.dumps(asdict(trainer.settings)),
            "step": str(report.step),
            "val_psnr": f"{report.psnr:.4f}",
        }
        checkpoint.save(trainer.weights(), out / WEIGHTS, metadata)
    # A run that was killed after its last checkpoint has logged steps that the resumed run repeats.
    reports = [*(before for before in curves.read_log(out / LOG) if before.step < report.step), report]
    write_bytes(out / LOG, "".join(f"{json.dumps(asdict(each))}\n" for each in reports).encode())
    trainer.report = asdict(report)
    trainer.losses.zero_()
    return reports
