"""A benchmark session: models and options in, `Results` out."""

from __future__ import annotations

import datetime
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.files import write_bytes
from ecbsr_mobile.utils.lock import locked
from ecbsr_mobile.utils.subprocess_runner import Canceled
from ecbsr_mobile.utils.text import from_utf8, to_utf8

from . import schedule
from .config import HOST, Case, Options
from .models import Model, read_models
from .results import aggregate, serialize
from .results.baseline import Comparison
from .results.journal import RUNS, Journal, ModelFile, Session, reopen
from .results.types import TIMED, Check, DeviceInfo, Energy, OperatorTime, Results, Run

Notify = Callable[[str], None]
"""Called with one line of text, from several threads."""

Step = Callable[[str, str, int, int], None]
"""Called after each run with the device, the outcome, the number of runs that are done, and of all; from threads."""

WORK = "benchmark"
"""What the lock of a folder says is done there."""

REPORTS = ("results.json", "results.csv", "report.html")
"""The files of `publish`."""

CLEANUP_SECONDS = 60  # for the devices to be restored after an interrupt


class Runner(Protocol):
    """Runs cases on a device: `HostRunner` or `PhoneRunner`. Entering prepares the device, leaving restores it."""

    def __enter__(self) -> Runner: ...
    def __exit__(self, *_: Any) -> None: ...
    def describe(self) -> DeviceInfo:
        """What identifies the device."""

    def measure(self, case: Case, number: int) -> Run:
        """Run one process; `number` is the round."""

    def check(self, case: Case) -> Check:
        """Compare the device's output with the output of this machine."""

    def profile(self, case: Case) -> tuple[OperatorTime, ...]:
        """The time of each operator type."""

    def energy(self, case: Case) -> Energy:
        """The energy of one image."""


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
    options = replace(options, devices=_connected(options.devices))
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


def publish(folder: Path | None, results: Results, comparisons: Sequence[Comparison] = ()) -> None:
    """Write `results.json`, `results.csv` and `report.html` to `folder`, each completely or not at all. None: nothing.

    Raises:
        EcbsrError: a file cannot be written.
    """
    if folder is None:
        return
    from .report import page

    text = json.dumps(serialize.document(results, comparisons), indent=2, allow_nan=False) + "\n"
    contents = (text, serialize.to_csv(results), page.html(results, comparisons))
    for name, content in zip(REPORTS, contents, strict=True):
        write_bytes(folder / name, content.encode())


def _connected(devices: Sequence[str]) -> tuple[str, ...]:
    """The devices, with "all" replaced by the phones that are ready."""
    if "all" not in devices:
        return tuple(devices)
    from .phone.adb_server import phones

    ready = [phone.serial for phone in phones() if phone.state == "device"]
    if not ready:
        raise EcbsrError("no phone is ready; connect one, allow USB debugging on it, and see ecbsr-bench --list")
    return tuple(dict.fromkeys([name for name in devices if name != "all"] + ready))


def _run(models: Mapping[str, Model], journal: Journal, progress: Notify | None, step: Step | None = None) -> Results:
    """Run everything that the journal does not hold yet.

    This machine runs alone first, because benchmarking phones slows it down; then all phones run at once.
    """
    queues = _Queues(models, journal, progress or (lambda _line: None), step)
    devices = journal.session.settings.devices
    try:
        queues.run([name for name in devices if name == HOST])
        queues.run([name for name in devices if name != HOST])
    finally:
        results = _results(models, journal, queues.failures)
        journal.close()
        if journal.runs:
            publish(journal.folder, results)
        else:
            journal.discard()
    for failure in queues.failures.values():
        if not isinstance(failure, EcbsrError) or (not journal.runs and len(devices) == 1):
            raise failure
    return results


