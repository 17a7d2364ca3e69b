"""A whole bench: models and devices in, `Results` out."""

from __future__ import annotations

import datetime
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.files import write_bytes
from ecbsr_mobile.utils.subprocess_runner import Cancelled
from export.resolutions import parse_all

from . import config, models
from .config import Case, Limits, Settings
from .host import runner
from .models import Model
from .results import aggregate, serialize, types
from .results.baseline import Comparison
from .results.journal import Journal, reopen, settings_from
from .results.types import Check, DeviceInfo, OperatorTime, Results, Run

Progress = Callable[[str], None]
CLEANING = 60  # seconds that interrupted devices get for putting themselves in order


class Runner(Protocol):
    """A device that runs cases: `HostRunner` or `PhoneRunner`. Entering prepares it, leaving cleans up."""

    def __enter__(self) -> Runner: ...
    def __exit__(self, *_: Any) -> None: ...
    def describe(self) -> DeviceInfo:
        """What the device is."""

    def measure(self, case: Case, number: int) -> Run:
        """One process; `number` is the round."""

    def check(self, case: Case) -> Check:
        """The device's output against the reference."""

    def profile(self, case: Case) -> tuple[OperatorTime, ...]:
        """Where the time goes."""


def bench(
    models: Sequence[str | os.PathLike[str]] = (),
    *,
    devices: Sequence[str] = (runner.NAME,),
    sizes: Sequence[str | tuple[int, int]] = (),
    delegates: Sequence[str] = ("cpu",),
    threads: Sequence[int] = (1,),
    cores: str = "all",
    rounds: int = Settings.rounds,
    runs: int = Settings.iterations,
    seed: int = Settings.seed,
    tool: str = Settings.tool,
    check: bool = False,
    profile: bool = False,
    limits: Limits | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Results:
    """Measure `.tflite` models on devices.

    Args:
        models: `.tflite` files; none means the bundled ones that are recommended.
        devices: "host" for this machine, "all" for every phone that is there, or serials of phones.
        sizes: of the low-resolution input, as "540p", "960x540" or (960, 540). None means each model's own,
            or the usual ones where it takes any.
        delegates: "cpu" (XNNPACK), "gpu", "nnapi", "nnapi:ACCELERATOR", "external:/path.so:key=value,…".
        threads: CPU threads; each is a row. Other delegates are run once, with the first.
        cores: "all", "big", "little" or a hexadecimal mask, on phones.
        rounds: how often each case is run, each time in a process of its own and in another order.
        runs: timed iterations inside a process.
        seed: of the order.
        tool: "tflite" or "litert", fetched once, or the path of a benchmark tool for the phones.
        check: compare each phone's output on a real picture with this machine's.
        profile: one more run per case with the tool's operator profile.
        limits: how long things may take.
        out: a new folder for `runs.jsonl`, `results.json`, `results.csv` and `report.html`.
        progress: called with a line of text for each step, from several threads.

    Raises:
        EcbsrError: a model cannot be read, or the only device cannot be used.
        UsageError: an argument makes no sense.
    """
    chosen = Settings(
        devices=tuple(dict.fromkeys(devices)),
        sizes=parse_all(sizes),
        delegates=tuple(dict.fromkeys(one for text in delegates for one in config.parse_delegates(text))),
        threads=tuple(dict.fromkeys(config.parse_threads(str(count)) for count in threads)),
        cores=config.parse_cores(cores),
        rounds=rounds,
        iterations=runs,
        seed=seed,
        tool=tool,
        check=check,
        profile=profile,
        limits=limits or Limits(),
    )
    return start(models, chosen, out, progress)


def start(
    paths: Sequence[str | os.PathLike[str]],
    settings: Settings,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Results:
    """`bench`, with its choices as one value."""
    _validate(settings)
    loaded = {model.name: model for model in models.load(paths)}
    settings = replace(settings, devices=_named(settings.devices))
    journal = Journal(Path(out) if out is not None else None)
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    files = [{"path": str(model.path), "sha256": model.sha256} for model in loaded.values()]
    journal.begin({"settings": asdict(settings), "models": files, "started": started})
    return _Session(settings, loaded, journal, progress or (lambda _line: None)).run()


def resume(out: str | os.PathLike[str], progress: Progress | None = None) -> Results:
    """Finish the session in the folder `out`: what is measured stays, the rest is run.

    Raises:
        EcbsrError: there is no session in the folder, or one of its models has changed since.
    """
    journal = reopen(Path(out))
    try:
        settings = settings_from(journal.header["settings"])
        files = [(one["path"], one["sha256"]) for one in journal.header["models"]]
    except (KeyError, TypeError, ValueError):
        raise EcbsrError(f"{out} was written by another version of this program; start a new bench") from None
    loaded = models.load([path for path, _ in files])
    for model, (path, digest) in zip(loaded, files, strict=True):
        if model.sha256 != digest:
            raise EcbsrError(f"{path} has changed since the bench in {out} began; start a new bench")
    return _Session(settings, {model.name: model for model in loaded}, journal, progress or (lambda _line: None)).run()


def rehearse(paths: Sequence[str | os.PathLike[str]], settings: Settings, folder: Path) -> list[tuple[str, ...]]:
    """Every adb command of a session's first round, in order, without running one.

    Before them stands the command that fetches the tool, where it was never fetched. The files that the
    commands push are written to `folder`. A command that depends on a phone's answer is
    the one for a phone of today that is cool, unused, and has none of our files.

    Raises:
        UsageError: a command would depend on what only the phone can tell.
    """
    _validate(settings)
    names = [name for name in settings.devices if name != runner.NAME]
    if not names or "all" in names:
        raise UsageError("a dry run needs the serial of a phone: --device SERIAL")
    if settings.cores in ("big", "little"):
        raise UsageError(f"which cores are {settings.cores} is the phone's to say; give a mask such as f0 to a dry run")
    from .benchmark_tool import binary
    from .phone.runner import PhoneRunner

    loaded = {model.name: model for model in models.load(paths)}
    session = _Session(settings, loaded, Journal(), lambda _line: None)
    commands = [one for one in [binary.fetching(binary.planned(settings.tool))] if one]

    def record(command: Sequence[str]) -> None:
        commands.append(tuple(command))

    for name in names:
        now = time.monotonic()
        with PhoneRunner(
            name,
            loaded,
            settings,
            stop=session.stop,
            started=now,
            progress=session.progress,
            record=record,
            folder=folder,
        ) as phone:
            cases = session.cases(name)
            for number, case in config.shuffled(cases, 1, settings.seed):
                phone.measure(case, number)
            for case in cases:
                if settings.check:
                    phone.check(case)
                if settings.profile:
                    phone.profile(case)
    return commands


def publish(folder: Path | None, found: Results, compared: Sequence[Comparison] = ()) -> None:
    """Write `results.json`, `results.csv` and `report.html`, each at once or not at all; nothing without a folder."""
    if folder is None:
        return
    from .report import page

    text = json.dumps(serialize.document(found, compared), indent=2, allow_nan=False) + "\n"
    write_bytes(folder / "results.json", text.encode())
    write_bytes(folder / "results.csv", serialize.as_csv(found).encode())
    write_bytes(folder / "report.html", page.html(found, compared).encode())


def _validate(settings: Settings) -> None:
    for name, value in (("rounds", settings.rounds), ("runs", settings.iterations)):
        if value < 1:
            raise UsageError(f"{name} is {value}; use 1 or more")
    if not settings.devices or not all(settings.devices):
        raise UsageError('no device is named; use "host", "all" or the serial of a phone')


def _named(devices: Sequence[str]) -> tuple[str, ...]:
    """The devices, with "all" replaced by the phones that are there."""
    if "all" not in devices:
        return tuple(devices)
    from .phone.adb import phones

    ready = [phone.serial for phone in phones() if phone.state == "device"]
    if not ready:
        raise EcbsrError("no phone is ready; connect one, allow USB debugging on it, and see ecbsr-bench --list")
    return tuple(dict.fromkeys([name for name in devices if name != "all"] + ready))


class _Session:
    """The queues of one session and what they share."""

    def __init__(self, settings: Settings, loaded: dict[str, Model], journal: Journal, progress: Progress) -> None:
        self.settings = settings
        self.models = loaded
        self.journal = journal
        self.progress = progress
        self.stop = threading.Event()
        states = [state for run in journal.runs.values() for state in (run.before, run.after) if state]
        # A session that goes on counts its seconds from where it stopped.
        self.began = time.monotonic() - max((state.seconds for state in states), default=0)
        self.failures: dict[str, Exception] = {}

    def run(self) -> Results:
        """Run every queue: this machine alone first, for phones cost it time, then all phones at once."""
        phones = [name for name in self.settings.devices if name != runner.NAME]
        try:
            if runner.NAME in self.settings.devices:
                self._together([runner.NAME])
            self._together(phones)
        finally:
            found = self._results()
            self.journal.close()
            if self.journal.runs:
                publish(self.journal.folder, found)
            else:
                self.journal.discard()
        for failure in self.failures.values():
            if not isinstance(failure, EcbsrError) or (not self.journal.runs and len(self.settings.devices) == 1):
                raise failure
        return found

    def _together(self, names: Sequence[str]) -> None:
        # Events and not Thread.join, which an interrupt makes believe that the thread has ended (Python 3.11).
        ended = {name: threading.Event() for name in names}
        for name in names:
            threading.Thread(target=self._guarded, args=(name, ended[name]), name=name, daemon=True).start()
        try:
            for event in ended.values():
                while not event.wait(0.1):
                    pass
        except BaseException:
            self.stop.set()
            for event in ended.values():
                event.wait(CLEANING)
            raise

    def _guarded(self, name: str, ended: threading.Event) -> None:
        try:
            with suppress(Cancelled):
                self._queue(name)
        except Exception as error:  # kept for the thread that waits
            self.failures[name] = error
            self.progress(f"{name}: {error}")
        finally:
            ended.set()

    def _queue(self, name: str) -> None:
        if self._complete(name):
            return
        with self._open(name) as device:
            known = device.describe()
            self.journal.device(known)
            self.progress(known.text)
            cases = self.cases(name)
            todo = list(config.shuffled(cases, self.settings.rounds, self.settings.seed))
            began = time.monotonic()
            for done, (number, case) in enumerate(todo):
                if self._settled(case, number):
                    continue
                run = device.measure(case, number)
                self.journal.run(run)
                left = (time.monotonic() - began) / (done + 1) * (len(todo) - done - 1)
                self.progress(_line(run, self.settings.rounds, left))
            for case in cases:
                if self._lacks(case, "check"):
                    self.journal.check(case, device.check(case))
                if self._lacks(case, "profile"):
                    self.journal.profile(case, device.profile(case))

    def _lacks(self, case: Case, extra: str) -> bool:
        """Whether a case that was timed still lacks the "check" or the "profile" that was asked for."""
        wanted, known = {
            "check": (self.settings.check, case in self.journal.checks),
            "profile": (self.settings.profile, case in self.journal.profiles),
        }[extra]
        return wanted and not known and any(run.status in types.TIMED for run in self.journal.of(case))

    def _complete(self, name: str) -> bool:
        """Whether an earlier session left nothing to do on a device, which then need not be there."""
        cases = self.cases(name)
        rounds = range(1, self.settings.rounds + 1)
        return name in self.journal.devices and not any(
            self._lacks(case, "check")
            or self._lacks(case, "profile")
            or not all(self._settled(case, number) for number in rounds)
            for case in cases
        )

    def _open(self, name: str) -> Runner:
        if name == runner.NAME:
            return runner.HostRunner(self.models, self.settings, self.stop, self.began)
        from .phone.runner import PhoneRunner

        return PhoneRunner(name, self.models, self.settings, stop=self.stop, started=self.began, progress=self.progress)

    def cases(self, device: str) -> list[Case]:
        """The rows to fill for a device."""
        delegates = self.settings.delegates
        if device == runner.NAME:  # other delegates are the phones', unless nothing else was asked for
            delegates = tuple(one for one in delegates if one.name == "cpu") or delegates
        return [
            Case(model.name, model.precision, device, str(delegate), threads, size)
            for model in self.models.values()
            for size in self.settings.sizes or model.sizes()
            for delegate in delegates
            for threads in (self.settings.threads if delegate.name == "cpu" else self.settings.threads[:1])
        ]

    def _settled(self, case: Case, number: int) -> bool:
        """Whether this round's run is done, or earlier ones show that more would tell nothing new."""
        done = self.journal.of(case)
        statuses = [run.status for run in done]
        if any(run.round == number for run in done) or "lost" in statuses:
            return True  # what the phone went away in twice would only take it away again
        if any(status in types.TIMED for status in statuses):
            return False
        return any(status in ("fallback", "unsupported") for status in statuses) or (
            len(statuses) >= 2  # twice is no accident
        )

    def _results(self) -> Results:
        found, states = [], {}
        for name in self.settings.devices:
            for case in self.cases(name):
                runs = self.journal.of(case)
                extras = self.journal.checks.get(case), self.journal.profiles.get(case, ())
                row = aggregate.row(case, runs, self.settings.rounds, *extras)
                failure = self.failures.get(name)
                found.append(replace(row, note=str(failure)) if failure and not runs else row)
            runs = [run for run in self.journal.runs.values() if run.case.device == name]
            moments = {state.seconds: state for run in runs for state in (run.before, run.after) if state}
            states[name] = tuple(moments[key] for key in sorted(moments))
        return Results(
            results=tuple(found),
            devices=dict(self.journal.devices),
            models={name: model.facts() for name, model in self.models.items()},
            states=states,
            settings=self.journal.header["settings"],
            started=self.journal.header["started"],
            failures={name: str(failure) for name, failure in self.failures.items()},
        )


def _line(run: Run, rounds: int, left: float) -> str:
    case = run.case
    figure = f"{run.median_ms:.2f} ms" if run.median_ms is not None else ""
    said = f"{run.status} {figure}".strip() if run.status != "ok" else figure
    what = f"{case.model} {case.size[0]}x{case.size[1]} {case.delegate} {case.threads} thread{'s' * (case.threads > 1)}"
    estimate = f"about {left / 60:.0f} min left" if left >= 90 else f"about {left:.0f} s left"
    note = f" ({run.note})" if run.note else ""
    return f"{case.device} round {run.round}/{rounds}, {estimate}: {what}: {said}{note}"
