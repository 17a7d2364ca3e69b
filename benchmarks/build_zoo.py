"""Make the bundled `.tflite` files again from the bundled weights."""

from __future__ import annotations

import shutil
import tempfile

from ecbsr_mobile import zoo
from export import export

for name in zoo.names():
    with tempfile.TemporaryDirectory() as folder:
        for file in export(name, folder, precisions=("fp32", "int8"), target="cpu").files:
            target = zoo.FOLDER / f"{name}-{file.precision}.tflite"
            shutil.copyfile(file.path, target)
            drop = f"{file.loss.drop_db:.3f} dB" if file.loss else ""
            print(f"{target.name}: {file.bytes} bytes, loses {drop}")
