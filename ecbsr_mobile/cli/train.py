"""`ecbsr-train`: train a network on a folder of images."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import get_args

from ..architecture import ACTIVATIONS, COLORS, PRELU_DECOMPOSITIONS, SCALES, Architecture
from ..errors import UsageError
from ..training.settings import DEFAULT_LR, LossName, Optimizer, Report, Schedule, Settings
from . import common, paths


def main(argv: list[str] | None = None) -> int:
    """Parse, train, print the result."""
    options = parser().parse_args(argv)
    import torch

    from ..checkpoint import load
    from ..training.distributed import rank
    from ..training.loop import CHECKPOINT, WEIGHTS, train
    from ..utils.progress import bar

    if options.threads:
        torch.set_num_threads(options.threads)
    start = load(options.start) if options.start else None
    values = {field.name: getattr(options, field.name) for field in fields(Settings)}
    if options.lr is None:
        values["lr"] = DEFAULT_LR[options.optimizer]
    if start and options.int8:
        _check_architecture(values, start.architecture, options.start)
        values |= {name: value for name, value in asdict(start.architecture).items() if name in values}
    out, first = Path(options.out), rank() == 0
    try:
        report = train(
            options.data, options.val, out, Settings(**values), start, options.resume, options.device,
            on_report=_show, progress=bar,
        )  # fmt: skip
    except KeyboardInterrupt:
        if first and (out / CHECKPOINT).exists():
            common.notice(f"{out / CHECKPOINT} contains the training so far; to continue, add --resume to the command")
        raise
    if first and options.json:
        common.print_json({**asdict(report), "weights": out / WEIGHTS})
    elif first:
        common.print_line(f"{out / WEIGHTS}: {report.best_psnr:.3f} dB on {options.val}")
    return common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def _check_architecture(values: Mapping[str, object], architecture: Architecture, path: str) -> None:
    """Refuse an option that contradicts the weights, which decide the network of a training for int8.

    Raises:
        UsageError: there is one.
    """
    for name, value in asdict(architecture).items():
        if name in values and values[name] not in (value, getattr(Settings(), name)):
            raise UsageError(f"--{name} {values[name]} contradicts {path}, which is {architecture.name}: leave it out")


def _show(report: Report) -> None:
    best = " best" if report.psnr >= report.best_psnr else ""
    common.notice(
        f"step {report.step}/{report.steps}  loss {report.loss:.6f}  val {report.psnr:.3f} dB{best}  "
        f"lr {report.rate:.1e}  {report.seconds_left / 60:.0f} min left"
    )


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = common.parser("ecbsr-train", "Train an ECBSR network; keeps the weights with the highest PSNR on --val.")
    default = Settings()

    def add(name: str, description: str, **options: object) -> None:
        parser.add_argument(name, help=description, **options)  # type: ignore[arg-type]

    add("--data", "training images, or a folder with HR/ and LR/, or DIV2K",
        required=True, metavar="DIR", type=paths.INPUT_FOLDER)  # fmt: skip
    add("--val", "validation images, on which the best weights are chosen",
        required=True, metavar="DIR", type=paths.INPUT_FOLDER)  # fmt: skip
    add("--out", "folder for best.safetensors, last.ckpt, log.jsonl, curves.png and TensorBoard events",
        required=True, metavar="DIR", type=paths.OUTPUT_FOLDER)  # fmt: skip
    add("--resume", "continue from OUT/last.ckpt", action="store_true")
    add("--from", "start from these weights, of the same or another scale",
        dest="start", metavar="WEIGHTS", type=paths.WEIGHTS)  # fmt: skip
    add("--blocks", "blocks between the first and the last (%(default)s)",
        type=int, default=default.blocks, metavar="M")  # fmt: skip
    add("--channels", "channels of each block (%(default)s)", type=int, default=default.channels, metavar="C")
    add("--scale", "upscaling factor (%(default)s)", type=int, default=default.scale, choices=SCALES)
    add("--colors", "1 for luma, 3 for RGB (%(default)s)", type=int, default=default.colors, choices=COLORS)
    add("--activation", "prelu: one learned slope per channel, leaky: one per layer (%(default)s)",
        default=default.activation, choices=ACTIVATIONS)  # fmt: skip
    add("--identity", "the blocks have an identity branch", action="store_true")
    add("--steps", "training steps (%(default)s)", type=int, default=default.steps)
    add("--batch", "crops per step (%(default)s)", type=int, default=default.batch)
    add("--patch", "LR pixels along a side of a crop (%(default)s)", type=int, default=default.patch)
    add("--optimizer", "adam trains the blocks with all their branches, as in the paper; soap trains the plain "
        "network and reaches the same quality in a fraction of the steps (%(default)s)",
        default=default.optimizer, choices=get_args(Optimizer))  # fmt: skip
    add("--lr", f"initial learning rate (adam {DEFAULT_LR['adam']:g}, soap {DEFAULT_LR['soap']:g}; in the paper 5e-4)",
        type=float)  # fmt: skip
    add("--loss", "psnr: the negative mean of the crops' PSNR; distill, with --int8: the distance to the float "
        "network's result (%(default)s)", default=default.loss, choices=get_args(LossName))  # fmt: skip
    add("--schedule", "schedule of the learning rate (%(default)s; in the paper constant)",
        default=default.schedule, choices=get_args(Schedule))  # fmt: skip
    add("--ema-decay", "decay of the moving average of the weights (%(default)s; 0: none)",
        type=float, default=default.ema_decay, metavar="DECAY")  # fmt: skip
    add("--fake-quant", "share of the steps with activations quantized to 8 bits in training: the network then loses "
        "less in int8 (%(default)s)",
        dest="fake_quant_ratio", type=float, default=default.fake_quant_ratio, metavar="SHARE")  # fmt: skip
    add("--int8", "quantization-aware training of the --from weights, with learned ranges; PReLU is computed for "
        "CPUs (single, the default, or double) or for hardware with a PRELU operator (native)",
        nargs="?", const=PRELU_DECOMPOSITIONS[0], choices=PRELU_DECOMPOSITIONS, metavar="PRELU")  # fmt: skip
    add("--bf16", "convolutions in bfloat16: faster on processors with bfloat16 multiplication", action="store_true")
    add("--seed", "random seed; on a CPU, runs with the same seed are equal (%(default)s)",
        type=int, default=default.seed)  # fmt: skip
    add("--validate-every", "steps between validations and checkpoints (%(default)s)",
        type=int, default=default.validate_every, metavar="N")  # fmt: skip
    add("--device", "auto: a GPU if there is one (%(default)s)", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", "CPU threads (all)", type=int, default=0)
    add("--json", "print the result as JSON", action="store_true")
    return parser
