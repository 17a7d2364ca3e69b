"""Time of int8 files of `ecbsr-export --fixed-size` over that of files without it.

    python benchmarks/four_pixels.py [MODEL ...] [--size 540p]

Their end computes four pixels at once, see `ecbsr_mobile/tflite/four_pixels.py`; both give the same bytes. Prints each
ratio with its 95 % interval, the median times on one thread, and the processor.
"""

from __future__ import annotations

import argparse

from interleaved import add_rounds_option, compare, processor
from tflite_runner import add_size_option, runner

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError

MODELS = ("ecbsr-m4c8-x2", "ecbsr-m4c16-x2", "ecbsr-m4c16-relu-x2", "ecbsr-m6c16-relu-x2")


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import tflite, zoo
    from ecbsr_mobile.tflite.four_pixels import with_four_pixels

    for name in options.models:
        graph = tflite.read(zoo.tflite(name, "int8"))
        fixed = with_four_pixels(graph)
        if fixed is graph:
            raise UsageError(f"{name} is not a luma model at x2; use one, such as {MODELS[0]}")
        quicker, baseline = (runner(tflite.write(each), options.size) for each in (fixed, graph))
        print(f"{name}, --fixed-size over without: {compare(quicker, baseline, options.rounds)}", flush=True)
    print(processor())


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("four_pixels.py", __doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL", help=f"({', '.join(MODELS)})")
    add_size_option(parser)
    add_rounds_option(parser)
    return parser


if __name__ == "__main__":
    common.run(main)
