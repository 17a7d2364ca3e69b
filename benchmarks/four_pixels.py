"""Time of int8 files whose end computes four pixels at once over that of the same files without it.

    python benchmarks/four_pixels.py [MODEL ...] [--size 540p]

Both give the same bytes, see `ecbsr_mobile/tflite/four_pixels.py`. Prints each ratio with its 95 % interval, the median
times on one thread, and the processor.
"""

from __future__ import annotations

import argparse

from interleaved import add_rounds_option, compare, processor
from tflite_runner import add_size_option, runner

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError

MODELS = ("ecbsr-m4c8-x2", "ecbsr-m4c16-x2", "ecbsr-m6c16-relu-x2")


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import tflite, zoo
    from ecbsr_mobile.tflite.four_pixels import without_four_pixels

    for name in options.models:
        graph = tflite.read(zoo.tflite(name, "int8"))
        plain = without_four_pixels(graph)
        if plain is None:
            raise UsageError(f"{name} computes one pixel at a time; use luma models at x2, such as {MODELS[0]}")
        four, one = (runner(tflite.write(each), options.size) for each in (graph, plain))
        print(f"{name}-int8, four pixels at once over one: {compare(four, one, options.rounds)}", flush=True)
    print(processor())


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("four_pixels.py", __doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL", help=f"({', '.join(MODELS)})")
    add_size_option(parser)
    add_rounds_option(parser)
    return parser


if __name__ == "__main__":
    common.run(main)
