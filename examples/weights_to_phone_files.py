"""Weights → fp32 and int8 `.tflite`, with what each loses and its time on this machine.

python examples/weights_to_phone_files.py weights.pth out [--finetune STEPS]
"""

from __future__ import annotations

import argparse

import android_bench
import export


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("out")
    parser.add_argument("--finetune", type=int, help="steps of fine-tuning (as many as suit the network)")
    options = parser.parse_args()
    made = export.export(
        options.weights, options.out, precisions=("fp32", "int8"), sizes=("270p",), finetune=options.finetune
    )
    measured = android_bench.bench([file.path for file in made.files], devices=["host"], rounds=3, runs=5)
    for file, row in zip(made.files, measured.results, strict=True):
        loss = f"{file.loss.drop_db:.3f} dB" if file.loss else "nothing"
        print(f"{file.path.name}: loses {loss}; {row.median_ms:.1f} ms on this machine ({row.status})")


if __name__ == "__main__":
    main()
