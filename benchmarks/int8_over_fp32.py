"""The int8 file's time over the fp32 file's, on this machine's CPU, one thread, one size.

What decides it is whether the processor multiplies bytes: AVX512-VNNI or AVX-VNNI on x86, the dot product
instructions on Arm. The processor's own are printed with the result.
"""

from __future__ import annotations

import argparse

from interleaved import machine, ratio
from tflite_run import runner

from ecbsr_mobile import zoo
from export import resolutions

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--int8", default=zoo.DEFAULT, help="a .tflite, or a bundled model's name")
parser.add_argument("--fp32", default=zoo.DEFAULT, help="a .tflite, or a bundled model's name")
parser.add_argument("--size", type=resolutions.parse, default="540p", help="low-resolution input (540p)")
parser.add_argument("--rounds", type=int, default=20)
options = parser.parse_args()

files = [
    zoo.tflite(name, precision) if name in zoo.names() else name
    for name, precision in ((options.int8, "int8"), (options.fp32, "fp32"))
]
result = ratio(*(runner(file, options.size) for file in files), rounds=options.rounds)
print(f"int8 over fp32 at {resolutions.name(options.size)}, 1 thread: {result}\n{machine()}")
