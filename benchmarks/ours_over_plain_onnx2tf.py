"""Our fp32 file's time over that of the file that onnx2tf makes of torch's own ONNX export.

Torch writes the pixel shuffle as CRD and the residual as a broadcast; onnx2tf makes of these what it can.
The converter is the same, so the difference is the graph.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from interleaved import machine, ratio
from tflite_run import runner

from ecbsr_mobile import PlainNet, load, zoo
from export import resolutions, tflite
from export.convert import onnx_to_tflite
from export.convert.onnx_builder import onnx_model


class Original(torch.nn.Module):
    """A luma network with the residual as the original implementation adds it, by broadcasting."""

    def __init__(self, net: PlainNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `PlainNet.forward`."""
        y = x
        for conv, act in zip(self.net.convolutions[:-1], self.net.acts, strict=True):
            y = act(conv(y))
        return torch.nn.functional.pixel_shuffle(self.net.convolutions[-1](y) + x, self.net.architecture.scale)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model", nargs="?", default=zoo.DEFAULT, help="weights, or a bundled model's name")
parser.add_argument("--size", type=resolutions.parse, default="540p", help="low-resolution input (540p)")
parser.add_argument("--rounds", type=int, default=20)
options = parser.parse_args()

width, height = options.size
net = load(options.model)
with onnx_to_tflite.converter() as converter:
    ours = tflite.write(converter.float_graph(onnx_model(net, options.size)))
with tempfile.TemporaryDirectory() as folder:
    image = torch.zeros(1, net.architecture.colors, height, width)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(Original(net), (image,), Path(folder, "model.onnx"), dynamo=False)
    # onnx2tf looks for this file before it fetches one for a colour model.
    np.save(Path(folder, "calibration_image_sample_data_20x128x128x3_float32.npy"), np.zeros((20, height, width, 3)))
    subprocess.run([sys.executable, "-m", "onnx2tf", "-i", "model.onnx", "-o", "out", "-n"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    plain = Path(folder, "out", "model_float32.tflite").read_bytes()

print(f"operators of ours: {tflite.operators(tflite.read(ours))}")
print(f"operators of the plain conversion: {tflite.operators(tflite.read(plain))}")
result = ratio(runner(ours, options.size), runner(plain, options.size), rounds=options.rounds)
print(f"ours over plain onnx2tf, fp32 at {resolutions.name(options.size)}, 1 thread: {result}\n{machine()}")
