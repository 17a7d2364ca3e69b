"""Convert the bundled weights to the bundled `.tflite` files, fp32 and int8 for CPUs.

    make zoo
    make zoo MODELS="NAME ..."      only these models

Overwrites the files in `ecbsr_mobile/zoo/`, and prints the size and the PSNR drop of each.
"""

from __future__ import annotations

import shutil
import tempfile

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common


def main(argv: list[str] | None = None) -> None:
    parser = common.parser("build_zoo.py", __doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=zoo.names(), help="bundled models (all)")
    options = parser.parse_args(argv)
    from export import export

    for name in options.names or zoo.names():
        with tempfile.TemporaryDirectory() as folder:
            for file in export(name, folder, precisions=("fp32", "int8"), target="cpu").files:
                target = zoo.FOLDER / f"{name}-{file.precision}.tflite"
                shutil.copyfile(file.path, target)
                drop = f", PSNR drop {file.loss.drop_db:.3f} dB" if file.loss else ""
                print(f"{target.name}: {file.bytes} bytes{drop}")


if __name__ == "__main__":
    common.run(main)
