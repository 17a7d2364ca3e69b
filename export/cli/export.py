"""`ecbsr-export`: weights to ONNX and TFLite."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common

from .. import options, resolutions
from ..npu import results, socs

if TYPE_CHECKING:
    from ..results import Exported, ExportedFile


def main(argv: list[str] | None = None) -> int:
    """Parse, export, print the files."""
    arguments = _parser().parse_args(argv)
    common.show_warnings_as_notices()
    if arguments.list:
        _list(arguments.json)
        return common.DONE
    wanted = resolutions.parse_all(text for part in arguments.size for text in part.split(",") if text)
    precisions = tuple(name for name in options.PRECISIONS if getattr(arguments, name))
    if not precisions and (arguments.tflite or not arguments.onnx):
        precisions = options.DEFAULT_PRECISIONS
    from ..pipeline import export

    done = export(
        arguments.weights,
        arguments.out,
        precisions=precisions,
        sizes=wanted or (options.DEFAULT_SIZE,),
        target=arguments.target,
        calibration=arguments.calibration,
        io=arguments.io,
        refine=arguments.refine,
        max_drop=arguments.max_drop,
        onnx=arguments.onnx,
        npu=arguments.npu,
        progress=_Progress(),
        **common.weights_options(arguments),
    )
    if arguments.json:
        common.print_json(done.to_json())
    else:
        _print(done)
        if arguments.npu:
            _print_npu(done)
    return common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


class _Progress:
    """What is being done: on one line of a terminal, else a line each, percentages left out."""

    def __init__(self) -> None:
        self.width = 0

    def __call__(self, message: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r" + message.ljust(self.width))
            sys.stderr.flush()
            self.width = len(message)
        elif "%" not in message:
            common.notice(message)


def _print(done: Exported) -> None:
    model = done.model
    header = ["file", "bytes", "largest error", "loss dB", "fidelity dB", "XNNPACK nodes", "partitions"]
    common.print_table(
        header, [_row(file) for file in done.files], f"{model['name']}, {model['parameters']} parameters"
    )


def _list(as_json: bool) -> None:
    """The bundled models, with what was measured of them."""
    figures = zoo.figures()
    if as_json:
        common.print_json({"models": figures, "recommended": zoo.RECOMMENDED})
        return
    rows = []
    for name, model in figures.items():
        sets = [f"{held['fp32'][0]:.2f} / {held['int8'][0]:.2f}" for held in model["sets"].values()]
        best_for = ", ".join(target for target, names in zoo.RECOMMENDED.items() if name in names) or "-"
        rows.append([name, str(model["parameters"]), f"{model['gmacs_720p']:.2f}", *sets, best_for])
    sets = next(iter(figures.values()))["sets"]
    header = ["model", "parameters", "GMACs, 720p out", *(f"{each} fp32 / int8 dB" for each in sets), "recommended for"]
    common.print_table(header, rows)


def _print_npu(done: Exported) -> None:
    header = [
        "NPU, by the vendor's compiler",
        "SoC",
        "status",
        "takes",
        "partitions",
        "read MB",
        "write MB",
        "spill MB",
    ]
    rows = []
    for file in done.files:
        for soc, one in (file.audit.npu or {}).items() if file.audit else ():
            taken = "-" if one.taken is None else f"{one.taken}/{one.total}"
            moved = ["-" if value is None else f"{value:.2f}" for value in (one.read_mb, one.write_mb, one.spill_mb)]
            rows.append(
                [file.path.name, soc, one.status, taken, "-" if one.partitions is None else one.partitions, *moved]
            )
    print()
    common.print_table(header, rows)
    print(f"MB: {results.STATIC}. Not checked: {', '.join(socs.NOT_CHECKED)}")


def _row(file: ExportedFile) -> list[str]:
    drop = f"{file.loss.drop_db:.3f}" if file.loss else "-"
    fidelity = f"{file.loss.fidelity_db:.1f}" if file.loss and file.loss.fidelity_db is not None else "-"
    xnnpack = next((d for d in file.audit.delegates if d.name == "xnnpack"), None) if file.audit else None
    nodes = f"{xnnpack.taken}/{xnnpack.total}" if xnnpack else "-"
    partitions = str(xnnpack.partitions) if xnnpack else "-"
    return [str(file.path), str(file.bytes), f"{file.max_abs_error:.1e}", drop, fidelity, nodes, partitions]


def _parser() -> argparse.ArgumentParser:
    parser = common.parser(
        "ecbsr-export",
        "Write a network as ONNX and TFLite: calibrated on real pictures, compared with onnxruntime, audited. "
        "Without a format or a precision: TFLite in fp32 and int8.",
    )
    add = parser.add_argument
    add("weights", nargs="?", default=zoo.DEFAULT, metavar="WEIGHTS",
        help=f"a weights file, or a bundled model's name ({zoo.DEFAULT})")  # fmt: skip
    add("--list", action="store_true", help="say which models are bundled, and which to take for a target")
    add("--onnx", action="store_true", help="write ONNX, of free size")
    add("--tflite", action="store_true", help="write TFLite (fp32 and int8 if no precision is named)")
    for name, text in zip(options.PRECISIONS, ("float", "half-precision weights", "integers throughout"), strict=True):
        add(f"--{name}", action="store_true", help=f"write TFLite in {name}: {text}")
    add("--size", action="append", default=[], metavar="SIZE,…",
        help=f"LR input as WIDTHxHEIGHT or {', '.join(resolutions.SIZES)} ({options.DEFAULT_SIZE}); "
        "a file each")  # fmt: skip
    add("--target", choices=options.TARGETS, default="cpu", help="what runs the int8 file (cpu)")
    add("--calibration", metavar="DIR", help="pictures like those it is for (default: the bundled ones)")
    add("--io", choices=options.IO_DTYPES, default="int8",
        help="what the int8 file takes and gives (int8: pixel xor 0x80); the others add a QUANTIZE or DEQUANTIZE "
        "node at each end")  # fmt: skip
    add("--refine", type=float, metavar="SECONDS",
        help="learn weights and ranges for int8 from the float network's own results; with 0, ranges are searched "
        f"({options.FINETUNE_SECONDS:g}; 0 for bundled models and weights trained for int8)")  # fmt: skip
    add("--max-drop", type=float, default=options.MAX_DROP, metavar="DB",
        help=f"refuse a file that loses more PSNR ({options.MAX_DROP})")  # fmt: skip
    add("--npu", metavar="VENDOR[:SOC,…]",
        help=f"ask an NPU's own compiler what it makes of each file, and store it in the recipe: {socs.QUALCOMM}, or "
        f"{socs.QUALCOMM}:SM8650,… (see ecbsr-audit)")  # fmt: skip
    add("--out", default=".", metavar="DIR", help="folder for the files (.)")
    add("--json", action="store_true", help="print the result as JSON")
    common.add_weights_options(parser)
    return parser
