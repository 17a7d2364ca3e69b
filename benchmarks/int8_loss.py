"""What int8 costs a network: the loss of its file against the float file, both from 8-bit images, and the export.

    python benchmarks/int8_loss.py WEIGHTS... --data Set5 Set14 [--target npu] [--finetune STEPS]

Prints a Markdown table: for each weights file, how PReLU is written, the PSNR of the float file on luma in dB, the
loss, and the time and the memory of the whole export (fp32 and int8, one size, by the command, its largest process).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from interleaved import processor

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.text import last_line


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    names = [folder.name for folder in options.data]
    header = [
        "weights",
        "PReLU",
        *(f"{name}, float" for name in names),
        *(f"{name}, loss" for name in names),
        "s",
        "MB",
    ]
    print(f"{processor()}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}", flush=True)
    for weights in options.weights:
        print(f"| {' | '.join(_row(weights, options))} |", flush=True)


def _row(weights: str, options: argparse.Namespace) -> list[str]:
    from zoo_check import EightBitInput, mean_psnr

    from ecbsr_mobile import TfliteModel, tflite
    from ecbsr_mobile.tflite import recipe

    with TemporaryDirectory(prefix="ecbsr-int8-") as folder:
        command = [str(Path(sys.executable).with_name("ecbsr-export")), weights, "--fp32", "--int8", "--out", folder]
        command += ["--target", options.target, "--max-drop", "100", "--size", "48x32", "--prelu", options.prelu]
        if options.finetune is not None:
            command += ["--finetune", str(options.finetune)]
        started = time.perf_counter()
        memory = _run(command)
        seconds = time.perf_counter() - started
        files = {"int8" if "int8" in path.name else "fp32": path for path in Path(folder).glob("*.tflite")}
        entry = (recipe.read(tflite.read(files["int8"].read_bytes())) or {})["calibration"]
        exact, quantized = EightBitInput(TfliteModel(files["fp32"])), TfliteModel(files["int8"])
        psnrs = [(mean_psnr(exact, data), mean_psnr(quantized, data)) for data in options.data]
    cells = [f"`{Path(weights).name}`", entry.get("prelu", "-")]
    cells += [f"{exact:.3f}" for exact, _ in psnrs]
    cells += [f"{exact - quantized:.3f}" for exact, quantized in psnrs]
    return [*cells, f"{seconds:.0f}", f"{memory:.0f}"]


def _run(command: Sequence[str]) -> float:
    """Run a command, and return its peak memory in MiB."""
    with TemporaryFile() as errors:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            raise EcbsrError(last_line(errors.read(), f"exit code {child.returncode}"))
    return usage.ru_maxrss / 1024


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("int8_loss.py", __doc__.splitlines()[0])
    parser.add_argument("weights", nargs="+", help="weights files, or names of bundled models")
    parser.add_argument("--data", nargs="+", type=Path, required=True, metavar="DIR", help="data sets, such as Set14")
    parser.add_argument("--target", default="cpu", help="what runs the file (cpu)")
    parser.add_argument("--prelu", default="auto", help="how PReLU is written (auto)")
    parser.add_argument("--finetune", type=int, metavar="STEPS", help="steps of fine-tuning (the export's default)")
    return parser


if __name__ == "__main__":
    common.run(main)
