"""Runs cases on an Android phone, each run in a process of the benchmark tool."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ecbsr_mobile import tflite
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import isolated
from ecbsr_mobile.tflite.image_io import ImageIO
from ecbsr_mobile.utils.guard import TemporaryFolder
from ecbsr_mobile.utils.progress import Notify

from .. import output_check
from ..benchmark_tool import flags
from ..benchmark_tool.log_parser import ToolLog, parse_log
from ..benchmark_tool.run_status import Expected, RunStatus, run_status, with_timing
from ..config import Case, Options
from ..models import Model, resized_file
from ..results.types import Check, DeviceInfo, Energy, OperatorTime, Run, State
from . import check, device_info, energy, energy_run, litert_npu, qnn, screen
from .adb import PhoneLost
from .device import FOLDER, TRIES, Device
from .refused import Refused

HOT_BATTERY = 42.0  # degrees Celsius; phones with a hotter battery begin to throttle


class PhoneRunner:
    """Runs cases on the phone `serial`. A context manager: leaving it restores the phone.

    `name` is what results call it, where that is not its serial.
    """

    def __init__(
        self,
        serial: str,
        models: Mapping[str, Model],
        options: Options,
        *,
        stop: threading.Event,
        started: float,
        progress: Notify,
        name: str = "",
    ) -> None:
        self.models, self.options, self.stop, self.started, self.progress = models, options, stop, started, progress
        self.device = self._device(serial)
        self.name = name or serial
        self.temporary = TemporaryFolder("ecbsr-bench-")
        self.folder = Path(self.temporary.name)
        self.readings: dict[str, tuple[ImageIO, list[str]]] = {}  # of the models that were checked
        self.libraries: dict[str, tuple[Path, ...]] = {}  # of each backend, and of each model on an NPU
        self.has_rails: bool | None = None  # power rails; None: not known yet
        self.may_wait = True  # for a hot phone; false once it stayed hot for the whole limit

    def __enter__(self) -> PhoneRunner:
        try:
            self.device.__enter__()
        except BaseException:
            self.temporary.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.device.__exit__()
        self.temporary.cleanup()

    def describe(self) -> DeviceInfo:
        """The properties of the phone."""
        properties = self.device.properties
        notes = [*self.device.notes]
        if properties.battery_saver:
            notes.append("the battery saver is on, which lowers the clocks")
        if properties.is_emulator:
            notes.append("it is an emulator: its times are not those of a phone")
        abi, native = self.device.tool.abi, properties.abis[:1]
        if abi.startswith("arm") and native and native[0].startswith("x86"):
            notes.append(f"its processor is {native[0]}: the tool for {abi} is translated, which takes its own time")
        return DeviceInfo(
            name=self.name,
            kind="phone",
            model=properties.model,
            soc=properties.soc,
            system=properties.system,
            fingerprint=properties.fingerprint,
            abis=properties.abis,
            cores=properties.cores,
            cpu_flags=properties.cpu_flags,
            tool=self.device.tool.info,
            notes=tuple(notes),
            serial_hash=properties.serial_hash,
        )

    def measure(self, case: Case, number: int) -> Run:
        """Run one process of the tool; `number` is the round.

        Raises:
            EcbsrError: the phone can no longer be used.
            Canceled: the session is being stopped.
        """
        reason = flags.unsupported_reason(self._kind(), case.parsed_delegate, self.device.properties.api)
        if reason:
            return Run(case, number, "unsupported", reason)
        try:
            model = self.model_file(case)
        except EcbsrError as error:
            return Run(case, number, "failed", str(error))
        try:
            return self.device.retrying(lambda: self._measure(case, number, model))
        except PhoneLost as lost:
            reason = str(lost).removeprefix(f"{self.device.serial}: ")
            note = f"the phone disconnected, or did not answer, {TRIES} times during this run: {reason}"
            return Run(case, number, "lost", note)

    def check(self, case: Case) -> Check:
        """Compare the output for a real image with the output of this machine."""
        try:
            result = self.device.retrying(lambda: check.check(self, case))
        except EcbsrError as error:
            return Check(note=f"not compared: {error}")
        _, notes = self.readings.get(case.model, (None, ()))
        return replace(result, note="; ".join(note for note in (result.note, *notes) if note))

    def profile(self, case: Case) -> tuple[OperatorTime, ...]:
        """The operator times of one more run with the profiler of the tool; empty if there are none."""
        with suppress(EcbsrError):
            model = self.model_file(case)
            profile_flags = flags.profile_flags(self._kind())
            output, code = self.device.retrying(lambda: self.run_tool(case, model, profile_flags))
            if code == 0:
                return parse_log(output).profile
        return ()

    def energy(self, case: Case) -> Energy:
        """The energy of one image; a note where there is no figure."""
        try:
            return self.device.retrying(lambda: energy_run.measure(self, case))
        except EcbsrError as error:
            return Energy(note=f"no figure: {error}")

    def _device(self, serial: str) -> Device:
        return Device(serial, self.options, self.stop, self.progress)

    def _kind(self) -> str:
        return self.device.tool.info.kind

    def _measure(self, case: Case, number: int, model: Path) -> Run:
        before = self._cool_down()
        try:
            output, code = self.run_tool(case, model)
        except Refused as refused:
            return Run(case, number, refused.status, str(refused), before=before)
        after = self._state()
        log = parse_log(output)
        status = self._explained(case, self.status(case, log, code, model), output)
        run = Run(case, number, status.status, status.note, before=before, after=after)
        run = replace(run, nodes_delegated=status.delegated, nodes_total=status.total, partitions=status.partitions)
        return self._with_notes(with_timing(run, log) if status.status in ("ok", "partial") else run)

    def run_tool(
        self, case: Case, model: Path, changed: Sequence[str] = (), *, sampled: bool = False
    ) -> tuple[str, int | None]:
        """Run the tool with the flags for the case, and those in `changed`; pushes the files that they name."""
        delegate = case.parsed_delegate
        local = Path(delegate.argument)
        library = folder = ""
        if delegate.name == "external" and local.is_file():  # on this machine; otherwise it is on the phone
            library = self.device.push(local, local.name)
        elif delegate.name == "qnn":
            folder = self._push_qnn(delegate.argument)
            library = f"{folder}/{qnn.DELEGATE}"
        elif delegate.name == "npu":
            library = folder = self._push_npu(case.model)
        remote = self.device.push(model, "model.tflite")
        timing = flags.timing_flags(self._kind(), case, delegate, remote, self.options, library)
        run = self.device.sample if sampled else self.device.run
        return run(flags.merge_flags(timing, changed), folder)

    def run_model(self, case: Case, model: Path, program: str, inputs: str) -> tuple[str, int | None]:
        """Run LiteRT's `run_model`, `program` on the phone, with the input files in its folder `inputs`."""
        delegate, remote = case.parsed_delegate, self.device.push(model, "model.tflite")
        folder = self._push_npu(case.model) if delegate.name == "npu" else ""
        return self.device.run(flags.run_model_flags(delegate, remote, inputs, folder), folder, program)

    def model_file(self, case: Case) -> Path:
        """The model of a case, with its input size."""
        return resized_file(self.models, case, self.folder)

    def _push_qnn(self, backend: str) -> str:
        """Push Qualcomm's libraries for the backend; their folder on the phone.

        Raises:
            Refused: the phone has no such backend, or a library is missing.
        """
        if backend not in self.libraries:
            self.libraries[backend] = qnn.choose(self._available(self.options.qnn), backend, self.device.properties)
        return self._push_libraries(self.libraries[backend])

    def _push_npu(self, model: str) -> str:
        """Push LiteRT's NPU libraries for a model; their folder on the phone.

        Raises:
            Refused: the phone cannot run the model, or a library is missing.
        """
        key = f"npu {model}"
        if key not in self.libraries:
            available = self._available(str(self.device.tool.path.parent))
            self.libraries[key] = litert_npu.choose(available, self.device.properties, self.models[model].compiled_for)
        return self._push_libraries(self.libraries[key])

    def _available(self, source: str) -> dict[str, Path]:
        return qnn.find(source, self.folder / "qnn", self.progress, self.stop)

    def _push_libraries(self, libraries: Sequence[Path]) -> str:
        name = qnn.folder_name(libraries)
        for library in libraries:
            self.device.push(library, library.name, name)
        return f"{FOLDER}/{name}"

    def _explained(self, case: Case, status: RunStatus, output: str) -> RunStatus:
        """The status of a run on an NPU that took no node, with the cause where the logs show it."""
        causes = {"qnn": qnn.cause, "npu": litert_npu.cause}.get(case.parsed_delegate.name)
        if causes is None or status.status not in ("fallback", "failed", "crashed"):
            return status
        cause = causes(output + self.device.system_log())
        return replace(status, status=cause[0], note=cause[1]) if cause else status

    def status(self, case: Case, log: ToolLog, code: int | None, model: Path) -> RunStatus:
        """The status of a run; `code` is None where it was killed at the time limit."""
        if code is None:
            return RunStatus("timeout", f"not finished within {self.options.limits.run:g} s; it was killed")
        graph = tflite.read(model)
        shape = tflite.image_input(graph).shape
        expected = Expected(case.parsed_delegate, model.stat().st_size, len(graph.nodes), shape[1:])
        return run_status(log, code, expected)

    def _with_notes(self, run: Run) -> Run:
        """The run with the notes about its delegate and threads, and as "throttled" where the phone was."""
        notes = [run.note, flags.delegate_note(run.case.parsed_delegate, self.device.properties.api)]
        mask = self.device.mask
        usable = bin(int(mask, 16)).count("1") if mask else len(self.device.properties.cores)
        if usable and run.case.threads > usable:
            notes.append(f"more threads than the {usable} usable cores")
        if run.after and run.after.wakefulness not in ("", "Awake"):
            notes.append(screen.WENT_OFF)
        if run.before and _is_hot(run.before):
            notes.append(f"its battery had {HOT_BATTERY:g} °C or more when the run began")
        status, reason = run.status, self._throttling(run.before) or self._throttling(run.after)
        if status in ("ok", "partial") and reason:
            status = "throttled"
            notes.insert(0, reason)
        return replace(run, status=status, note="; ".join(note for note in notes if note))

    def obstacle(self) -> str:
        """Why the fuel gauge would not measure what the phone uses."""
        return energy.obstacle(self.device.adb.is_network, self.device.adb.shell("dumpsys battery").out)

    def reference(self, model: Path, values: Path) -> bytes:
        """The output of this machine for the stored input in the file `values`."""
        return isolated.run(model.read_bytes(), values.read_bytes(), self.options.limits.run, self.stop)

    def image_io(self, name: str) -> ImageIO:
        """How a model stores images."""
        if name not in self.readings:
            model = self.models[name]
            data, limit = model.path.read_bytes(), self.options.limits.run
            self.readings[name] = output_check.read_io(data, model.graph, limit, self.stop)
        return self.readings[name][0]

    def _state(self) -> State:
        condition = self.device.read_condition()
        return replace(condition, seconds=round(time.monotonic() - self.started, 3))

    def _cool_down(self) -> State:
        """Wait, within the limit, until the phone is neither hot nor throttled; the last state that was read."""
        limits = self.options.limits
        end = time.monotonic() + (limits.cooldown if self.may_wait else 0)
        while True:
            state = self._state()
            reason = self._throttling(state)
            if not reason and _is_hot(state):
                reason = f"its battery has {state.battery_celsius} °C"
            remaining = end - time.monotonic()
            if not reason or remaining <= 0:
                self.may_wait = not reason
                return state
            self.progress(f"{self.device.serial}: waiting to cool down, at most {remaining:.0f} s more: {reason}")
            self.stop.wait(min(limits.poll, remaining))

    def _throttling(self, state: State | None) -> str:
        """Why the phone is throttled; "" where it is not."""
        if state is None:
            return ""
        if state.thermal_status:
            return f"thermal status {state.thermal_status}"
        return device_info.limited(state.clocks, self.device.clocks)


def _is_hot(state: State) -> bool:
    return (state.battery_celsius or 0) >= HOT_BATTERY
