"""The whole way in one call: weights → ONNX → TFLite files that are calibrated, measured, audited and say how."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.files import write_bytes

from . import recipe, resolutions, tflite
from .audit.model_audit import audit
from .convert import onnx_to_tflite
from .convert.onnx_builder import onnx_model
from .npu import results
from .npu.results import CompileReports
from .options import DEFAULT_PRECISIONS, DEFAULT_SIZE, MAX_DROP, Job, Progress, checked
from .quantize.int8 import int8_graph
from .resolutions import Size
from .results import Exported, ExportedFile
from .tflite import interpreter
from .transforms.fp16 import with_fp16_constants
from .transforms.io_dtype import with_io_dtype
from .validation import quality
from .validation.quality import Loss, Reference
from .validation.sample_images import CONVERSION_SIZE, Sample, frame, samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecbsr_mobile.architecture import Activation
    from ecbsr_mobile.network import PlainNet

ANY_TARGET = "any"  # float files are the same for every target


def export(
    net: PlainNet | str | os.PathLike[str],
    out: str | os.PathLike[str] = ".",
    precisions: Sequence[str] = DEFAULT_PRECISIONS,
    sizes: Sequence[str | Size] = (DEFAULT_SIZE,),
    target: str = "cpu",
    calibration: str | os.PathLike[str] | None = None,
    io: str = "int8",
    refine: float | None = None,
    max_drop: float = MAX_DROP,
    onnx: bool = False,
    identity: bool | None = None,
    value_range: float | None = None,
    activation: Activation | None = None,
    npu: str | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a network as TFLite files, and as ONNX; nothing is written unless everything passes.

    Args:
        net: a plain network, a weights file, or a bundled model's name.
        out: folder for the files, which are named like `ecbsr-m4c16-x2-int8-cpu-480x270.tflite`.
        precisions: of the TFLite files, out of fp32, fp16 and int8; may be empty with `onnx`.
        sizes: of the LR input, as (width, height), "960x540" or "540p"; a TFLite file each.
        target: what runs the int8 file: cpu, gpu, nnapi or npu (see `forms`).
        calibration: a folder of pictures like those the network is for; None takes the bundled ones.
        io: what the int8 file takes and gives: int8, uint8 or float32 (see `edges`).
        refine: seconds to learn weights and ranges for int8 from the float network's own results. 0: weights
            that were trained for int8 are taken as they are, for others ranges are searched. None: 60 for
            weights that were not trained for int8, 0 for those that were and for bundled models.
        max_drop: dB of PSNR that a file may lose against the float network.
        onnx: whether to write ONNX, of free size, too.
        identity: with `value_range` and `activation`, what weights files do not say: see `checkpoint.load`.
        value_range: see `identity`.
        activation: see `identity`.
        npu: whose NPU compiler is asked about each file, like "qualcomm" or "qualcomm:SM8650"; its word is stored
            in the file's recipe.
        progress: is told what is being done.

    Raises:
        UsageError: an option that is not known.
        EcbsrError: weights or pictures that cannot be used, a conversion that went wrong, a loss above
            `max_drop`, a folder that cannot be written to, or an NPU compiler that is not installed.
    """
    job = checked(out, precisions, sizes, target, calibration, io, _seconds(refine, net), max_drop, onnx, npu, progress)
    with ExitStack() as stack:
        # First of all, for TensorFlow takes its time to start.
        converter = stack.enter_context(onnx_to_tflite.converter()) if job.precisions else None
        plain = _network(net, identity, value_range, activation)
        made = [_onnx_file(job, plain)] if job.onnx else []
        if converter:
            made += _tflite_files(job, plain, converter)
    for file, data in made:
        write_bytes(file.path, data)
    return Exported(recipe.model(plain), tuple(file for file, _ in made))


@dataclass(frozen=True)
class _Subject:
    """The network, onnxruntime's word on it, pictures to try it on, and what it makes of them."""

    net: PlainNet
    reference: Reference
    pictures: Sequence[Sample]
    expected: Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class _Variant:
    """One precision of the network, good for every size."""

    precision: str
    target: str
    graph: tflite.Graph
    loss: Loss
    calibration: dict[str, Any] | None  # where the int8 weights and ranges come from
    reference: Reference  # what it must equal, or, in int8, come near


