"""`ecbsr-train`: train a network on a folder of images."""

from __future__ import annotations

import argparse
import math
import re
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ..architecture import ACTIVATIONS, COLORS, PRELU_DECOMPOSITIONS, SCALES, Architecture
from ..degradation import DEFAULTS, EXAMPLE, STRENGTHS
from ..errors import UsageError
from ..training.settings import DEFAULT_LR, DIVERGED_LOSS, PRESETS, LossName, Optimizer, Report, Schedule, Settings
from . import common, paths

if TYPE_CHECKING:
    from torch import Tensor

_SETTINGS = {field.name for field in fields(Settings)}
_MAX_MINUTES = 1e6
_EPILOG = """\
presets, which other options change:
{presets}

--minutes M measures how many steps fit into the time, and plans the learning
rate for them; from then on, the run is that of --steps with this number, which
it shows and records. With --steps N, the learning rate is that of N steps. In
both cases the run stops when the time is over, and --resume continues it.

--degrade LIST trains for pictures from the web. In this order, whatever that of
the list, and with a strength drawn for each picture:
{degradations}
"""

MAX_THREADS = 1024
_BAR_SECONDS = 0.5
_EARLY_STEPS = (1, 10, 100)  # whose loss is shown before the first validation


def main(argv: list[str] | None = None) -> int:
    """Parse, train, print the result."""
    options = parser().parse_args(argv)
    import torch

    from ..checkpoint import load
    from ..training.distributed import rank
    from ..training.loop import CHECKPOINT, WEIGHTS, saved_settings, train
    from ..utils.progress import bar, bars

    if options.threads:
        torch.set_num_threads(options.threads)
    out, first = Path(options.out), rank() == 0
    start = load(options.start) if options.start else None
    given = {field.name: getattr(options, field.name) for field in fields(Settings) if hasattr(options, field.name)}
    values = _values(given, saved_settings(out) if options.resume else None)
    if start and values.get("int8"):
        _check_architecture(given, start.architecture, options.start)
        values |= {name: value for name, value in asdict(start.architecture).items() if name in _SETTINGS}
    try:
        with bars() as update:
            fit_steps = options.minutes is not None and "steps" not in given
            planned = None if fit_steps else values.get("steps", Settings.steps)
            settings = Settings(**values)
            report = train(
                options.data, options.val, out, settings, start, options.resume, options.device,
                on_step=_LossDisplay(update, planned), on_report=_show, progress=bar,
                minutes=options.minutes, fit_steps=fit_steps,
            )  # fmt: skip
    except KeyboardInterrupt:
        if first and (out / CHECKPOINT).exists():
            common.notice(f"{out / CHECKPOINT} contains the training so far; to continue, add --resume to the command")
        raise
    if first and options.json:
        common.print_json({**asdict(report), "weights": out / WEIGHTS})
    elif first:
        common.print_line(f"{out / WEIGHTS}: {report.best_psnr:.3f} dB on {options.val}, {_bicubic(report)}")
    if first and report.best_psnr < report.bicubic_psnr:
        common.notice(f"note: this is less than bicubic; {_better(report, settings)}")
    if first and report.step < report.steps:
        common.notice(
            f"the time is over after step {report.step} of {report.steps}; to continue, add --resume to the command"
        )
    return common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def _values(given: Mapping[str, Any], saved: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings that are not the default: those of a preset, below those of the run to resume, below those given."""
    values = {**PRESETS.get(given.get("preset", ""), {}), **(saved or {}), **given}
    if "lr" not in values:
        values["lr"] = DEFAULT_LR[values.get("optimizer", Settings.optimizer)]
    return {name: value for name, value in values.items() if name in _SETTINGS}


def _check_architecture(given: Mapping[str, object], architecture: Architecture, path: str) -> None:
    """Refuse an option that contradicts the weights, which decide the network of a training for int8.

    Raises:
        UsageError: there is one.
    """
    for name, value in asdict(architecture).items():
        if given.get(name, value) != value:
            raise UsageError(f"--{name} {given[name]} contradicts {path}, which is {architecture.name}: leave it out")


class _LossDisplay:
    """Shows the loss of some early steps as lines, and on a terminal a bar with the loss of a step now and then.

    Reading the loss waits for a GPU, so that not every step's is shown.
    """

    def __init__(self, update: Callable[..., None], steps: int | None) -> None:
        self._update, self._steps, self._shown = update, steps, -math.inf

    def __call__(self, step: int, loss: Tensor) -> None:
        if step in _EARLY_STEPS:
            common.notice(f"loss {float(loss):.6f} at step {step}")
        if sys.stderr.isatty() and time.monotonic() > self._shown + _BAR_SECONDS:
            self._update("training", f"training, loss {float(loss):.6f}", step, self._steps)
            self._shown = time.monotonic()


def _show(report: Report) -> None:
    best = " best" if report.psnr >= report.best_psnr else ""
    common.notice(
        f"step {report.step}/{report.steps}  loss {report.loss:.6f}  val {report.psnr:.3f} dB{best}, "
        f"{_bicubic(report)}  lr {report.lr:.1e}  {report.seconds_left / 60:.0f} min left"
    )


def _better(report: Report, settings: Settings) -> str:
    """What to do about a result that is less than bicubic."""
    if report.loss > DIVERGED_LOSS.get(settings.loss, math.inf):
        return f"the training diverged: use a learning rate below {settings.lr} (--lr)"
    return "the training is not done" if report.step < report.steps else "train longer (--steps or --minutes)"


def _bicubic(report: Report) -> str:
    return f"bicubic {report.bicubic_psnr:.3f} dB"


def _preset(name: str) -> str:
    """A preset as options, such as "quick  --optimizer soap --steps 2000"."""
    options = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in PRESETS[name].items())
    return textwrap.fill(
        f"{name:6} {options}", 79, initial_indent="  ", subsequent_indent=" " * 9, break_on_hyphens=False
    )


def _degradation(kind: str) -> str:
    """A kind of --degrade, such as "blur:0-1  standard deviation …"."""
    low, high = DEFAULTS[kind]
    return f"  {f'{kind}:{low:g}-{high:g}':12} {STRENGTHS[kind]}"


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes, more than 0")
    return value


def _threads(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_THREADS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of threads, 1 to {MAX_THREADS}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = common.parser("ecbsr-train", "Train an ECBSR network; keeps the weights with the highest PSNR on --val.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG.format(
        presets="\n".join(map(_preset, PRESETS)), degradations="\n".join(map(_degradation, DEFAULTS))
    )

    def add(name: str, description: str, **options: object) -> None:
        parser.add_argument(name, help=description, **options)  # type: ignore[arg-type]

    def setting(name: str, description: str, **options: object) -> None:
        """An option that is a field of `Settings`; without it, a preset or the run to resume may decide."""
        field = str(options.get("dest", name.strip("-").replace("-", "_")))
        shown = description.replace("DEFAULT", str(getattr(Settings, field)))
        add(name, shown, default=argparse.SUPPRESS, **options)

    add("--data", "training images, or a folder with HR/ and LR/, or DIV2K",
        required=True, metavar="DIR", type=paths.INPUT_FOLDER)  # fmt: skip
    add("--val", "validation images, on which the best weights are chosen",
        required=True, metavar="DIR", type=paths.INPUT_FOLDER)  # fmt: skip
    add("--out", "folder for best.safetensors, last.ckpt, log.jsonl, curves.png and TensorBoard events",
        required=True, metavar="DIR", type=paths.OUTPUT_FOLDER)  # fmt: skip
    add("--resume", "continue from OUT/last.ckpt; options that are left out are those of the run", action="store_true")
    add("--from", "start from these weights, also of another scale, fewer channels or fewer blocks",
        dest="start", metavar="WEIGHTS", type=paths.WEIGHTS)  # fmt: skip
    setting("--preset", f"{', '.join(PRESETS)}: see below", choices=tuple(PRESETS))
    add("--minutes", "stop after this time: see below", type=_minutes, metavar="M")
    setting("--blocks", "blocks between the first and the last (DEFAULT)", type=int, metavar="M")
    setting("--channels", "channels of each block (DEFAULT)", type=int, metavar="C")
    setting("--scale", "upscaling factor (DEFAULT)", type=int, choices=SCALES)
    setting("--colors", "1 for luma, 3 for RGB (DEFAULT)", type=int, choices=COLORS)
    setting("--activation", "prelu: one learned slope per channel, leaky: one per layer (DEFAULT)", choices=ACTIVATIONS)
    setting("--identity", "the blocks have an identity branch", action="store_true")
    setting("--steps", "training steps (DEFAULT)", type=int)
    setting("--batch", "crops per step (DEFAULT)", type=int)
    setting("--patch", "LR pixels along a side of a crop (DEFAULT)", type=int)
    setting("--optimizer", "adam trains the blocks with all their branches, as in the paper; soap trains the plain "
            "network and reaches the same quality in a fraction of the steps (DEFAULT)",
            choices=get_args(Optimizer))  # fmt: skip
    setting("--lr", f"initial learning rate (adam {DEFAULT_LR['adam']:g}, soap {DEFAULT_LR['soap']:g}; in the paper "
            "5e-4)", type=float)  # fmt: skip
    setting("--loss", "psnr: the negative mean of the crops' PSNR; distill, with --int8: the distance to the float "
            "network's result (DEFAULT)", choices=get_args(LossName))  # fmt: skip
    setting("--teacher", "a larger network of the same scale and colors: HR is mixed with its results, from which a "
            "small network learns more", metavar="WEIGHTS", type=paths.WEIGHTS)  # fmt: skip
    setting("--schedule", "schedule of the learning rate (DEFAULT; in the paper constant)", choices=get_args(Schedule))
    setting("--ema-decay", "decay of the moving average of the weights, less in the first steps (DEFAULT; 0: none)",
            type=float, metavar="DECAY")  # fmt: skip
    setting("--fake-quant", "share of the steps with activations quantized to 8 bits in training: the network then "
            "loses less in int8 (DEFAULT)", dest="fake_quant_ratio", type=float, metavar="SHARE")  # fmt: skip
    setting("--degrade", f"degrade the LR images of --data and --val: some of {', '.join(DEFAULTS)}, each alone or "
            f"with a range, such as {EXAMPLE}: see below", metavar="LIST")  # fmt: skip
    setting("--int8", "quantization-aware training of the --from weights, with learned ranges; PReLU is computed for "
            "CPUs (single, the default, or double) or for hardware with a PRELU operator (native)",
            nargs="?", const=PRELU_DECOMPOSITIONS[0], choices=PRELU_DECOMPOSITIONS, metavar="PRELU")  # fmt: skip
    setting("--bf16", "convolutions in bfloat16: faster on processors with bfloat16 multiplication",
            action="store_true")  # fmt: skip
    setting("--seed", "random seed; on a CPU, runs with the same seed and threads are equal (DEFAULT)", type=int)
    setting("--validate-every", "steps between validations and checkpoints (DEFAULT)", type=int, metavar="N")
    add("--device", "auto: a GPU if there is one (%(default)s)", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", "CPU threads (all)", type=_threads, metavar="N")
    add("--json", "print the result as JSON", action="store_true")
    return parser
