"""From weights to files in one call: ONNX, and TFLite files that are calibrated, measured and audited."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.errors import EcbsrError, OptionError, UsageError
from ecbsr_mobile.tflite import interpreter, recipe
from ecbsr_mobile.tflite.four_pixels import with_four_pixels
from ecbsr_mobile.utils.files import check_outputs, check_writable, write_bytes
from ecbsr_mobile.utils.progress import Notify

from . import resolutions
from .audit.model_audit import audit
from .convert import onnx_to_tflite
from .convert.onnx_builder import onnx_model
from .device_reports import DeviceReports, check_available, device_reports
from .float_graph import FloatGraph, float_graph
from .options import INT16_TARGETS, ExportOptions
from .quantize.int8 import Int8Result, balanced_network, decompositions, int8_graph, network_for_int8
from .quantize.int16x8 import int16x8_graph
from .quantize.qat_weights import with_qat_weights
from .resolutions import Size
from .results import Exported, ExportedFile, io_info
from .transforms.fp16 import with_fp16_constants
from .transforms.io_dtype import with_io_dtype
from .validation import quality
from .validation.quality import Loss, Reference
from .validation.sample_images import Sample, drawings, frame, samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecbsr_mobile.network import PlainNet

ANY_TARGET = "any"
"""Target of float files, which are the same for every target."""

QUANTIZED = ("int8", "int16x8")
"""Precisions of files for one target."""


def export(
    net: PlainNet | str | os.PathLike[str],
    out: str | os.PathLike[str] = ".",
    options: ExportOptions | None = None,
    *,
    progress: Notify | None = None,
    **changes: Any,
) -> Exported:
    """Write a network as TFLite files and as ONNX; nothing is written unless every file passes its checks.

    Args:
        net: a plain network, a weights file, or the name of a bundled model.
        out: folder for the files, which get names like `ecbsr-m4c16-x2-int8-cpu-480x270.tflite`.
        options: see `ExportOptions`; None for the defaults.
        progress: called with a message when a step starts.
        **changes: fields of `ExportOptions` that differ from `options`: `export(net, "out", target="npu")`.

    Raises:
        UsageError: an option that is not known, or a file exists and `overwrite` is false.
        EcbsrError: weights or images that cannot be used, a failed conversion, a loss above `max_drop`, a folder that
            cannot be written to, or an NPU compiler or GPU that is not there.
    """
    options = replace(options or ExportOptions(), **changes)
    check_writable(out)
    check_available(options)
    with ExitStack() as stack:
        # Started first: TensorFlow loads in the child process meanwhile.
        converter = stack.enter_context(onnx_to_tflite.converter()) if options.precisions else None
        plain = _load(net, options)
        if isinstance(net, str | os.PathLike) and os.fspath(net) in zoo.names():
            options = _without_finetuning(options)
        if options.fixed_size and (plain.architecture.scale, plain.architecture.colors) != (2, 1):
            raise OptionError(f"{{fixed_size}} gains nothing for {plain.name}, only for luma at x2; leave it out")
        run = _Run(plain, Path(out), options, progress or (lambda _message: None))
        check_outputs(_paths(run), options.overwrite)
        files = [_onnx_file(run)] if options.onnx else []
        if converter:
            files += _tflite_files(run, converter)
    for file, data in files:
        write_bytes(file.path, data, options.overwrite)
    return Exported(recipe.model(plain), tuple(file for file, _ in files))


@dataclass(frozen=True)
class _Run:
    """What is exported, where to, and how."""

    net: PlainNet
    folder: Path
    options: ExportOptions
    progress: Notify


_CheckedFile = tuple[ExportedFile, bytes]
"""A file that passed its checks and is not written yet."""


@dataclass(frozen=True)
class _Baseline:
    """The float network in onnxruntime, and its results [s·h, s·w, C] for the LR images of the samples."""

    reference: Reference
    samples: Sequence[Sample]
    expected: Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class _PrecisionGraph:
    """The network in one precision, at any size.

    `reference` runs the network whose result a float file must equal and an int8 file must come near; `calibration` is
    the recipe's entry on the int8 weights and ranges, None for float; `converter` has its entries on the float graph.
    """

    precision: str
    target: str
    graph: tflite.Graph
    loss: Loss
    calibration: dict[str, Any] | None
    reference: Reference
    converter: dict[str, Any]


def _paths(run: _Run) -> list[Path]:
    """The files that a run writes."""
    names = [f"{run.net.name}.onnx"] if run.options.onnx else []
    for precision in run.options.file_precisions:
        names += [f"{_file_name(run, precision, size)}.tflite" for size in run.options.lr_sizes]
    return [run.folder / name for name in names]


def _file_name(run: _Run, precision: str, size: Size) -> str:
    """The name of a `.tflite` file, without its extension."""
    target = [run.options.target] if precision in QUANTIZED else []
    fixed = ["fixed"] if precision == "int8" and run.options.fixed_size else []
    return "-".join([run.net.name, precision, *target, *fixed, resolutions.name(size)])


def _onnx_file(run: _Run) -> _CheckedFile:
    import torch

    net = run.net
    model = onnx_model(net)
    image = np.random.default_rng(0).random((21, 34, net.architecture.colors), np.float32)
    with torch.inference_mode():
        expected = net(torch.from_numpy(image.transpose(2, 0, 1))[None])[0].numpy().transpose(1, 2, 0)
    error = float(np.abs(Reference(model, net.architecture.radius).run(image) - expected).max())
    if not error <= quality.FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise EcbsrError(f"the ONNX model is {error:.1e} from torch's result, so nothing was written")
    data = model.SerializeToString(deterministic=True)
    float32 = {"dtype": "float32", "scale": None, "zero_point": None}
    entry = ExportedFile(
        path=run.folder / f"{net.name}.onnx",
        format="onnx",
        precision="fp32",
        target=ANY_TARGET,
        size=None,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        operators=dict(Counter(node.op_type for node in model.graph.node)),
        input=float32,
        output=float32,
        max_abs_error=error,
        loss=None,
        audit=None,
    )
    return entry, data


def _tflite_files(run: _Run, converter: onnx_to_tflite.Converter) -> list[_CheckedFile]:
    arch, options = run.net.architecture, run.options
    run.progress("converting: onnx2tf takes about ten seconds to start")
    sample_images = samples(options.calibration, arch.scale, arch.colors)
    reference = Reference(onnx_model(run.net), arch.radius)
    baseline = _Baseline(reference, sample_images, [reference.run(sample.image) for sample in sample_images])
    warning = quality.below_bicubic_warning(baseline.expected, sample_images)
    if warning:  # before anything is learned from a network that may be misread
        careful = _without_finetuning(options)
        left_out = "" if careful is options else ". It is not fine-tuned (--finetune STEPS does it all the same)"
        warnings.warn(warning + left_out, UserWarning, stacklevel=3)
        run = replace(run, options=careful)
    made = float_graph(run.net, converter, reference, sample_images[0])
    if made.failure:
        warnings.warn(f"{made.failure}; the graph was built directly instead", UserWarning, stacklevel=3)
    graphs = [_precision_graph(run, baseline, precision, made) for precision in options.file_precisions]
    files_by_name = {
        _file_name(run, item.precision, size): tflite.write(tflite.at_size(item.graph, *size))
        for item in graphs
        for size in options.lr_sizes
        if options.npu or options.gpu
    }
    reports = device_reports(files_by_name, options, run.progress)
    files = []
    for item in graphs:
        count = len(options.lr_sizes)
        run.progress(f"{item.precision}: writing and checking {count} size{'s' * (count > 1)}")
        for size in options.lr_sizes:
            report = reports.get(_file_name(run, item.precision, size), DeviceReports())
            files.append(_tflite_file(run, baseline, item, size, report))
    return files


def _precision_graph(run: _Run, baseline: _Baseline, precision: str, made: FloatGraph) -> _PrecisionGraph:
    options, graph, reference = run.options, made.graph, baseline.reference
    calibration = None
    advice: Callable[[], list[str]] = list

    def progress(text: str) -> None:
        run.progress(f"{precision}: {text}")

    if precision == "fp16":
        graph, reference = with_fp16_constants(graph), _fp16_reference(run.net)
    elif precision == "int8":
        quantized = _int8_result(run, baseline, graph, progress)
        advice = partial(_advice, run, baseline, graph, quantized)
        graph, calibration = quantized.graph, quantized.entry
        if options.fixed_size:
            graph = with_four_pixels(graph)  # `at_size` keeps this form
    elif precision == "int16x8":
        even = with_qat_weights(graph, balanced_network(run.net, baseline.samples))
        graph, calibration = int16x8_graph(even, baseline.samples, progress)
    target = options.target if precision in QUANTIZED else ANY_TARGET
    if precision in QUANTIZED:
        graph = with_io_dtype(graph, options.io_dtype)
    progress(f"measuring on {len(baseline.samples)} images")
    loss = quality.measure(graph, baseline.expected, baseline.samples)
    quality.check_drop(loss, options.max_drop, f"{run.net.name} in {precision}", advice)
    far = quality.far_warning(loss, f"{run.net.name} in {precision}")
    if far:
        warnings.warn(far, UserWarning, stacklevel=4)
    if precision in QUANTIZED and options.calibration is not None:
        _warn_of_others(run, baseline.reference, graph, precision)
    return _PrecisionGraph(precision, target, graph, loss, calibration, reference, made.to_json())


def _fp16_reference(net: PlainNet) -> Reference:
    """The network as a CPU computes it from float16 weights: rounded, then in float32. The results are equal."""
    rounded = deepcopy(net).half().float()
    if net.architecture.activation == "leaky":  # an option of LEAKY_RELU, which stays float32
        rounded.acts.load_state_dict(net.acts.state_dict())
    return Reference(onnx_model(rounded), net.architecture.radius)


def _int8_result(run: _Run, baseline: _Baseline, graph: tflite.Graph, progress: Notify) -> Int8Result:
    """The network in int8; `graph` is its float graph."""
    options = run.options
    net, graph = network_for_int8(run.net, graph)
    arch = net.architecture
    typical = drawings(arch.scale, arch.colors) if options.calibration is None else []
    candidates = decompositions(net, options.target, options.prelu)
    return int8_graph(graph, net, [*baseline.samples, *typical], candidates, options.finetune, progress)


def _warn_of_others(run: _Run, reference: Reference, graph: tflite.Graph, precision: str) -> None:
    """Warn where a file that is good on the user's images is not on the bundled ones."""
    arch = run.net.architecture
    others = samples(None, arch.scale, arch.colors)
    loss = quality.measure(graph, [reference.run(sample.image) for sample in others], others)
    if loss.drop_db > run.options.max_drop:
        warnings.warn(
            f"in {precision} {run.net.name} loses {loss.drop_db:.2f} dB on the bundled images, which it was not "
            f"calibrated on: give more and other images with --calibration, or leave it out",
            UserWarning,
            stacklevel=5,
        )


