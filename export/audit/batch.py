"""Several `.tflite` files audited at once: by the tables, by this machine, and by an NPU's own compiler."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ecbsr_mobile.errors import EcbsrError

from ..resolutions import Size
from ..tflite.reader import read_bytes
from ..validation.sample_crop import SampleCrop, show
from .model_audit import Audit, audit

Notice = Callable[[str], None]
Progress = Callable[[Sequence[Any], str], Iterable[Any]]


@dataclass(frozen=True)
class Audits:
    """Each file's audit, or why there is none, by its path.

    `models` holds the files' bytes, `shown` what each model makes of a bundled picture's tile, or why it
    shows nothing; empty where that was not asked for.
    """

    by_path: dict[str, Audit]
    errors: dict[str, str]
    models: dict[str, bytes]
    sample_crops: dict[str, SampleCrop | str]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        document: dict[str, Any] = {"files": [{"path": path, **one.to_json()} for path, one in self.by_path.items()]}
        if self.errors:
            document["errors"] = [{"path": path, "error": error} for path, error in self.errors.items()]
        return document


def audit_all(
    files: Iterable[str | os.PathLike[str]],
    socs: Sequence[str] = (),
    size: Size | None = None,
    emulate: bool = False,
    keep: str | os.PathLike[str] | None = None,
    pictures: bool = False,
    notice: Notice = lambda _text: None,
    progress: Progress = lambda items, _label: items,
) -> Audits:
    """Audit files, and the `.tflite` files of folders.

    Args:
        files: paths of files and folders.
        socs: whose NPU compiler is asked, see `npu.asked.socs`; empty to ask none.
        size: of the LR input that is compiled for, the file's own unless given (see `npu.check.sized`).
        emulate: whether the vendor's emulation runs what was compiled, on a bundled picture's tile.
        keep: folder for the compiled files.
        pictures: whether to run each model on the tile even if nothing is emulated.
        notice: is told the compiler's licence before it is called.
        progress: iterates over the work and shows how far it came.

    Raises:
        EcbsrError: a compiler that is not here, or `keep` cannot be written to.
    """
    found: dict[str, Audit] = {}
    errors: dict[str, str] = {}
    models: dict[str, bytes] = {}
    for path in progress(listed(files), "auditing"):
        try:
            models[path] = read_bytes(path)
            found[path] = audit(path)
        except EcbsrError as error:
            errors[path] = str(error)
    models = {path: models[path] for path in found}
    shown = _shown(models, progress) if emulate or pictures else {}
    if socs and found:
        from ..npu import runner

        asked: dict[str, bytes] = {}
        for path, model in models.items():
            try:
                asked[path] = runner.sized(model, size)
            except EcbsrError as error:
                errors[path] = str(error)
        verdicts = runner.compile_models(
            asked, socs, shown if emulate else None, keep=keep, notice=notice, progress=progress
        )  # fmt: skip
        found |= {path: replace(found[path], npu=verdict) for path, verdict in verdicts.items()}
    return Audits(found, errors, models, shown)


def listed(files: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The paths, folders replaced by the `.tflite` files in them, each once."""
    paths: list[str] = []
    for file in map(Path, files):
        if not file.is_dir():
            paths.append(str(file))
            continue
        # A folder without any stays, to be told of as what it is.
        paths += sorted(str(path) for path in file.glob("*.tflite")) or [str(file)]
    return list(dict.fromkeys(paths))


def _shown(models: dict[str, bytes], progress: Progress) -> dict[str, SampleCrop | str]:
    shown: dict[str, SampleCrop | str] = {}
    for path, model in progress(list(models.items()), "running"):
        try:
            shown[path] = show(model, models.values())
        except EcbsrError as error:
            shown[path] = str(error)
    return shown