_Made = tuple[ExportedFile, bytes]


def _onnx_file(job: Job, net: PlainNet) -> _Made:
    import torch

    model = onnx_model(net)
    image = np.random.default_rng(0).random((21, 34, net.architecture.colors), np.float32)
    with torch.inference_mode():
        expected = net(torch.from_numpy(image.transpose(2, 0, 1))[None])[0].numpy().transpose(1, 2, 0)
    result = Reference(model, net.architecture.radius).run(image)
    error = float(np.abs(result - expected).max())
    if not error <= quality.FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise EcbsrError(f"the ONNX model is {error:.1e} from torch's result, so nothing was written")
    counts: dict[str, int] = {}
    for node in model.graph.node:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    data = model.SerializeToString(deterministic=True)
    path = job.out / f"{net.name}.onnx"
    number = {"dtype": "float32", "scale": None, "zero_point": None}
    digest = hashlib.sha256(data).hexdigest()
    return ExportedFile(
        path, "onnx", "fp32", ANY_TARGET, None, len(data), digest, counts, number, number, error, None, None
    ), data  # fmt: skip


def _tflite_files(job: Job, net: PlainNet, converter: onnx_to_tflite.Converter) -> list[_Made]:
    arch = net.architecture
    job.progress("converting with onnx2tf and TensorFlow, which take about ten seconds to start")
    pictures = samples(job.calibration, arch.scale, arch.colors)
    reference = Reference(onnx_model(net), arch.radius)
    subject = _Subject(net, reference, pictures, [reference.run(picture.image) for picture in pictures])
    graph = converter.float_graph(onnx_model(net, CONVERSION_SIZE))
    noise = np.random.default_rng(0).random((CONVERSION_SIZE[1], CONVERSION_SIZE[0], arch.colors), np.float32)
    for image in (noise, frame(pictures[0], CONVERSION_SIZE)):
        quality.check_float(tflite.write(graph), subject.reference, image, "the converted network")
    variants = [_variant(job, subject, precision, graph) for precision in job.precisions]
    asked = _npu_verdicts(job, net, variants)
    made = []
    for variant in variants:
        job.progress(f"{variant.precision}: writing and checking {len(job.sizes)} size{'s' * (len(job.sizes) > 1)}")
        made += [_tflite_file(job, subject, variant, size, asked.get(_name(net, variant, size))) for size in job.sizes]
    below_bicubic_warning = quality.below_bicubic_warning(variants[-1].loss, pictures)
    if below_bicubic_warning:
        warnings.warn(below_bicubic_warning, UserWarning, stacklevel=3)
    return made


def _variant(job: Job, subject: _Subject, precision: str, graph: tflite.Graph) -> _Variant:
    calibration, target, reference = None, ANY_TARGET, subject.reference
    if precision == "fp16":
        # On this machine it computes in float32, with weights rounded to float16: that is exact, too.
        graph, reference = with_fp16_constants(graph), Reference(onnx_model(_halved(subject.net)), reference.radius)
    if precision == "int8":
        target = job.target
        graph, calibration = int8_graph(
            graph, subject.net, subject.pictures, target, job.refine, lambda said: job.progress(f"int8: {said}")
        )
        graph = with_io_dtype(graph, job.io)
    job.progress(f"{precision}: measuring on {len(subject.pictures)} pictures")
    loss = quality.measure(graph, subject.expected, subject.pictures)
    quality.gate(loss, job.max_drop, f"{subject.net.name} in {precision}")
    return _Variant(precision, target, graph, loss, calibration, reference)


def _npu_verdicts(job: Job, net: PlainNet, variants: Sequence[_Variant]) -> Mapping[str, CompileReports]:
    """What the NPU compiler makes of each file to come, by its name; to it the recipe does not matter."""
    if not job.npu:
        return {}

    from .npu.runner import compile_models

    job.progress(f"asking the NPU compiler for {', '.join(job.npu)}")
    files = {
        _name(net, variant, size): tflite.write(tflite.at_size(variant.graph, *size))
        for variant in variants
        for size in job.sizes
    }
    return compile_models(files, job.npu, notice=job.progress)