def _advice(run: _Run, baseline: _Baseline, graph: tflite.Graph, refused: Int8Result) -> list[str]:
    """What would lose less than a refused int8 file, with the figures that were measured.

    `graph` is the float graph that it was made from.
    """
    options, advice = run.options, []
    losses = {name: loss for name, loss in refused.calibrated_db.items() if name != refused.decomposition}
    for name, loss in losses.items():
        if loss < refused.calibrated_db[refused.decomposition]:
            advice.append(f"write PReLU as {name} (--prelu {name}, {loss:.2f} dB expected before fine-tuning)")
    if run.net.architecture.activation == "prelu" and options.prelu in ("single", "native"):
        advice.append("let PReLU be written as double (--prelu double)")
    if not refused.finetuned_steps:
        advice.append("fine-tune it (--finetune STEPS)")
    with suppress(EcbsrError):  # a weight beyond float16's range
        half = quality.measure(with_fp16_constants(graph), baseline.expected, baseline.samples)
        advice.append(f"use float16 weights (--fp16, which lose {half.drop_db:.2f} dB)")
    if options.target in INT16_TARGETS:
        advice.append("use 16-bit activations (--activations 16)")
    if options.calibration is None:
        advice.append("calibrate on images like those it is for (--calibration)")
    if not run.net.int8:
        advice.append("train it for int8 (ecbsr-train --int8)")
    return advice


