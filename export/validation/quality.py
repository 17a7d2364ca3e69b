"""Checks of a TFLite graph against onnxruntime: whether it computes the network, and how much PSNR it loses.

onnxruntime runs the ONNX model, so that an error of the TFLite converter cannot affect both sides.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile import images, metrics
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import PROBE_SIZE, Graph, interpreter, read

from .sample_images import Sample

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

FLOAT_TOLERANCE = 1e-5
"""Largest error of a float file, relative to white, or to the largest value where that is above white."""

CHECK_SIZE = PROBE_SIZE
"""(width, height) of the small image on which a graph of any size is checked."""

FLOAT_ROUNDING_DB = 100.0
"""PSNR from which two results differ by the rounding of float32 alone, which depends on the processor."""

SAME_DB = 50.0
"""PSNR to HR that counts at most: above it nobody sees a difference, and the rounding of a few pixels decides."""

MIN_FIDELITY_DB = 25.0
"""PSNR of a file's result against its network's below which it computes something else, whatever HR says."""

WINDOW = 64  # LR pixels along a side of a corner; of a large image, only two corners are compared


class Reference:
    """An ONNX model with dynamic height and width, run by onnxruntime."""

    def __init__(self, model: onnx.ModelProto, radius: int) -> None:
        """`radius` is the radius of the receptive field in LR pixels."""
        # From 1.29 on, onnxruntime sends telemetry to Microsoft unless this is set before its import.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self.radius = radius

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """SR [s·h, s·w, C] of an image [h, w, C] in [0, 1], not clipped."""
        batch = np.ascontiguousarray(image.transpose(2, 0, 1))[None]
        result: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0][0].transpose(1, 2, 0)
        return result


@dataclass(frozen=True)
class Loss:
    """PSNR of the float network and of a file made from it, in dB.

    Attributes:
        psnr_float: mean PSNR of the float network against HR over the images, each at most `SAME_DB`, on luma rounded
            to 8 bits without a border of `scale` pixels.
        psnr: the same of the file, from the same 8-bit LR images.
        fidelity_db: mean PSNR of the file's result against the float network's, both clipped to [0, 1] and not
            rounded; None where that is at least `FLOAT_ROUNDING_DB`.
        pictures: number of images.
    """

    psnr_float: float
    psnr: float
    fidelity_db: float | None
    pictures: int

    @property
    def drop_db(self) -> float:
        """Loss of PSNR; negative where the file is better than the float network."""
        return self.psnr_float - self.psnr

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, rounded so that files from different processors are equal."""
        return {
            "psnr_float_db": round(self.psnr_float, 3),
            "psnr_db": round(self.psnr, 3),
            "psnr_drop_db": round(self.drop_db, 3) + 0.0,  # 0.0 instead of -0.0
            "fidelity_db": None if self.fidelity_db is None else round(self.fidelity_db, 1),
            "pictures": self.pictures,
        }


def measure(graph: Graph, expected: Sequence[NDArray[np.float32]], samples: Sequence[Sample]) -> Loss:
    """The loss of a graph over whole images; `expected` is the float network's result [s·h, s·w, C] for each."""
    float_psnrs, psnrs, errors = [], [], []
    for sample, float_result in zip(samples, expected, strict=True):
        clipped = np.clip(float_result, 0, 1)
        result = np.clip(interpreter.run(graph, sample.image), 0, 1)
        float_psnrs.append(_psnr_to_hr(clipped, sample))
        psnrs.append(_psnr_to_hr(result, sample))
        errors.append(float(np.mean(np.square(result - clipped, dtype=np.float64))))
    fidelities = [metrics.psnr_from_mse(error, peak=1.0) for error in errors]
    fidelity = [decibels for decibels in fidelities if decibels < FLOAT_ROUNDING_DB]
    return Loss(
        psnr_float=float(np.mean(float_psnrs)),
        psnr=float(np.mean(psnrs)),
        fidelity_db=float(np.mean(fidelity)) if fidelity else None,
        pictures=len(samples),
    )


def below_bicubic_warning(expected: Sequence[NDArray[np.float32]], samples: Sequence[Sample]) -> str | None:
    """A warning where the float network is worse than bicubic: its weights may have been misread.

    `expected` is its result [s·h, s·w, C] for each sample.
    """
    psnrs, bicubics = [], []
    for sample, result in zip(samples, expected, strict=True):
        height, width = sample.hr_luma.shape
        bicubics.append(_psnr_to_hr(np.clip(images.resize_bicubic(sample.image, (width, height)), 0, 1), sample))
        psnrs.append(_psnr_to_hr(np.clip(result, 0, 1), sample))
    psnr, bicubic = float(np.mean(psnrs)), float(np.mean(bicubics))
    if psnr >= bicubic:
        return None
    return (
        f"the network gives {psnr:.2f} dB where bicubic gives {bicubic:.2f} dB: it is not trained, or not for "
        "PSNR, or its weights were misread (--identity, --range, --slope, --no-skip)"
    )


class QualityError(EcbsrError):
    """A file loses more than the quality gate allows."""


