"""The bundled models on emulated Arm cores: are the bytes the same as here, and how many instructions does it take?

    python benchmarks/arm64/measure.py

The files are the bundled fp32 and int8 ones, and the int8 form with native PRELU (what `--target npu` writes). All
run on one thread, on the middle of each bundled picture. The first run sets the emulator up (see userland.py).

What is counted are executed instructions. They are not time: nothing here knows of caches, memory, frequencies or
instructions that take longer than others.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import userland

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError
from export import resolutions

if TYPE_CHECKING:
    import numpy as np

    from export.tflite import Graph

LABEL = "instructions, emulated"
FORMS = {"PRELU": "PRELU", "DEPTHWISE_CONV_2D": "depthwise + ADD", "LEAKY_RELU": "one slope per layer"}


@dataclass(frozen=True)
class File:
    """One of a model's files, and what it is run on; `here` is what it gives on this machine."""

    model: str
    precision: str
    form: str
    job: userland.Job
    here: np.ndarray


@dataclass(frozen=True)
class Row:
    """A file on a core.

    `differing` of `values` outputs are not the same bytes as on this machine; `largest_difference` is in 255ths of
    white. `instructions_per_pixel` is the mean over the pictures, by LR pixel, and `ratio_to_fp32` is that of the
    same model's fp32 file on the same core.
    """

    model: str
    core: str
    kind: str
    precision: str
    form: str
    values: int
    differing: int
    largest_difference: float
    instructions_per_pixel: float
    ratio_to_fp32: float


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    size = resolutions.parse(options.size)
    for what, asked, known in (("model", options.model, zoo.names()), ("core", options.core, tuple(userland.CORES))):
        if unknown := [name for name in asked if name not in known]:
            raise UsageError(f"{what} {unknown[0]!r} is not known; use one of {', '.join(known)}")
    if not userland.ready():
        userland.set_up(common.notice)
    common.notice("running the models on this machine")
    files = [file for name in options.model or zoo.recommended() for file in _files(name, size)]
    rows = []
    for core in options.core or userland.CORES:
        common.notice(f"running {len(files)} files on an emulated {core}, {len(files[0].here)} pictures each")
        rows += _rows(userland.CORES[core], files)
    rows.sort(key=lambda row: row.model)  # stable: by core within a model
    versions = {"qemu-user": userland.versions()["qemu-user"], **userland.wheels()}
    if options.json:
        pictures = {"size": list(size), "pictures": len(files[0].here)}
        common.print_json({"label": LABEL, "versions": versions, **pictures, "rows": [asdict(row) for row in rows]})
        return
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    _print(
        rows, f"{LABEL}, a LR pixel (ratio to fp32); {len(files[0].here)} pictures of {options.size}, 1 thread\n{said}"
    )


def _files(name: str, size: tuple[int, int]) -> list[File]:
    """The model's files, each form of int8 once, and their results on this machine."""
    import numpy as np
    from guest import outputs

    from export import tflite
    from export.quantize import quantizer
    from export.tflite import interpreter
    from export.transforms.prelu import decompose_prelu
    from export.validation.sample_images import samples

    width, height = size
    float_graph = tflite.at_size(tflite.read(zoo.tflite(name, "fp32")), width, height)
    int8_graph = tflite.at_size(tflite.read(zoo.tflite(name, "int8")), width, height)
    scale, colors = tflite.scale_of(float_graph), tflite.image_input(float_graph).shape[3]
    images = [_middle(sample.image, size) for sample in samples(None, scale, colors)]
    native = decompose_prelu(float_graph, "npu")
    graphs = {("fp32", _form(float_graph)): float_graph, ("int8", _form(int8_graph)): int8_graph}
    graphs.setdefault(("int8", _form(native)), quantizer.quantize(native, _ranges(native, images)))
    files = []
    for (precision, form), graph in graphs.items():
        stored = np.stack([interpreter.stored(graph.tensors[graph.inputs[0]], image)[None] for image in images])
        job = userland.Job(tflite.write(graph), stored)
        files.append(File(name, precision, form, job, outputs(job.model, job.images)))
    return files


def _form(graph: Graph) -> str:
    held = {node.operator for node in graph.nodes}
    return next((form for operator, form in FORMS.items() if operator in held), "RELU")


def _ranges(graph: Graph, images: list[np.ndarray]) -> dict[str, tuple[float, float]]:
    """The least and largest value of each activation: enough here, where no dB are measured."""
    from export.quantize import quantizer
    from export.tflite import interpreter

    indices = quantizer.activations(graph)
    values = [interpreter.activations(graph, image, indices) for image in images]
    ends = [[(float(v.min()), float(v.max())) for v in column] for column in zip(*values, strict=True)]
    names = [graph.tensors[index].name for index in indices]
    return {name: (min(e[0] for e in found), max(e[1] for e in found)) for name, found in zip(names, ends, strict=True)}


def _middle(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of an image [h, w, C], mirrored at its borders where it is smaller than `size`."""
    import numpy as np

    missing = [max(wanted - have, 0) for wanted, have in zip(size[::-1], image.shape, strict=False)]
    image = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="symmetric")
    top, left = (image.shape[0] - size[1]) // 2, (image.shape[1] - size[0]) // 2
    return image[top : top + size[1], left : left + size[0]]


def _rows(core: userland.Core, files: list[File]) -> list[Row]:
    import numpy as np

    rows: list[Row] = []
    fp32: dict[str, float] = {}
    for file, result in zip(files, userland.run(core, [file.job for file in files]), strict=True):
        there = result.outputs
        pixels = file.job.images[0, 0].shape[0] * file.job.images[0, 0].shape[1]
        spent = float(np.mean(result.instructions)) / pixels
        base = fp32.setdefault(file.model, spent)  # a model's fp32 file comes first
        difference = float(np.abs(there.astype(np.float64) - file.here).max())
        differing = int(np.count_nonzero(there != file.here))
        steps = difference * 255 if file.precision == "fp32" else difference
        rows.append(Row(file.model, core.name, core.kind, file.precision, file.form, there.size, differing, steps,
                        spent, spent / base))  # fmt: skip
    return rows


def _print(rows: list[Row], title: str) -> None:
    """A line for each file, a column for each core."""
    lines: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        lines.setdefault((row.model, row.precision, row.form), []).append(row)
    header = ["file", "from this machine", *dict.fromkeys(f"{row.core}, {row.kind}" for row in rows)]
    cells = [[f"{row.instructions_per_pixel:.0f} ({row.ratio_to_fp32:.2f})" for row in line] for line in lines.values()]
    names = [f"{model} {precision}, {form}" for model, precision, form in lines]
    against = [_against(line) for line in lines.values()]
    body = [[name, said, *line] for name, said, line in zip(names, against, cells, strict=True)]
    common.print_table(header, body, title)


def _against(rows: list[Row]) -> str:
    """How a file's results on the cores differ from this machine's."""
    if rows[0].precision == "fp32":
        largest = max(row.largest_difference for row in rows)
        return f"{largest:.0e} of 255" if largest else "equal"
    others = [row for row in rows if row.differing]
    if not others:
        return "bytes equal"
    share = max(row.differing / row.values for row in others)
    return f"{share:.1g} of bytes differ on {', '.join(row.core for row in others)}"


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("measure.py", __doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=[], help="bundled models (the recommended ones)")
    parser.add_argument("--core", nargs="+", default=[], help=f"out of {', '.join(userland.CORES)} (all)")
    parser.add_argument("--size", default="96x64", help="low-resolution input (96x64)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    return parser


if __name__ == "__main__":
    common.run(main)