def _tflite_file(
    run: _Run, baseline: _Baseline, item: _PrecisionGraph, size: Size, reports: DeviceReports
) -> _CheckedFile:
    name = _file_name(run, item.precision, size)
    graph = tflite.at_size(recipe.write(item.graph, _recipe(run, item, size, reports)), *size)
    data = tflite.write(graph)
    first = size == run.options.lr_sizes[0]
    entry = ExportedFile(
        path=run.folder / f"{name}.tflite",
        format="tflite",
        precision=item.precision,
        target=item.target,
        size=size,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        operators=tflite.operators(graph),
        input=io_info(graph.tensors[graph.inputs[0]]),
        output=io_info(graph.tensors[graph.outputs[0]]),
        max_abs_error=_checked_error(baseline, item, data, size if first else None, name),
        loss=item.loss,
        audit=replace(audit(data, run_xnnpack=first), npu=reports.npu, gpu=reports.gpu),
    )
    return entry, data


def _checked_error(baseline: _Baseline, item: _PrecisionGraph, data: bytes, size: Size | None, name: str) -> float:
    """Run a file on a sample before it is written, and return its largest error.

    It runs at its own `size`, or, for None, at a small one after a check of its shapes: loading a large size with
    XNNPACK takes tenths of a second.
    """
    if size is None:
        interpreter.check_shapes(data, name)
        size = quality.CHECK_SIZE
        data = tflite.write(tflite.at_size(tflite.read(data), *size))
    image = frame(baseline.samples[0], size)
    if item.precision in QUANTIZED:
        return quality.check_int8(data, item.reference, image, item.loss.fidelity_db, name)
    error = quality.check_float(data, item.reference, image, name)
    return error if item.reference is baseline.reference else quality.float_error(data, baseline.reference, image)[0]


