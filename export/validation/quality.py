"""What a graph costs in quality, and whether it is the network at all, measured against onnxruntime.

onnxruntime runs the ONNX model, which the TFLite converter has not touched: a converter that is wrong
cannot hide behind its own result.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile.errors import EcbsrError

from ..tflite import Graph, interpreter, read
from .sample_images import Sample

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

FLOAT_TOLERANCE = 1e-5
"""Largest error of a float file, in units of white, or of the largest value where that is above white."""

WINDOW = 64  # LR pixels along the side of what is compared at the corners of a large image


class Reference:
    """An ONNX model of free size, run by onnxruntime."""

    def __init__(self, model: onnx.ModelProto, radius: int) -> None:
        """`radius`: how many LR pixels away an input pixel can still change an output pixel."""
        # From 1.29 on, onnxruntime reports its use to Microsoft unless told not to before it is imported.
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
    """PSNR in dB of the float network and of a file made of it, and of the one against the other.

    `psnr_float` and `psnr` are means over the pictures against HR, on luma rounded to 8 bits without a border
    of `scale` pixels, both fed the same 8-bit LR; `drop_db` is their difference. `fidelity_db` is the PSNR of
    the file's result against the float network's (unrounded, clipped to [0, 1]); None if they are equal.
    """

    psnr_float: float
    psnr: float
    fidelity_db: float | None
    pictures: int

    @property
    def drop_db(self) -> float:
        """What the file loses; negative if it is the better."""
        return self.psnr_float - self.psnr

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded to what means something."""
        return {
            "psnr_float_db": round(self.psnr_float, 4),
            "psnr_db": round(self.psnr, 4),
            "psnr_drop_db": round(self.drop_db, 4),
            "fidelity_db": None if self.fidelity_db is None else round(self.fidelity_db, 3),
            "pictures": self.pictures,
        }


def measure(graph: Graph, expected: Sequence[NDArray[np.float32]], samples: Sequence[Sample]) -> Loss:
    """The loss of a graph over whole pictures; `expected` is the float network's result for each.

    Calibration has seen blocks of the same pictures, at most 24 of 64x64 LR pixels; all else is new to it.
    """
    floats, others, fidelities = [], [], []
    for sample, wanted in zip(samples, expected, strict=True):
        scale = sample.hr_luma.shape[0] // sample.lr.shape[0]
        clipped = np.clip(wanted, 0, 1)
        result = np.clip(interpreter.run(graph, sample.image), 0, 1)
        floats.append(_psnr_to_hr(clipped, sample, scale))
        others.append(_psnr_to_hr(result, sample, scale))
        fidelities.append(float(np.mean(np.square(result - clipped, dtype=np.float64))))
    fidelity = [-10 * np.log10(error) for error in fidelities if error > 0]
    return Loss(
        float(np.mean(floats)),
        float(np.mean(others)),
        float(np.mean(fidelity)) if fidelity else None,
        len(samples),
    )


