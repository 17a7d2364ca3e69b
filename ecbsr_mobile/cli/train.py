"""`ecbsr-train`: train a network on a folder of pictures."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from . import common


def main(argv: list[str] | None = None) -> int:
    """Parse, train, print the result."""
    options = _parser().parse_args(argv)
    common.show_warnings_as_notices()
    import torch

    from ..checkpoint import load
    from ..training.distributed import rank
    from ..training.loop import RATES, Report, Settings, train
    from ..utils.progress import bar

    if options.threads:
        torch.set_num_threads(options.threads)
    start = load(options.start) if options.start else None
    chosen = {name: getattr(options, name) for name in Settings.__dataclass_fields__ if hasattr(options, name)}
    chosen["rate"] = RATES[options.optimizer] if options.rate is None else options.rate
    settings = Settings(**chosen | (asdict(start.architecture) if start and options.int8 else {}))

    def tell(report: Report) -> None:
        left = f"{report.seconds_left / 60:.0f} min left"
        best = " best" if report.psnr >= report.best_psnr else ""
        common.notice(
            f"step {report.step}/{report.steps}  loss {report.loss:.6f}  val {report.psnr:.3f} dB{best}  "
            f"rate {report.rate:.1e}  {left}"
        )

    out, first = Path(options.out), rank() == 0
    try:
        report = train(
            options.data, options.val, out, settings, start, options.resume, options.device,
            on_report=tell, progress=bar,
        )  # fmt: skip
    except KeyboardInterrupt:
        if first and (out / "last.ckpt").exists():
            common.notice(f"{out / 'last.ckpt'} holds the training so far; the same command with --resume goes on")
        raise
    if first and options.json:
        common.print_json({**asdict(report), "weights": str(out / "best.safetensors")})
    elif first:
        print(f"{out / 'best.safetensors'}: {report.best_psnr:.3f} dB on {options.val}")
    return common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("ecbsr-train", "Train an ECBSR network; the weights that are best on --val are kept.")
    add = parser.add_argument
    add("--data", required=True, metavar="DIR", help="training pictures, or a folder with HR/ and LR/, or DIV2K")
    add("--val", required=True, metavar="DIR", help="pictures to choose the best weights on")
    add(
        "--out",
        required=True,
        metavar="DIR",
        help="gets best.safetensors, last.ckpt, log.jsonl, curves.png, events for TensorBoard",
    )
    add("--resume", action="store_true", help="go on from OUT/last.ckpt")
    add("--from", dest="start", metavar="WEIGHTS", help="start from these weights, of this or another scale")
    add("--blocks", type=int, default=4, metavar="M", help="blocks between the first and the last (4)")
    add("--channels", type=int, default=16, metavar="C", help="channels (16)")
    add("--scale", type=int, default=2, choices=(2, 3, 4), help="upscale (2)")
    add("--colors", type=int, default=1, choices=(1, 3), help="1 luma, 3 RGB (1)")
    add("--activation", default="prelu", choices=("prelu", "relu", "leaky"), help="leaky: one learned slope a layer")
    add("--identity", action="store_true", help="blocks add their input")
    add("--steps", type=int, default=100_000, help="training steps (100000)")
    add("--batch", type=int, default=32, help="crops a step (32)")
    add("--patch", type=int, default=32, help="LR pixels along a crop (32)")
    add("--optimizer", default="adam", choices=("adam", "soap"),
        help="adam trains the blocks with all their branches, as the paper does; soap the plain network, as well in "
        "a fraction of the steps (adam)")  # fmt: skip
    add("--rate", type=float, help="learning rate at the start (1e-3, with soap 5e-3; the paper: 5e-4)")
    add("--loss", default="l1", choices=("l1", "l2", "psnr", "float"),
        help="psnr: the mean of the crops' PSNR, which raises that of pictures; float, with --int8: what is added "
        "to the float network's own error (l1)")  # fmt: skip
    add(
        "--schedule", default="cosine", choices=("cosine", "constant"), help="of the rate (cosine; the paper: constant)"
    )
    add("--average", type=float, default=0.999, help="decay of the weights' moving average (0.999; 0: none)")
    add("--rounded", type=float, default=0.0, metavar="SHARE",
        help="share of the steps with activations rounded as int8 rounds them: int8 then costs less (0)")  # fmt: skip
    add("--int8", nargs="?", const="depthwise", choices=("depthwise", "native"), metavar="FORM",
        help="train the int8 network of the --from weights, ranges included: depthwise for CPUs (default), native "
        "for what runs PRELU itself")  # fmt: skip
    add("--mixed", action="store_true", help="convolutions in bfloat16: faster where the processor multiplies it")
    add("--seed", type=int, default=0, help="the same seed gives the same run")
    add(
        "--validate-every", type=int, default=1000, metavar="N", help="steps between validations and checkpoints (1000)"
    )
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="auto: a GPU where there is one (auto)")
    add("--threads", type=int, default=0, help="CPU threads (all)")
    add("--json", action="store_true", help="print the result as JSON")
    return parser
