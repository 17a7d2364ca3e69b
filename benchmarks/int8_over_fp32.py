"""Time of an int8 file over the time of its fp32 counterpart, on this machine's CPU, on one thread.

    python benchmarks/int8_over_fp32.py [--size 540p]

The ratio depends on whether the processor has int8 dot products (AVX512-VNNI or AVX-VNNI on x86, the dot product
extension on Arm). Prints the ratio with its 95 % interval, the median times, and the processor with its extensions.
"""

from __future__ import annotations

import argparse

from interleaved import add_rounds_option, compare, processor
from tflite_runner import add_size_option, runner

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from export import resolutions


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    int8, fp32 = _path(options.int8, "int8"), _path(options.fp32, "fp32")
    comparison = compare(runner(int8, options.size), runner(fp32, options.size), options.rounds)
    print(f"int8 over fp32 at {resolutions.name(options.size)}, 1 thread: {comparison}\n{processor()}")


def _path(model: str, precision: str) -> str:
    return str(zoo.tflite(model, precision)) if model in zoo.names() else model


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("int8_over_fp32.py", __doc__.splitlines()[0])
    parser.add_argument("--int8", default=zoo.DEFAULT, help=f"a .tflite, or a bundled model's name ({zoo.DEFAULT})")
    parser.add_argument("--fp32", default=zoo.DEFAULT, help=f"a .tflite, or a bundled model's name ({zoo.DEFAULT})")
    add_size_option(parser)
    add_rounds_option(parser)
    return parser


if __name__ == "__main__":
    common.run(main)
