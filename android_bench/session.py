"""A benchmark session: models and options in, `Results` out."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.files import write_bytes
from ecbsr_mobile.utils.lock import locked
from ecbsr_mobile.utils.progress import Notify
from ecbsr_mobile.utils.text import from_utf8, to_utf8

from . import schedule
from .config import DOWNLOADED, HOST, QNN_FETCH, Options
from .models import Model, read_models
from .queues import Queues, Step
from .results import aggregate, serialize
from .results.baseline import Comparison
from .results.journal import RUNS, Journal, ModelFile, Session, reopen
from .results.types import Results

WORK = "benchmark"
"""What the lock of a folder says is done there."""

REPORTS = ("results.json", "results.csv", "report.html")
"""The files of `publish`."""


def bench(
    models: Sequence[str | os.PathLike[str]] = (),
    *,
    runs: int = Options.iterations,
    out: str | os.PathLike[str] | None = None,
    progress: Notify | None = None,
    **options: Any,
) -> Results:
    """Benchmark `.tflite` models on devices.

    Args:
        models: `.tflite` files; empty for the recommended bundled models.
        runs: timed inferences in each process (`Options.iterations`).
        out: a new folder for `runs.jsonl`, `results.json`, `results.csv` and `report.html`.
        progress: called with a line of text for each step, from several threads.
        options: `devices`, `sizes`, `delegates`, `threads` and the other attributes of `Options`.

    Raises:
        EcbsrError: a model cannot be read, the only device cannot be used, or `out` cannot be written to or is in use.
        UsageError: an option is invalid, or `out` contains an earlier benchmark.
    """
    return start(models, Options(iterations=runs, **options), out, progress)


def start(
    paths: Sequence[str | os.PathLike[str]],
    options: Options,
    out: str | os.PathLike[str] | None = None,
    progress: Notify | None = None,
    step: Step | None = None,
) -> Results:
    """Like `bench`, with the options as one value.

    `step` is called after each run instead of `progress`.
    """
    models = read_models(paths)
    options = replace(
        options,
        devices=_connected(options.devices, progress or (lambda _line: None)),
        tool=_absolute(options.tool, DOWNLOADED),
        qnn=_absolute(options.qnn, ("", QNN_FETCH)),
    )
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    files = tuple(ModelFile(to_utf8(str(model.path)), model.sha256) for model in models.values())
    journal = Journal(Session(options, files, started), Path(out) if out is not None else None)
    with locked(out, WORK) if out is not None else nullcontext():
        if out is not None:
            check_new(Path(out))
        journal.create_file()
        return _run(models, journal, progress, step)


def resume(out: str | os.PathLike[str], progress: Notify | None = None, step: Step | None = None) -> Results:
    """Finish the session in the folder `out`: measure only what is missing.

    Raises:
        EcbsrError: there is no session in the folder, one of its models has changed since, or another process
            writes to the folder.
    """
    if not Path(out).is_dir():
        reopen(Path(out))  # says what is missing, and creates no folder
    with locked(out, WORK):
        return _resume(out, progress, step)


def _resume(out: str | os.PathLike[str], progress: Notify | None, step: Step | None) -> Results:
    journal = reopen(Path(out))
    files = journal.session.models
    if not files:
        raise EcbsrError(f"the benchmark in {out} names no model; start a new benchmark")
    models = read_models([file.path if os.path.exists(file.path) else from_utf8(file.path) for file in files])
    for model, file in zip(models.values(), files, strict=True):
        if model.sha256 != file.sha256:
            raise EcbsrError(f"{file.path} has changed since the benchmark in {out} began; start a new benchmark")
    return _run(models, journal, progress, step)


def check_new(folder: Path) -> None:
    """Check that `publish` replaces nothing in a folder that no benchmark was written to.

    Raises:
        UsageError: a file exists.
    """
    existing = next((folder / name for name in REPORTS if (folder / name).exists()), None)
    if existing and not (folder / RUNS).exists():  # if it does, `Journal.create_file` says how to go on
        raise UsageError(f"{existing} exists; name another folder for the results")


def publish(folder: Path, results: Results, comparisons: Sequence[Comparison] = ()) -> None:
    """Write `results.json`, `results.csv` and `report.html` to `folder`, each completely or not at all.

    Raises:
        EcbsrError: a file cannot be written.
    """
    from .report import page

    text = json.dumps(serialize.document(results, comparisons), indent=2, allow_nan=False) + "\n"
    contents = (text, serialize.to_csv(results), page.html(results, comparisons))
    for name, content in zip(REPORTS, contents, strict=True):
        write_bytes(folder / name, content.encode())


def _absolute(path: str, names: Sequence[str]) -> str:
    """The path as it is in every folder, for a session that is resumed in another one; `names` are no paths."""
    return path if path in names else os.path.abspath(path)


def _connected(devices: Sequence[str], progress: Notify) -> tuple[str, ...]:
    """The devices, with "all" replaced by the phones that are ready; those that are not are named by `progress`."""
    if "all" not in devices:
        return tuple(devices)
    from .phone.ready import ready_phones

    return tuple(dict.fromkeys([name for name in devices if name != "all"] + ready_phones(progress)))


def _run(models: Mapping[str, Model], journal: Journal, progress: Notify | None, step: Step | None) -> Results:
    """Run everything that the journal does not hold yet.

    This machine runs alone first, because benchmarking phones slows it down; then all phones run at once.
    """
    queues = Queues(models, journal, progress or (lambda _line: None), step)
    devices = journal.session.settings.devices
    try:
        queues.run([name for name in devices if name == HOST])
        queues.run([name for name in devices if name != HOST])
    finally:
        results = _results(models, journal, queues.failures)
        journal.close()
        if not journal.runs:
            journal.discard()
        elif journal.folder:
            publish(journal.folder, results)
    for failure in queues.failures.values():
        if not isinstance(failure, EcbsrError) or (not journal.runs and len(devices) == 1):
            raise failure
    return results


def _results(models: Mapping[str, Model], journal: Journal, failures: Mapping[str, Exception]) -> Results:
    options = journal.session.settings
    rows, states = [], {}
    for name in options.devices:
        for case in schedule.cases(models, options, name):
            runs = journal.runs_of(case)
            check, profile = journal.checks.get(case), journal.profiles.get(case, ())
            row = aggregate.row(case, runs, options.rounds, check, profile, journal.energies.get(case))
            failure = failures.get(name)
            rows.append(replace(row, note=str(failure)) if failure and not runs else row)
        runs = [run for run in journal.runs.values() if run.case.device == name]
        by_time = {state.seconds: state for run in runs for state in (run.before, run.after) if state}
        states[name] = tuple(by_time[seconds] for seconds in sorted(by_time))
    return Results(
        results=tuple(rows),
        devices=dict(journal.devices),
        models={name: model.info() for name, model in models.items()},
        states=states,
        settings=msgspec.to_builtins(options),
        started=journal.session.started,
        failures={name: str(failure) for name, failure in failures.items()},
    )