def _recipe(run: _Run, item: _PrecisionGraph, size: Size, reports: DeviceReports) -> dict[str, Any]:
    return {
        "model": recipe.model(run.net),
        "weights": {"sha256": recipe.weights_hash(run.net)},
        "size": list(size),
        "precision": item.precision,
        "target": item.target,
        "io": run.options.io_dtype if item.precision in QUANTIZED else "float32",
        **({"fixed_size": True} if item.precision == "int8" and run.options.fixed_size else {}),
        "range": [0, 1],
        **item.converter,
        "calibration": item.calibration,
        "loss": {**item.loss.to_json(), "max_drop_db": run.options.max_drop},
        "versions": recipe.versions(),
        **reports.for_recipe(),
    }


def _load(net: PlainNet | str | os.PathLike[str], options: ExportOptions) -> PlainNet:
    """The network to export, in float32 on the CPU; one that is given is copied."""
    from ecbsr_mobile.checkpoint import load

    stated = {name: getattr(options, name) for name in ("identity", "value_range", "activation", "residual", "slope")}
    if isinstance(net, str | os.PathLike):
        return load(net, **stated)
    if any(value is not None for value in stated.values()):
        raise UsageError(f"{', '.join(stated)} belong to a weights file, not to a network")
    return deepcopy(net).cpu().float().requires_grad_(False).eval()


def _without_finetuning(options: ExportOptions) -> ExportOptions:
    """The options with only calibration, unless a number of steps was asked for."""
    untold = options.finetune is None and "int8" in options.precisions and options.activations == 8
    return replace(options, finetune=0) if untold else options
