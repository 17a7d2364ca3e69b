"""`ecbsr-export`: weights to ONNX and TFLite."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common, gate_report, paths
from ecbsr_mobile.cli.parser import Joined
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils import progress
from ecbsr_mobile.utils.cpu_instructions import use_common

from .. import options, resolutions
from ..npu import socs

if TYPE_CHECKING:
    from ..results import Exported

FIELDS = (
    "target", "prelu", "calibration", "io_dtype", "activations", "finetune", "fixed_size", "max_drop", "onnx",
    "npu", "gpu", "overwrite",
)  # fmt: skip
"""Fields of `ExportOptions` that have a flag of the same name and type."""


def main(argv: list[str] | None = None) -> int:
    """Export, and print the files."""
    arguments = parser().parse_args(argv)
    chosen = options_from(arguments)
    gate_report.check_options(arguments, inputs=[arguments.weights])
    from . import export_report

    with progress.messages(common.notice) as show:
        exported = _export(arguments, chosen, show)
    gate_report.write(arguments, export_report.gate(exported, chosen.max_drop))
    if arguments.json:
        common.print_json(exported.to_json())
    else:
        export_report.print_files(exported)
        if arguments.npu:
            export_report.print_npu_reports(exported)
        if arguments.gpu:
            export_report.print_gpu_reports(exported)
    export_report.notice_next_step(exported)
    return common.DONE


def _export(arguments: argparse.Namespace, chosen: options.ExportOptions, show: progress.Notify) -> Exported:
    """Export; a failure is written to the files for CI as well."""
    from ..pipeline import export
    from ..validation.quality import QualityError

    try:
        return export(arguments.weights, arguments.out, chosen, progress=show)
    except UsageError:
        raise
    except EcbsrError as error:
        outcome: gate_report.Outcome = "failed" if isinstance(error, QualityError) else "error"
        check = gate_report.Check(arguments.weights, "quality gate", outcome, str(error))
        gate_report.write(arguments, gate_report.GateReport("ecbsr-export", str(error), [check]))
        raise


def script() -> None:
    """The command's entry point."""
    use_common()  # the same input gives the same bytes on any processor
    common.run(main)


def options_from(arguments: argparse.Namespace) -> options.ExportOptions:
    """The options of an export that the parsed flags stand for.

    Raises:
        UsageError: a value that is not known.
    """
    changes = {name: getattr(arguments, name) for name in FIELDS} | common.weights_options(arguments)
    precisions = tuple(name for name in options.PRECISIONS if getattr(arguments, name))
    if precisions or (arguments.onnx and not arguments.tflite):
        changes["precisions"] = precisions
    sizes = tuple(text for text in (arguments.size or "").split(",") if text)
    if sizes:
        changes["sizes"] = sizes
    return options.ExportOptions(**changes)


def parser() -> argparse.ArgumentParser:
    """The command's parser; defaults in its help are those of `ExportOptions`."""
    defaults = options.ExportOptions()
    result = common.parser(
        "ecbsr-export",
        "Write a network as ONNX and TFLite: calibrated on real images, compared with onnxruntime, audited. "
        f"Without a format and a precision: TFLite in {' and '.join(defaults.precisions)}.",
    )
    add = result.add_argument
    add("weights", nargs="?", default=zoo.DEFAULT, metavar="WEIGHTS", type=paths.WEIGHTS,
        help=f"weights file, or name of a bundled model, as ecbsr models lists them ({zoo.DEFAULT})")  # fmt: skip
    add("--onnx", action="store_true", help="write ONNX, with dynamic height and width")
    add("--tflite", action="store_true",
        help=f"write TFLite ({' and '.join(defaults.precisions)} if no precision is given)")  # fmt: skip
    for name, text in zip(options.PRECISIONS, ("float32", "float16 weights", "int8 throughout"), strict=True):
        add(f"--{name}", action="store_true", help=f"write TFLite in {name}: {text}")
    add("--size", action=Joined, metavar="SIZE,…",
        help=f"LR input as WIDTHxHEIGHT or {', '.join(resolutions.SIZES)}; one file each "
        f"({','.join(map(str, defaults.sizes))})")  # fmt: skip
    add("--target", choices=options.TARGETS, default=defaults.target,
        help=f"what runs the int8 file ({defaults.target})")  # fmt: skip
    add("--calibration", metavar="DIR", type=paths.INPUT_FOLDER,
        help="images like those that the network is for (the bundled ones)")  # fmt: skip
    add("--io-dtype", choices=options.IO_DTYPES, default=defaults.io_dtype,
        help="data type of the int8 file's input and output; int8 is pixel xor 0x80, the others add a QUANTIZE or "
        f"DEQUANTIZE node at each end ({defaults.io_dtype})")  # fmt: skip
    add("--activations", type=int, choices=options.ACTIVATION_BITS, default=defaults.activations, metavar="BITS",
        help="bits of the int8 file's activations, 8 or 16; 16 keeps nearly all of the quality, and runs with --target "
        f"{' or '.join(options.INT16_TARGETS)} only ({defaults.activations})")  # fmt: skip
    add("--prelu", choices=options.PRELU, default=defaults.prelu,
        help="how the int8 file writes PReLU: single (one depthwise convolution and ADD), double (two, precise for any "
        f"network, a fifth slower), native (PRELU); auto measures and chooses ({defaults.prelu})")  # fmt: skip
    add("--finetune", type=int, metavar="STEPS",
        help="steps of fine-tuning calibrated int8 weights to the float network's results; Ctrl-C keeps the best so "
        "far; 0 only calibrates (as many as suit the network; 0 for bundled models and for weights trained for "
        "int8)")  # fmt: skip
    add("--fixed-size", action="store_true",
        help="let the int8 file compute four pixels at once in the end: about a tenth quicker on CPUs for luma at x2, "
        "with the same bytes, but not to be resized to odd sides; its name has -fixed")  # fmt: skip
    add("--max-drop", type=float, default=defaults.max_drop, metavar="DB",
        help=f"refuse a file that loses more PSNR ({defaults.max_drop})")  # fmt: skip
    add("--npu", action=Joined, metavar="VENDOR[:SOC,…],…",
        help=f"compile each file with the NPU compilers of {', '.join(socs.VENDORS)}, or for some SoCs, such as "
        f"{socs.QUALCOMM}:SM8650, and store their reports in the recipe (see ecbsr-audit)")  # fmt: skip
    add("--gpu", action="store_true",
        help="ask LiteRT's GPU delegate on this machine what it takes of each file, and store its report in the recipe "
        "(see ecbsr-audit)")  # fmt: skip
    add("--out", default=".", metavar="DIR", type=paths.OUTPUT_FOLDER, help="folder for the files (.)")
    gate_report.add_options(result)
    add("--json", action="store_true", help="print the result as JSON")
    common.add_overwrite_option(result)
    common.add_weights_options(result)
    return result