def below_bicubic_warning(loss: Loss, samples: Sequence[Sample]) -> str | None:
    """What to tell a user whose float network is worse than bicubic: its weights may have been misread."""
    from ecbsr_mobile import images

    bicubic = []
    for sample in samples:
        height, width = sample.hr_luma.shape
        enlarged = images.resize_bicubic(sample.image, (width, height))
        bicubic.append(_psnr_to_hr(np.clip(enlarged, 0, 1), sample, height // sample.lr.shape[0]))
    least = float(np.mean(bicubic))
    if loss.psnr_float >= least:
        return None
    return (
        f"the network gives {loss.psnr_float:.2f} dB where bicubic gives {least:.2f} dB: either it is not trained, or "
        "its weights were misread (--identity, --range, --activation)"
    )


def gate(loss: Loss, most: float, what: str) -> None:
    """Refuse a file that loses more than `most` dB.

    Raises:
        EcbsrError: it does.
    """
    if not loss.drop_db <= most:
        raise EcbsrError(
            f"{what} loses {loss.drop_db:.2f} dB ({loss.psnr:.2f} instead of {loss.psnr_float:.2f} dB on "
            f"{loss.pictures} pictures), more than the {most:g} dB allowed, so nothing was written; "
            "calibrate on pictures like those it is for, train it for int8, or allow more (--max-drop)"
        )


def check_float(data: bytes, reference: Reference, image: NDArray[np.float32], what: str) -> float:
    """Run a float file on an image of its size; its largest error.

    The whole result is compared, or windows in two opposite corners if the image is large.

    Raises:
        EcbsrError: it is above `FLOAT_TOLERANCE`.
    """
    error, largest, _ = _compare(data, reference, image)
    tolerance = FLOAT_TOLERANCE * max(1.0, largest)
    if not error <= tolerance:
        raise EcbsrError(f"{what} is {error:.1e} from onnxruntime's result, more than {tolerance:.0e}: {_WRONG}")
    return error


def largest_error(data: bytes, reference: Reference, image: NDArray[np.float32]) -> float:
    """The largest error of a file on an image of its size, whatever it is."""
    return _compare(data, reference, image)[0]


def check_int8(
    data: bytes, reference: Reference, image: NDArray[np.float32], fidelity_db: float | None, what: str
) -> float:
    """Run an int8 file on an image of its size; its largest error (see `check_float`).

    Raises:
        EcbsrError: its mean error is beyond what its measured fidelity explains.
    """
    error, _, mean_square = _compare(data, reference, image, clip=True)
    expected = 0.0 if fidelity_db is None else 10 ** (-fidelity_db / 20)
    tolerance = max(4 * expected, 2 / 255)
    if not np.sqrt(mean_square) <= tolerance:
        raise EcbsrError(
            f"{what} is {np.sqrt(mean_square):.3f} (root mean square) from onnxruntime's result, "
            f"more than {tolerance:.3f}: {_WRONG}"
        )
    return error


_WRONG = "the conversion went wrong, so nothing was written; please report the versions of onnx2tf and tensorflow"


def _compare(
    data: bytes, reference: Reference, image: NDArray[np.float32], clip: bool = False
) -> tuple[float, float, float]:
    """(largest error, largest expected magnitude, mean square error)."""
    graph = read(data)
    (result,) = interpreter.run_bytes(data, graph, image, graph.outputs)
    errors, largest = [], 0.0
    for rows, columns in _windows(image.shape[0], image.shape[1]):
        inner, outer = (rows, columns), (_grown(rows, reference.radius), _grown(columns, reference.radius))
        expected = reference.run(image[outer])
        scale = expected.shape[0] // image[outer].shape[0]
        if result.shape != (image.shape[0] * scale, image.shape[1] * scale, expected.shape[2]):
            return float("inf"), 1.0, float("inf")
        starts = [i.start - o.start for i, o in zip(inner, outer, strict=True)]
        cut = tuple(slice(s * scale, (s + i.stop - i.start) * scale) for s, i in zip(starts, inner, strict=True))
        place = tuple(slice(i.start * scale, i.stop * scale) for i in inner)
        wanted = np.clip(expected[cut], 0, 1) if clip else expected[cut]
        errors.append((result[place] - wanted).ravel())
        largest = max(largest, float(np.abs(wanted).max()))
    error = np.concatenate(errors).astype(np.float64)
    return float(np.abs(error).max()), largest, float(np.mean(error**2))


def _windows(height: int, width: int) -> list[tuple[slice, slice]]:
    if height <= 2 * WINDOW and width <= 2 * WINDOW:
        return [(slice(0, height), slice(0, width))]
    rows, columns = min(height, WINDOW), min(width, WINDOW)
    return [(slice(0, rows), slice(0, columns)), (slice(height - rows, height), slice(width - columns, width))]


def _grown(part: slice, halo: int) -> slice:
    return slice(max(part.start - halo, 0), part.stop + halo)


def _psnr_to_hr(result: NDArray[np.float32], sample: Sample, scale: int) -> float:
    from ecbsr_mobile import images, metrics

    pixels = images.round_to(result * 255, np.uint8)
    luma = pixels[:, :, 0] if pixels.shape[2] == 1 else images.round_to(images.luma(pixels), np.uint8)
    return metrics.psnr(luma, sample.hr_luma, scale)