def _name(net: PlainNet, variant: _Variant, size: Size) -> str:
    parts = [net.name, variant.precision, *([] if variant.target == ANY_TARGET else [variant.target])]
    return "-".join([*parts, resolutions.name(size)])


def _tflite_file(job: Job, subject: _Subject, variant: _Variant, size: Size, npu: CompileReports | None) -> _Made:
    told = _recipe(job, subject.net, variant, size)
    if npu is not None:
        told["npu"] = results.for_recipe(npu)
    data = tflite.write(tflite.at_size(recipe.write(variant.graph, told), *size))
    name = _name(subject.net, variant, size)
    first = size == job.sizes[0]
    error = _check(subject, variant, data, size if first else None, name)
    graph = tflite.read(data)
    ends = [_end(graph.tensors[index]) for index in (*graph.inputs, *graph.outputs)]
    return ExportedFile(
        job.out / f"{name}.tflite",
        "tflite",
        variant.precision,
        variant.target,
        size,
        len(data),
        hashlib.sha256(data).hexdigest(),
        tflite.operators(graph),
        ends[0],
        ends[1],
        error,
        variant.loss,
        replace(audit(data, run_xnnpack=first), npu=npu),
    ), data


def _check(subject: _Subject, variant: _Variant, data: bytes, size: Size | None, name: str) -> float:
    """Run a file before it gets its name; its largest error.

    At its own `size`; None for a further size, which LiteRT works out the shapes of, but which is run at a small
    size: opening a large one for XNNPACK takes tenths of a second.
    """
    if size is None:
        interpreter.check_shapes(data, name)
        size = CONVERSION_SIZE
        data = tflite.write(tflite.at_size(tflite.read(data), *size))
    image = frame(subject.pictures[0], size)
    if variant.precision == "int8":
        return quality.check_int8(data, variant.reference, image, variant.loss.fidelity_db, name)
    error = quality.check_float(data, variant.reference, image, name)
    same = variant.reference is subject.reference
    return error if same else quality.largest_error(data, subject.reference, image)


def _recipe(job: Job, net: PlainNet, variant: _Variant, size: Size) -> dict[str, Any]:
    return {
        "model": recipe.model(net),
        "weights": {"sha256": recipe.weights_hash(net)},
        "size": list(size),
        "precision": variant.precision,
        "target": variant.target,
        "io": job.io if variant.calibration else "float32",
        "range": [0, 1],
        "calibration": variant.calibration,
        "loss": {**variant.loss.to_json(), "max_drop_db": job.max_drop},
        "versions": recipe.versions(),
    }


def _seconds(refine: float | None, net: PlainNet | str | os.PathLike[str]) -> float | None:
    """Bundled models are not refined unasked: what they were not trained for, they are searched ranges for."""
    return 0.0 if refine is None and str(net) in zoo.names() else refine


def _halved(net: PlainNet) -> PlainNet:
    from copy import deepcopy

    return deepcopy(net).half().float()


def _end(tensor: tflite.Tensor) -> dict[str, Any]:
    found = tensor.quantization
    scale, zero_point = (float(found.scale[0]), int(found.zero_point[0])) if found else (None, None)
    return {"dtype": tensor.dtype.name, "scale": scale, "zero_point": zero_point}


def _network(
    net: PlainNet | str | os.PathLike[str],
    identity: bool | None,
    value_range: float | None,
    activation: Activation | None,
) -> PlainNet:
    from copy import deepcopy

    from ecbsr_mobile.checkpoint import load

    if isinstance(net, str | os.PathLike):
        return load(net, identity=identity, value_range=value_range, activation=activation)
    if (identity, value_range, activation) != (None, None, None):
        raise UsageError("identity, value_range and activation belong to a weights file, not to a network")
    return deepcopy(net).cpu().float().requires_grad_(False).eval()
