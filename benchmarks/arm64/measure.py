"""Run the bundled models on emulated Arm cores: compare the output with this machine's, and count instructions.

    python benchmarks/arm64/measure.py [--model NAME ...] [--core NAME ...] [--json]

Runs the bundled fp32 and int8 files, and int8 with native PRELU (as `--target npu` writes it), on one thread, on the
center of each bundled image. Prints, for each file, the difference of the output to that on this machine, and the
executed instructions per LR pixel on each core, with their ratio to the model's fp32 file. The first run installs the
emulator (see `userland.py`).

Instructions are not time: caches, memory, clock frequency and the latency of instructions are not counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import userland

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common, tables
from ecbsr_mobile.errors import UsageError
from export import resolutions

if TYPE_CHECKING:
    import emulator
    import numpy as np

    from ecbsr_mobile.tflite import Graph

LABEL = "instructions, emulated"
ACTIVATIONS = {"PRELU": "PRELU", "DEPTHWISE_CONV_2D": "depthwise + ADD", "LEAKY_RELU": "one slope per layer"}
"""How an activation is written, by the operator that shows it; RELU is fused into the convolutions."""


@dataclass(frozen=True)
class File:
    """One file of a model, its input, and its output on this machine."""

    model: str
    precision: str
    activation: str
    job: emulator.Job
    expected: np.ndarray


@dataclass(frozen=True)
class Row:
    """A file on a core.

    `differing` of `values` output values differ from this machine's, by at most `largest_difference` in 1/255 of white.
    `instructions_per_pixel` is the mean over the images, per LR pixel; `ratio_to_fp32` compares it with the same
    model's fp32 file on the same core. `form` names how the activation is written (see `ACTIVATIONS`).
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
    import emulator

    size = resolutions.parse(options.size)
    _check_names("model", options.model, zoo.names())
    _check_names("core", options.core, emulator.CORES)
    if not userland.installed():
        userland.install(common.notice)
    common.notice("running the models on this machine")
    files = [file for name in options.model or zoo.recommended() for file in _files(name, size)]
    images = len(files[0].expected)
    rows = []
    for core in options.core or emulator.CORES:
        common.notice(f"running {len(files)} files on an emulated {core}, {images} images each")
        rows += _rows(emulator.CORES[core], files)
    rows.sort(key=lambda row: row.model)  # stable: ordered by core within a model
    versions = {"qemu-user": userland.package_versions()["qemu-user"], **userland.wheel_versions()}
    if options.json:
        document = {"label": LABEL, "versions": versions, "size": list(size), "pictures": images}
        common.print_json({**document, "rows": [asdict(row) for row in rows]})
    else:
        _print_table(rows, f"{images} images of {options.size}", versions)


def _check_names(kind: str, names: Sequence[str], known: Sequence[str] | Mapping[str, Any]) -> None:
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{kind} {unknown[0]!r} is not known; use one of {', '.join(known)}")


def _files(name: str, size: tuple[int, int]) -> list[File]:
    """The fp32 file of a bundled model and its int8 files: each way to write its activation, and `--fixed-size`."""
    import emulator
    import numpy as np
    from guest import outputs

    from ecbsr_mobile import images, tflite
    from ecbsr_mobile.tflite.four_pixels import with_four_pixels
    from ecbsr_mobile.tflite.image_io import input_image
    from export.quantize import quantizer
    from export.transforms.prelu import decompose_prelu
    from export.validation.sample_images import samples

    fp32, int8 = (tflite.at_size(tflite.read(zoo.tflite(name, kind)), *size) for kind in ("fp32", "int8"))
    scale, colors = tflite.scale_of(fp32), tflite.image_input(fp32).shape[3]
    whole = [sample.image for sample in samples(None, scale, colors)]
    crops = [images.center_crop(images.pad_to_size(image, size), size) for image in whole]
    fixed, native = with_four_pixels(int8), decompose_prelu(fp32, "native")
    graphs = {("fp32", _activation(fp32)): fp32, ("int8", _activation(int8)): int8}
    graphs |= {("int8 --fixed-size", _activation(int8)): fixed} if fixed is not int8 else {}
    graphs.setdefault(("int8", _activation(native)), quantizer.quantize(native, _observed_ranges(native, crops)))
    files = []
    for (precision, activation), graph in graphs.items():
        stored = np.stack([input_image(graph).store(crop) for crop in crops])
        job = emulator.Job(tflite.write(graph), stored)
        files.append(File(name, precision, activation, job, outputs(job.model, job.images)))
    return files


