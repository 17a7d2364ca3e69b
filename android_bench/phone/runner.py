"""An Android phone as a device: each run is a process of the benchmark tool on it."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from export import tflite
from export.tflite import isolated

from .. import models, output_check
from ..benchmark_tool import flags as tool_flags
from ..benchmark_tool import log_parser
from ..benchmark_tool.run_status import Expected, RunStatus, judge
from ..config import Case, Delegate, Settings, parse_delegates
from ..models import Model
from ..results.types import Check, DeviceInfo, OperatorTime, Run, State
from . import device_info
from .adb import AdbTimeout, PhoneLost
from .device import FOLDER, TRIES, Device

COOL_POLL = 5.0
HOT_BATTERY = 42.0  # degrees Celsius from which phones begin to hold themselves back
CAPPED = 0.9  # of the clock that a core was allowed at the session's start


class PhoneRunner:
    """Runs cases on the phone `serial`. Use as a context manager: leaving it cleans the phone up.

    With `record`, every adb command is handed to it and none is run; the files that they name are in `folder`.
    """

    def __init__(
        self,
        serial: str,
        loaded: dict[str, Model],
        settings: Settings,
        *,
        stop: threading.Event,
        started: float,
        progress: Callable[[str], None],
        record: Callable[[Sequence[str]], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.models, self.settings, self.stop, self.started, self.progress = loaded, settings, stop, started, progress
        self.device = Device(serial, settings, stop, progress, record)
        self.temporary = None if folder else tempfile.TemporaryDirectory(prefix="ecbsr-bench-")
        self.folder = folder or Path(self.temporary.name if self.temporary else "")
        self.waits = True  # for a hot phone, until one whole wait was in vain

    def __enter__(self) -> PhoneRunner:
        try:
            self.device.__enter__()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.device.__exit__()
        self._clear()

    def _clear(self) -> None:
        if self.temporary is not None:
            self.temporary.cleanup()

    def describe(self) -> DeviceInfo:
        """The phone, as it stated itself."""
        known = self.device.facts
        notes = ["the battery saver is on: the phone is slower than it can be"] if known.saving_power else []
        return DeviceInfo(
            name=self.device.serial,
            kind="phone",
            model=known.model,
            soc=known.soc,
            system=known.system,
            fingerprint=known.fingerprint,
            abis=known.abis,
            cores=known.cores,
            tool=self.device.tool.facts,
            notes=tuple(notes),
        )

    def measure(self, case: Case, number: int) -> Run:
        """One process of the tool; `number` is the round.

        Raises:
            EcbsrError: the phone cannot be used any more.
            process.Cancelled: the session is being ended.
        """
        reason = tool_flags.offered(self.device.tool.facts.kind, _delegate(case), self.device.facts.api)
        if reason:
            return Run(case, number, "unsupported", reason)
        try:
            model = models.stamped(self.models, case, self.folder)
        except EcbsrError as error:
            return Run(case, number, "failed", str(error))
        try:
            return self.device.enduring(lambda: self._measured(case, number, model))
        except PhoneLost:
            return Run(case, number, "lost", f"the phone went away {TRIES} times during this run")

    def _measured(self, case: Case, number: int, model: Path) -> Run:
        before = self._cooled()
        text, code = self.device.run(self._flags(case, model))
        after = self._state(self.device.reading())
        log = log_parser.tool_log(text)
        verdict = self._judged(case, log, code, model)
        timed = log.timed if verdict.status in ("ok", "partial") else None
        figure = (timed.median or timed.mean) if timed else None
        run = Run(
            case,
            number,
            verdict.status,
            verdict.note,
            median_ms=_ms(figure),
            p95_ms=_ms(timed.p95 if timed else None),
            mean=timed is not None and timed.median is None,
            iterations=timed.count if timed else 0,
            init_ms=_ms(log.init) if timed else None,
            peak_memory_mb=log.peak_memory_mb if timed else None,
            nodes_delegated=verdict.taken,
            nodes_total=verdict.total,
            partitions=verdict.partitions,
            before=before,
            after=after,
        )
        return self._remarked(run)

    def _flags(self, case: Case, model: Path, extra: Sequence[str] = ()) -> list[str]:
        """The tool's flags; those in `extra` take the place of the usual ones."""
        delegate = _delegate(case)
        library = Path(delegate.argument)
        if delegate.name == "external" and library.is_file():  # on this machine; else it is on the phone already
            delegate = replace(delegate, argument=self.device.push(library, library.name))
        remote = self.device.push(model, "model.tflite")
        flags = tool_flags.arguments(self.device.tool.facts.kind, case, delegate, remote, self.settings)
        changed = {flag.split("=")[0] for flag in extra}
        return [flag for flag in flags if flag.split("=")[0] not in changed] + list(extra)

    def _judged(self, case: Case, log: log_parser.ToolLog, code: int | None, model: Path) -> RunStatus:
        if code is None:
            return RunStatus("timeout", f"no end within {self.settings.limits.run:g} s; it was ended")
        graph = self.models[case.model].graph
        colors = tflite.image_input(graph).declared_shape[3]
        width, height = case.size
        expected = Expected(_delegate(case), model.stat().st_size, len(graph.nodes), (height, width, colors))
        return judge(log, code, expected)

    def _remarked(self, run: Run) -> Run:
        notes = [run.note, tool_flags.remark(_delegate(run.case), self.device.facts.api)]
        mask = self.device.mask
        usable = bin(int(mask, 16)).count("1") if mask else len(self.device.facts.cores)
        if usable and run.case.threads > usable:
            notes.append(f"more threads than the {usable} cores that they may use")
        status, heat = run.status, self._heat(run.before) or self._heat(run.after)
        if status in ("ok", "partial") and heat:
            status = "throttled"
            notes.insert(0, heat)
        return replace(run, status=status, note="; ".join(note for note in notes if note))

    def check(self, case: Case) -> Check:
        """The output for a real picture, against this machine's."""
        if self.device.tool.facts.kind == "litert":
            return Check(note="not compared: LiteRT's tool takes no input and writes no output")
        try:
            return self.device.enduring(lambda: self._checked(case))
        except EcbsrError as error:
            return Check(note=f"not compared: {error}")

    def _checked(self, case: Case) -> Check:
        model = models.stamped(self.models, case, self.folder)
        graph = tflite.read(model)
        image, output = tflite.image_input(graph), graph.tensors[graph.outputs[0]]
        values = self.folder / "values.bin"
        values.write_bytes(output_check.picture(image))
        remote, written = self.device.push(values, "values.bin"), f"{FOLDER}/output.bin"
        adb, limits = self.device.adb, self.settings.limits
        adb.ask(f"rm -f {written}")
        text, code = self.device.run(
            self._flags(case, model, tool_flags.check_flags(image.name, image.shape, remote, written))
        )
        if any("output_filepath" in flag for flag in log_parser.tool_log(text).unconsumed):
            return Check(note="not compared: this tool cannot write its output")
        if code != 0 or adb.shell(f"[ -s {written} ]").code:
            return Check(note="not compared: the tool wrote no output")
        here = self.folder / "output.bin"
        adb.pull(written, here, limits.push)
        if adb.record is not None:
            return Check()
        expected = isolated.run(model, values.read_bytes(), self.folder, limits.run, self.stop)
        return output_check.compare(here.read_bytes(), expected, output)

    def profile(self, case: Case) -> tuple[OperatorTime, ...]:
        """Each operator's share of the time, from one more run with the tool's profile; empty if it has none."""
        with suppress(PhoneLost, AdbTimeout):
            model = models.stamped(self.models, case, self.folder)
            extra = tool_flags.profile_flags(self.device.tool.facts.kind)
            text, code = self.device.enduring(lambda: self.device.run(self._flags(case, model, extra)))
            if code == 0:
                shares = log_parser.tool_log(text).profile
                return tuple(OperatorTime(one.operator, one.count, one.ms, one.share) for one in shares)
        return ()

    def _state(self, reading: device_info.Reading) -> State:
        return State(seconds=round(time.monotonic() - self.started, 3), **vars(reading))

    def _cooled(self) -> State:
        """Wait, within the limit, until the phone is neither hot nor held back; its state then."""
        end = time.monotonic() + (self.settings.limits.cooldown if self.waits else 0)
        while True:
            state = self._state(self.device.reading())
            reason = self._heat(state)
            if not reason and (state.battery_celsius or 0) >= HOT_BATTERY:
                reason = f"its battery has {state.battery_celsius} °C"
            left = end - time.monotonic()
            if not reason or left <= 0:
                self.waits = not reason
                return state
            self.progress(f"{self.device.serial}: waiting to cool down, at most {left:.0f} s more: {reason}")
            self.stop.wait(min(COOL_POLL, left))

    def _heat(self, state: State | None) -> str:
        """Why the phone holds itself back; "" where it does not."""
        if state is None:
            return ""
        if state.thermal_status:
            return f"thermal status {state.thermal_status}"
        for now, start in zip(state.max_mhz, self.device.clocks, strict=False):
            if now < start * CAPPED:
                return f"a core is held at {now} of {start} MHz"
        return ""


def _delegate(case: Case) -> Delegate:
    return parse_delegates(case.delegate)[0]


def _ms(microseconds: float | None) -> float | None:
    return microseconds / 1000 if microseconds is not None else None
