"""Time of our fp32 file over that of the file that onnx2tf makes from torch's own ONNX export.

    python benchmarks/ours_over_plain_onnx2tf.py [MODEL] [--size 270p]

Torch exports the pixel shuffle as depth-to-space in CRD mode and the residual as a broadcast. Both files come from the
same converter, so the difference is the ONNX graph. Prints the operators of both files, the ratio with its 95 %
interval, the median times, and the processor.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from interleaved import add_rounds_option, compare, processor
from tflite_runner import add_size_option, runner

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.text import last_line
from export import resolutions

if TYPE_CHECKING:
    from ecbsr_mobile import PlainNet


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import load, tflite

    net = load(options.model)
    if net.architecture.colors != 1:
        raise UsageError(f"{options.model} is an RGB model, whose residual is no broadcast; use a luma model")
    ours, plain = _our_file(net, options.size), _plain_file(net, options.size)
    print(f"operators of our file: {tflite.operators(tflite.read(ours))}")
    print(f"operators of the plain conversion: {tflite.operators(tflite.read(plain))}")
    comparison = compare(runner(ours, options.size), runner(plain, options.size), options.rounds)
    print(f"ours over plain onnx2tf, fp32 at {resolutions.name(options.size)}, 1 thread: {comparison}\n{processor()}")


def _our_file(net: PlainNet, size: tuple[int, int]) -> bytes:
    from ecbsr_mobile import tflite
    from export.convert import onnx_to_tflite
    from export.convert.onnx_builder import onnx_model

    with onnx_to_tflite.converter() as converter:
        return tflite.write(converter.float_graph(onnx_model(net, size)))


def _plain_file(net: PlainNet, size: tuple[int, int]) -> bytes:
    """The `.tflite` of the network with the residual broadcast, as the original implementation adds it."""
    import torch

    class Original(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net  # registered, so that the weights are exported as initializers

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = x
            for conv, activation in zip(self.net.convolutions[:-1], self.net.acts, strict=True):
                features = activation(conv(features))
            result = self.net.convolutions[-1](features) + x
            return torch.nn.functional.pixel_shuffle(result, self.net.architecture.scale)

    width, height = size
    with tempfile.TemporaryDirectory() as folder:
        image = torch.zeros(1, 1, height, width)
        with warnings.catch_warnings(action="ignore"):
            torch.onnx.export(Original(), (image,), Path(folder, "model.onnx"), dynamo=False)
        command = [sys.executable, "-m", "onnx2tf", "-i", "model.onnx", "-o", "out", "-n"]
        result = subprocess.run(command, cwd=folder, check=False, capture_output=True)
        if result.returncode:
            raise EcbsrError(f"onnx2tf cannot convert torch's export: {last_line(result.stderr or result.stdout)}")
        return Path(folder, "out", "model_float32.tflite").read_bytes()


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("ours_over_plain_onnx2tf.py", __doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default=zoo.DEFAULT,
                        help=f"weights, or a bundled model's name ({zoo.DEFAULT})")  # fmt: skip
    add_size_option(parser)
    add_rounds_option(parser)
    return parser


if __name__ == "__main__":
    common.run(main)
