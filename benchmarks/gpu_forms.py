"""Compare the forms of a network for a GPU: how many operators the delegate takes, and what its result loses.

    python benchmarks/gpu_forms.py [WEIGHTS ...] [--finetune STEPS]

Prints a Markdown table: for each network and form (float32, float16 weights, and each way to write PReLU in int8), the
bytes of the file, the operators that ML Drift, LiteRT's GPU delegate, takes on this machine, and the PSNR of its result
for a crop of a bundled image to that of this machine's CPU and to that of the float network, in each precision that the
adapter has. A software adapter is enough: nothing here is a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError

if TYPE_CHECKING:
    from ecbsr_mobile.network import PlainNet
    from export.gpu.accelerator import Adapter
    from export.validation.difference import Difference

MODELS = ("ecbsr-m4c16-x2", "ecbsr-m6c16-leaky-x2", "ecbsr-m6c16-relu-x2")
SIZE = (96, 64)


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import load
    from export.gpu.accelerator import find_adapter
    from export.gpu.results import INSTALL

    adapter = find_adapter()
    if isinstance(adapter, str):
        raise EcbsrError(f"the GPU delegate cannot be asked: {adapter}; {INSTALL}")
    print(f"{adapter.name}{', a software adapter' if adapter.software else ''}\n")
    print("| network | form | bytes | computed in | taken | partitions | dB to CPU | dB to float |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for weights in options.weights:
        _print_rows(load(weights), adapter, options.finetune)


def _print_rows(net: PlainNet, adapter: Adapter, finetune: int) -> None:
    from export.gpu.runner import query_models
    from export.validation.sample_crop import run_sample_crop

    exact = None
    for form, model in forms(net, finetune):
        crop = run_sample_crop(model)
        exact = crop.result if exact is None else exact  # the first form is the float network
        crop = replace(crop, fp32=exact)
        for precision in ("fp32", "fp16") if adapter.fp16 else ("fp32",):
            report = query_models({form: model}, precision, {form: crop}, adapter=adapter)[form]
            taken = report.status if report.taken is None else f"{report.taken}/{report.total}"
            cells = [f"`{net.name}`", form, f"{len(model):,}", precision, taken, str(report.partitions)]
            print(f"| {' | '.join([*cells, _db(report.cpu), _db(report.fp32)])} |", flush=True)


def forms(net: PlainNet, finetune: int = 0) -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of each file, the float one first."""
    from ecbsr_mobile import tflite
    from export.convert.direct import direct_graph
    from export.options import PRELU
    from export.quantize.int8 import decompositions, int8_graph
    from export.transforms.fp16 import with_fp16_constants
    from export.validation.quality import CHECK_SIZE
    from export.validation.sample_images import samples

    graph, arch = direct_graph(net, CHECK_SIZE), net.architecture
    yield "float32", tflite.write(tflite.at_size(graph, *SIZE))
    yield "float16 weights", tflite.write(tflite.at_size(with_fp16_constants(graph), *SIZE))
    images = samples(None, arch.scale, arch.colors)
    choices = [name for name in PRELU if name != "auto"] if arch.activation == "prelu" else ["auto"]
    for name in choices:
        common.notice(f"{net.name}: int8, {name}")
        made = int8_graph(graph, net, images, decompositions(net, "gpu", name), finetune, lambda _text: None)
        form = f"int8, PReLU as {name}" if arch.activation == "prelu" else f"int8, {arch.activation}"
        yield form, tflite.write(tflite.at_size(made.graph, *SIZE))


def _db(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    return "equal" if difference.psnr_db is None else f"{difference.psnr_db:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("gpu_forms.py", __doc__.splitlines()[0])
    parser.add_argument("weights", nargs="*", default=MODELS, help="weights files, or names of bundled models")
    parser.add_argument("--finetune", type=int, default=0, metavar="STEPS", help="steps of fine-tuning (0)")
    return parser


if __name__ == "__main__":
    common.run(main)