def check_drop(loss: Loss, max_drop: float, name: str, advice: Callable[[], list[str]] = list) -> None:
    """The quality gate: refuse a file that loses more than `max_drop` dB.

    Args:
        loss: the measured loss.
        max_drop: the largest loss allowed, in dB.
        name: the file, for the message.
        advice: called for what would lose less, if it is refused.

    Raises:
        QualityError: it loses more.
    """
    if not loss.drop_db <= max_drop:
        raise QualityError(
            f"{name} loses {loss.drop_db:.2f} dB ({loss.psnr:.2f} instead of {loss.psnr_float:.2f} dB on "
            f"{loss.pictures} images), more than the {max_drop:g} dB allowed, so nothing was written; "
            + ", ".join([*advice(), "or allow more (--max-drop)"])
        )


def far_warning(loss: Loss, name: str) -> str | None:
    """A warning where a file that passed the gate computes something else than its network.

    Errors can happen to be nearer to HR, as of a network that is not trained, or that changes an image by more than
    half of white, which an int8 residual cannot hold.
    """
    if loss.fidelity_db is None or loss.fidelity_db >= MIN_FIDELITY_DB:
        return None
    return (
        f"{name} is only {loss.fidelity_db:.1f} dB from the float network: it computes something else, though it loses "
        f"{loss.drop_db:.2f} dB against the originals; is the network trained to enlarge images?"
    )


def check_float(data: bytes, reference: Reference, image: NDArray[np.float32], name: str) -> float:
    """Run a float file on an image [h, w, C] of its size, in [0, 1], and return its largest error.

    The whole result is compared, or two opposite corners of a large image.

    Raises:
        EcbsrError: the error is above `FLOAT_TOLERANCE`.
    """
    error, tolerance = float_error(data, reference, image)
    if not error <= tolerance:
        raise EcbsrError(f"{name} is {error:.1e} from onnxruntime's result, more than {tolerance:.0e}: {_WRONG}")
    return error


def float_error(data: bytes, reference: Reference, image: NDArray[np.float32]) -> tuple[float, float]:
    """The largest error of a float file on an image of its size, and the largest that it may have; see `check_float`.

    NaN or infinity where the file or the reference gives such a value, or the file another shape.
    """
    error, largest, _ = _compare(data, reference, image)
    return error, FLOAT_TOLERANCE * max(1.0, largest)


def check_int8(
    data: bytes, reference: Reference, image: NDArray[np.float32], fidelity_db: float | None, name: str
) -> float:
    """Run an int8 file on an image [h, w, C] of its size, in [0, 1], and return its largest error; see `check_float`.

    The reference's result is clipped to [0, 1], as the file's is by its output range.

    Raises:
        EcbsrError: its root mean square error is more than four times that of the measured fidelity.
    """
    error, _, mean_square = _compare(data, reference, image, clip=True)
    expected = 0.0 if fidelity_db is None else 10 ** (-fidelity_db / 20)
    tolerance = max(4 * expected, 2 / 255)
    if not np.sqrt(mean_square) <= tolerance:
        raise EcbsrError(
            f"{name} is {np.sqrt(mean_square):.3f} (root mean square) from onnxruntime's result, "
            f"more than {tolerance:.3f}: {_WRONG}"
        )
    return error


_WRONG = "the conversion went wrong, so nothing was written; please report the versions of onnx2tf and tensorflow"


def _compare(
    data: bytes, reference: Reference, image: NDArray[np.float32], clip: bool = False
) -> tuple[float, float, float]:
    """Largest error, largest absolute value of the reference's result, and mean squared error."""
    graph = read(data)
    (result,) = interpreter.run_bytes(data, graph, image, graph.outputs)
    errors, largest = [], 0.0
    for inner in _windows(image.shape[0], image.shape[1]):
        outer = tuple(slice(max(part.start - reference.radius, 0), part.stop + reference.radius) for part in inner)
        expected = reference.run(image[outer])
        scale = expected.shape[0] // image[outer].shape[0]
        if result.shape != (image.shape[0] * scale, image.shape[1] * scale, expected.shape[2]):
            return float("inf"), 1.0, float("inf")
        starts = [i.start - o.start for i, o in zip(inner, outer, strict=True)]
        window = tuple(slice(s * scale, (s + i.stop - i.start) * scale) for s, i in zip(starts, inner, strict=True))
        expected = np.clip(expected[window], 0, 1) if clip else expected[window]
        errors.append((result[tuple(slice(i.start * scale, i.stop * scale) for i in inner)] - expected).ravel())
        largest = max(largest, float(np.abs(expected).max()))
    error = np.concatenate(errors).astype(np.float64)
    return float(np.abs(error).max()), largest, float(np.mean(error**2))


def _windows(height: int, width: int) -> list[tuple[slice, slice]]:
    if height <= 2 * WINDOW and width <= 2 * WINDOW:
        return [(slice(0, height), slice(0, width))]
    rows, columns = min(height, WINDOW), min(width, WINDOW)
    return [(slice(0, rows), slice(0, columns)), (slice(height - rows, height), slice(width - columns, width))]


def _psnr_to_hr(result: NDArray[np.float32], sample: Sample) -> float:
    pixels = images.round_to(result * 255, np.uint8)
    luma = pixels[:, :, 0] if pixels.shape[2] == 1 else images.round_to(images.luma(pixels), np.uint8)
    psnr = metrics.psnr(luma, sample.hr_luma, border=sample.hr_luma.shape[0] // sample.lr.shape[0])
    return min(psnr, SAME_DB)