def _activation(graph: Graph) -> str:
    operators = {node.operator for node in graph.nodes}
    return next((name for operator, name in ACTIVATIONS.items() if operator in operators), "RELU")


def _observed_ranges(graph: Graph, images: Sequence[np.ndarray]) -> dict[str, tuple[float, float]]:
    """The min and max of each activation on the images. A search for better ranges would not change the counts."""
    from ecbsr_mobile.tflite import interpreter
    from export.quantize import quantizer

    indices = quantizer.activation_indices(graph)
    per_image = [interpreter.activations(graph, image, indices) for image in images]
    return {
        graph.tensors[index].name: (min(float(v.min()) for v in values), max(float(v.max()) for v in values))
        for index, values in zip(indices, zip(*per_image, strict=True), strict=True)
    }


def _rows(core: emulator.Core, files: Sequence[File]) -> list[Row]:
    import emulator
    import numpy as np

    rows: list[Row] = []
    fp32: dict[str, float] = {}
    for file, result in zip(files, emulator.run(core, [file.job for file in files]), strict=True):
        height, width = file.job.images.shape[2:4]
        instructions = float(np.mean(result.instructions)) / (height * width)
        fp32.setdefault(file.model, instructions)  # the first file of a model is its fp32 file
        difference = float(np.abs(result.outputs.astype(np.float64) - file.expected).max())
        rows.append(
            Row(
                model=file.model,
                core=core.name,
                kind=core.kind,
                precision=file.precision,
                form=file.activation,
                values=result.outputs.size,
                differing=int(np.count_nonzero(result.outputs != file.expected)),
                largest_difference=difference * 255 if file.precision == "fp32" else difference,
                instructions_per_pixel=instructions,
                ratio_to_fp32=instructions / fp32[file.model],
            )
        )
    return rows


def _print_table(rows: Sequence[Row], images: str, versions: dict[str, str]) -> None:
    """Print one line for each file, with one column for each core."""
    by_file: dict[str, list[Row]] = {}
    for row in rows:
        by_file.setdefault(f"{row.model} {row.precision}, {row.form}", []).append(row)
    cores = dict.fromkeys(f"{row.core}, {row.kind}" for row in rows)
    body = [
        [name, _difference(row), *(f"{r.instructions_per_pixel:.0f} ({r.ratio_to_fp32:.2f})" for r in row)]
        for name, row in by_file.items()
    ]
    title = f"{LABEL}, per LR pixel (ratio to fp32); {images}, 1 thread"
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    tables.print_table(["file", "vs x86-64", *cores], body, f"{title}\n{used}")


def _difference(rows: Sequence[Row]) -> str:
    """How the output of one file on the cores differs from this machine's."""
    if rows[0].precision == "fp32":
        largest = max(row.largest_difference for row in rows)
        return f"{largest:.0e} of 255" if largest else "equal"
    differing = [row for row in rows if row.differing]
    if not differing:
        return "bytes equal"
    share = max(row.differing / row.values for row in differing)
    return f"{share:.1g} of bytes differ on {', '.join(row.core for row in differing)}"


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("measure.py", __doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=[], help="bundled models (the recommended ones)")
    parser.add_argument("--core", nargs="+", default=[], help="A53, A55, A76, A710 (all)")
    parser.add_argument("--size", default="96x64", help="low-resolution input (96x64)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    return parser


if __name__ == "__main__":
    common.run(main)
