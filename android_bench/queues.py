"""The devices of a session, each with its queue of runs in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.progress import Notify
from ecbsr_mobile.utils.subprocess_runner import Canceled
from ecbsr_mobile.utils.text import named

from . import schedule
from .config import HOST, Case
from .models import Model
from .results import baseline
from .results.journal import Journal
from .results.types import TIMED, Check, DeviceInfo, Energy, OperatorTime, Run

Step = Callable[[str, str, int, int], None]
"""Called after each run with the device, the outcome, the number of runs that are done, and of all; from threads."""

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


class Queues:
    """The devices of a session.

    Attributes:
        failures: the error of each device whose queue ended early.
    """

    def __init__(self, models: Mapping[str, Model], journal: Journal, progress: Notify, step: Step | None) -> None:
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
        except Exception as error:  # that of a single device is raised later, in the thread that waits
            self.failures[name] = error
            if len(self.options.devices) > 1:
                self.progress(named(name, str(error)))
        finally:
            ended.set()

    def _run_queue(self, name: str) -> None:
        cases = schedule.cases(self.models, self.options, name)
        if self._is_complete(name, cases):
            return
        with self._runner(name) as runner:
            info = runner.describe()
            self._check_unchanged(info)
            self.journal.add_device(info)
            self.progress(info.text)
            queue = list(schedule.shuffled(cases, self.options.rounds, self.options.seed))
            began, measured = time.monotonic(), 0
            for position, (number, case) in enumerate(queue, 1):
                if self._is_done(number, case):
                    continue
                run = self._with_count(runner.measure(case, number))
                self.journal.add_run(run)
                measured += 1
                left = sum(not self._is_done(*later) for later in queue[position:])
                remaining = (time.monotonic() - began) / measured * left
                if self.step:
                    self.step(name, _step_text(run), position, len(queue))
                else:
                    self.progress(_progress_line(run, self.options.rounds, remaining))
            journal = self.journal
            for case in cases:
                if self._lacks(self.options.check, journal.checks, case):
                    journal.add_check(case, runner.check(case))
                if self._lacks(self.options.profile, journal.profiles, case):
                    journal.add_profile(case, runner.profile(case))
                if self._lacks(self.options.energy, journal.energies, case):
                    journal.add_energy(case, runner.energy(case))

    def _with_count(self, run: Run) -> Run:
        """The run, with a note where the time limit ended it before all of its inferences."""
        wanted, seconds = self.options.iterations, self.options.limits.timed
        if run.status not in TIMED or run.iterations >= wanted:
            return run
        note = f"fewer than {wanted} inferences were timed, within {seconds:g} s"
        return replace(run, note="; ".join(filter(None, (run.note, note))))

    def _check_unchanged(self, info: DeviceInfo) -> None:
        """Check that the runs of an interrupted session come from this device, system and tool.

        Raises:
            EcbsrError: they do not, and a row would mix both.
        """
        before = self.journal.devices.get(info.name)
        if before and any(case.device == info.name for case, _ in self.journal.runs):
            changes = baseline.device_changes(info, before)
            if changes:
                raise EcbsrError(
                    f"{info.name} is not what it was when this benchmark began: {'; '.join(changes)}; "
                    "start a new benchmark"
                )

    def _is_done(self, number: int, case: Case) -> bool:
        return schedule.is_done(self.journal.runs_of(case), number)

    def _runner(self, name: str) -> Runner:
        if name == HOST:
            from .host.runner import HostRunner

            return HostRunner(self.models, self.options, self.stop, self.began)
        from .phone.ready import address_of
        from .phone.runner import PhoneRunner

        before, progress = self.journal.devices.get(name), self.progress
        serial = address_of(name, before.serial_hash, progress) if before else name
        return PhoneRunner(
            serial, self.models, self.options, stop=self.stop, started=self.began, progress=progress, name=name
        )

    def _is_complete(self, name: str, cases: Sequence[Case]) -> bool:
        """Whether the journal already has everything about a device, so that it need not be connected."""
        options, journal = self.options, self.journal
        return name in journal.devices and not any(
            self._lacks(options.check, journal.checks, case)
            or self._lacks(options.profile, journal.profiles, case)
            or self._lacks(options.energy, journal.energies, case)
            or not all(self._is_done(number, case) for number in range(1, options.rounds + 1))
            for case in cases
        )

    def _lacks(self, wanted: bool, found: Container[Case], case: Case) -> bool:
        """Whether what is `wanted` of each timed case was not `found` yet for this one."""
        return wanted and case not in found and any(run.status in TIMED for run in self.journal.runs_of(case))


def _outcome(run: Run) -> str:
    latency = f"{run.median_ms:.2f} ms" if run.median_ms is not None else ""
    return latency if run.status == "ok" else f"{run.status} {latency}".strip()


def _step_text(run: Run) -> str:
    return f"{run.case.device}: {_outcome(run)}, {run.case.model}"


def _progress_line(run: Run, rounds: int, seconds: float) -> str:
    case, outcome = run.case, _outcome(run)
    what = f"{case.model} {case.size_text} {case.delegate} {case.threads_text}"
    estimate = f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"
    note = f" ({run.note})" if run.note else ""
    return f"{case.device} round {run.round}/{rounds}, {estimate}: {what}: {outcome}{note}"