class _Queues:
    """The devices of a session, each with its queue of runs in a thread."""

    def __init__(
        self, models: Mapping[str, Model], journal: Journal, progress: Notify, step: Step | None = None
    ) -> None:
        self.models, self.journal, self.progress, self.step = models, journal, progress, step
        self.options = journal.session.settings
        self.stop = threading.Event()
        states = [state for run in journal.runs.values() for state in (run.before, run.after) if state]
        # The seconds of a resumed session continue those of the interrupted one.
        self.began = time.monotonic() - max((state.seconds for state in states), default=0)
        self.failures: dict[str, Exception] = {}

    def run(self, names: Sequence[str]) -> None:
        """Run the queues of some devices at once; on an interrupt, stop them and wait until they are restored."""
        # Events instead of Thread.join: after an interrupt, Python 3.11 treats a joined thread as ended.
        ended = {name: threading.Event() for name in names}
        for name in names:
            threading.Thread(target=self._run_thread, args=(name, ended[name]), name=name, daemon=True).start()
        try:
            for event in ended.values():
                while not event.wait(0.1):
                    pass
        except BaseException:
            self.stop.set()
            for event in ended.values():
                event.wait(CLEANUP_SECONDS)
            raise

    def _run_thread(self, name: str, ended: threading.Event) -> None:
        try:
            with suppress(Canceled):
                self._run_queue(name)
        except Exception as error:  # raised later in the thread that waits
            self.failures[name] = error
            self.progress(f"{name}: {error}")
        finally:
            ended.set()

    def _run_queue(self, name: str) -> None:
        cases = schedule.cases(self.models, self.options, name)
        if self._is_complete(name, cases):
            return
        with self._runner(name) as runner:
            info = runner.describe()
            self.journal.add_device(info)
            self.progress(info.text)
            queue = list(schedule.shuffled(cases, self.options.rounds, self.options.seed))
            began = time.monotonic()
            for position, (number, case) in enumerate(queue, 1):
                if schedule.is_done(self.journal.runs_of(case), number):
                    continue
                run = runner.measure(case, number)
                self.journal.add_run(run)
                remaining = (time.monotonic() - began) / position * (len(queue) - position)
                if self.step:
                    self.step(name, _step_text(run), position, len(queue))
                else:
                    self.progress(_progress_line(run, self.options.rounds, remaining))
            for case in cases:
                if self._needs_check(case):
                    self.journal.add_check(case, runner.check(case))
                if self._needs_profile(case):
                    self.journal.add_profile(case, runner.profile(case))
                if self._needs_energy(case):
                    self.journal.add_energy(case, runner.energy(case))

    def _runner(self, name: str) -> Runner:
        if name == HOST:
            from .host.runner import HostRunner

            return HostRunner(self.models, self.options, self.stop, self.began)
        from .phone.runner import PhoneRunner

        return PhoneRunner(name, self.models, self.options, stop=self.stop, started=self.began, progress=self.progress)

    def _is_complete(self, name: str, cases: Sequence[Case]) -> bool:
        """Whether the journal already has everything about a device, so that it need not be connected."""
        return name in self.journal.devices and not any(
            self._needs_check(case)
            or self._needs_profile(case)
            or self._needs_energy(case)
            or not all(
                schedule.is_done(self.journal.runs_of(case), number) for number in range(1, self.options.rounds + 1)
            )
            for case in cases
        )

    def _needs_check(self, case: Case) -> bool:
        return self.options.check and case not in self.journal.checks and self._is_timed(case)

    def _needs_profile(self, case: Case) -> bool:
        return self.options.profile and case not in self.journal.profiles and self._is_timed(case)

    def _needs_energy(self, case: Case) -> bool:
        return self.options.energy and case not in self.journal.energies and self._is_timed(case)

    def _is_timed(self, case: Case) -> bool:
        return any(run.status in TIMED for run in self.journal.runs_of(case))


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


def _outcome(run: Run) -> str:
    latency = f"{run.median_ms:.2f} ms" if run.median_ms is not None else ""
    return latency if run.status == "ok" else f"{run.status} {latency}".strip()


def _step_text(run: Run) -> str:
    return f"{run.case.device}: {_outcome(run)}, {run.case.model}"


def _progress_line(run: Run, rounds: int, seconds: float) -> str:
    case, outcome = run.case, _outcome(run)
    what = f"{case.model} {case.size[0]}x{case.size[1]} {case.delegate} {case.threads_text}"
    estimate = f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"
    note = f" ({run.note})" if run.note else ""
    return f"{case.device} round {run.round}/{rounds}, {estimate}: {what}: {outcome}{note}"
