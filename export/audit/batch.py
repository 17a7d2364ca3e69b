"""Audits of several `.tflite` files: by tables, the runtime of this machine, an NPU compiler and the GPU delegate."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.tflite.reader import read_bytes
from ecbsr_mobile.utils.progress import Notify, Progress
from ecbsr_mobile.utils.scheduling import usable_cores

from ..resolutions import Size, sized
from ..validation.sample_crop import SampleCrop, run_sample_crop
from .model_audit import Audit, audit

T = TypeVar("T")


@dataclass(frozen=True)
class Audits:
    """The audits of several files, by path.

    Attributes:
        by_path: path → audit of the file.
        errors: path → why there is no audit, or no NPU report, of the file.
        models: path → bytes of each file in `by_path`.
        sample_crops: path → what the model computes for a crop of a bundled image, or why there is no result; empty
            if that was not requested.
    """

    by_path: dict[str, Audit]
    errors: dict[str, str]
    models: dict[str, bytes]
    sample_crops: dict[str, SampleCrop | str]

    @property
    def titles(self) -> list[str]:
        """The targets that the files have verdicts for, by their names for people."""
        return list(dict.fromkeys(verdict.title for audit in self.by_path.values() for verdict in audit.verdicts))

    @property
    def notes(self) -> dict[str, tuple[str, ...]]:
        """What to know about the values of the images of a file, by path."""
        return {path: crop.notes for path, crop in self.sample_crops.items() if isinstance(crop, SampleCrop)}

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        document: dict[str, Any] = {
            "files": [
                {"path": path, "bytes": len(self.models[path]), **audit.to_json()}
                for path, audit in self.by_path.items()
            ]
        }
        notes = [{"path": path, "note": note} for path, notes in self.notes.items() for note in notes]
        if notes:
            document["notes"] = notes
        if self.errors:
            document["errors"] = [{"path": path, "error": error} for path, error in self.errors.items()]
        return document


def audit_all(
    files: Iterable[str | os.PathLike[str]],
    socs: Sequence[str] = (),
    size: Size | None = None,
    emulate: bool = False,
    keep: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    sample_crops: bool = False,
    gpu: str | None = None,
    value_range: float | None = None,
    notice: Notify = lambda _text: None,
    progress: Progress = lambda items, _label: items,
) -> Audits:
    """Audit files, and the `.tflite` files in folders.

    Args:
        files: paths of files and folders.
        socs: SoCs to compile for with the vendor's NPU compiler, see `npu.socs.parse_socs`; empty: none.
        size: (width, height) of the LR input to compile for; None: see `resolutions.sized`.
        emulate: run the compiled models in the vendor's emulator, on a crop of a bundled image.
        keep: folder for the compiled files; None deletes them.
        overwrite: replace files in `keep`.
        sample_crops: run each model on the crop even if nothing is emulated.
        gpu: precision in which the GPU delegate of this machine is asked about each file and runs the crop, see
            `gpu.results.PRECISIONS`; None: it is not asked.
        value_range: 1, 255 or -1, the range of float values for the crop; None: see `tflite_range`.
        notice: called with the compiler's license notice before the compiler runs.
        progress: wraps the work to show progress.

    Raises:
        UsageError: a file in `keep` would be replaced without `overwrite`, or a file records another `value_range`.
        EcbsrError: the compiler is not installed, or `keep` cannot be written to.
    """
    audits: dict[str, Audit] = {}
    errors: dict[str, str] = {}
    models: dict[str, bytes] = {}

    def audit_file(path: str) -> tuple[bytes, Audit]:
        if os.path.isdir(path):
            raise EcbsrError(f"{path}: contains no .tflite file")
        data = read_bytes(path)
        return data, audit(data, path)

    for path, result in _at_once(audit_file, tflite_paths(files), threading.Event(), progress, "auditing"):
        try:
            models[path], audits[path] = result()
        except EcbsrError as error:
            errors[path] = str(error)
    crops = _sample_crops(models, value_range, progress) if emulate or sample_crops or gpu else {}
    if socs and models:
        from ..npu.runner import compile_models

        resized: dict[str, bytes] = {}
        for path, model in models.items():
            try:
                resized[path] = sized(model, size)
            except EcbsrError as error:
                errors[path] = str(error)
        reports = compile_models(
            resized, socs, crops if emulate else None, keep, overwrite=overwrite, notice=notice, progress=progress
        )
        audits |= {path: replace(audits[path], npu=report) for path, report in reports.items()}
    if gpu and models:
        from ..gpu.runner import query_models

        answers = query_models(models, gpu, crops, progress=progress)
        audits |= {path: replace(audits[path], gpu=report) for path, report in answers.items()}
    return Audits(audits, errors, models, crops)


def tflite_paths(files: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The paths without duplicates, each folder replaced by the `.tflite` files in it."""
    paths: list[str] = []
    for file in map(Path, files):
        # A folder without .tflite files stays: it gives an error like a file that cannot be read.
        inside = sorted(str(path) for path in file.glob("*.tflite") if not path.is_dir()) if file.is_dir() else []
        paths += inside or [str(file)]
    return list(dict.fromkeys(paths))


def _sample_crops(
    models: Mapping[str, bytes], value_range: float | None, progress: Progress
) -> dict[str, SampleCrop | str]:
    crops: dict[str, SampleCrop | str] = {}
    stop = threading.Event()

    def run(path: str) -> SampleCrop:
        return run_sample_crop(models[path], models.values(), stop, Path(path).name, value_range)

    for path, result in _at_once(run, list(models), stop, progress, "running"):
        try:
            crops[path] = result()
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
        except EcbsrError as error:
            crops[path] = str(error)
    return crops


def _at_once(
    work: Callable[[str], T], paths: Sequence[str], stop: threading.Event, progress: Progress, label: str
) -> Iterator[tuple[str, Callable[[], T]]]:
    """Work on as many files at once as there are cores, since most of the time goes into the start of processes.

    Yields each path, in order, and a function that returns its result or raises its error. `stop` is set at the end.
    """
    pool = ThreadPoolExecutor(len(usable_cores()))
    try:
        futures = [(path, pool.submit(work, path)) for path in paths]
        for path, future in progress(futures, label):
            yield path, future.result
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
