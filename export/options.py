"""What may be asked of an export, and the checks that need no model."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError, UsageError

from . import resolutions
from .npu import socs
from .resolutions import Size

PRECISIONS = ("fp32", "fp16", "int8")
TARGETS = ("cpu", "gpu", "nnapi", "npu")
"""What runs an int8 file; float files are the same for all."""

IO_DTYPES = ("int8", "uint8", "float32")
"""What an int8 file takes and gives."""

DEFAULT_PRECISIONS = ("fp32", "int8")
DEFAULT_SIZE = "270p"
FINETUNE_SECONDS = 60.0
"""Seconds of learning for int8, for weights that were not trained for it."""

MAX_DROP = 0.25
"""dB that a file may lose against the float network before it is refused."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """An export as it was asked for; the arguments of `pipeline.export`, checked by `checked`."""

    out: Path
    precisions: tuple[str, ...]
    sizes: tuple[Size, ...]
    target: str
    calibration: str | os.PathLike[str] | None
    io: str
    refine: float | None
    max_drop: float
    onnx: bool
    npu: tuple[str, ...]  # SoCs whose compiler is asked
    progress: Progress


def checked(
    out: str | os.PathLike[str],
    precisions: Sequence[str],
    lr_sizes: Sequence[str | Size],
    target: str,
    calibration: str | os.PathLike[str] | None,
    io: str,
    refine: float | None,
    max_drop: float,
    onnx: bool,
    npu: str | None,
    progress: Progress | None,
) -> Job:
    """The job, if it makes sense and its folder can be written to.

    Raises:
        UsageError: an option that is not known, or nothing to do.
        EcbsrError: the folder cannot be written to, or the NPU compiler that is to be asked is not here.
    """
    if not precisions and not onnx:
        raise UsageError("nothing to write: ask for a precision, or for ONNX")
    wanted = resolutions.parse_all([lr_sizes] if isinstance(lr_sizes, str) else lr_sizes)
    if not wanted:
        raise UsageError(f"no size was asked for; give one such as {DEFAULT_SIZE}")
    if not max_drop >= 0:
        raise UsageError(f"a largest drop of {max_drop} dB makes no sense; give 0 or more")
    if refine is not None and not 0 <= refine < float("inf"):
        raise UsageError(f"{refine} seconds of refining make no sense; give 0 or more")
    named = (precisions,) if isinstance(precisions, str) else precisions
    job = Job(
        Path(out),
        tuple(dict.fromkeys(one_of("precision", precision, PRECISIONS) for precision in named)),
        wanted,
        one_of("target", target, TARGETS),
        calibration,
        one_of("io", io, IO_DTYPES),
        refine,
        float(max_drop),
        onnx,
        socs.parse_socs(npu) if npu else (),
        progress or (lambda _message: None),
    )
    _check_writable(job.out)
    if job.npu:
        from .npu.qualcomm_sdk import toolchain

        with toolchain():  # it may be missing, and the conversion takes its time
            pass
    return job


def one_of(what: str, value: str, known: Sequence[str]) -> str:
    """The value, if it is known.

    Raises:
        UsageError: it is not.
    """
    if value not in known:
        raise UsageError(f"{what} {value!r} is not known; use one of {', '.join(known)}")
    return value


def _check_writable(folder: Path) -> None:
    """Say at once, not after the conversion, that a folder cannot be written to."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise EcbsrError(f"cannot write into {folder}: {existing} is a file; choose another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise EcbsrError(f"cannot write into {folder}: {existing} is read-only; choose another folder")
