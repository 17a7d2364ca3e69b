"""The adb commands of a benchmark, recorded instead of run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.progress import Notify

from .. import schedule
from ..benchmark_tool import binary
from ..config import HOST, QNN_FETCH, Case, Options
from ..models import Model, read_models
from . import file_check, qnn_download
from .adb import ADDRESS, Adb, ShellResult
from .device import Device
from .refused import Refused
from .runner import PhoneRunner

UNKNOWN_HASH = "hash-not-known"  # of a tool that is not downloaded yet


class RecordingAdb(Adb):
    """Records every command. Each one succeeds and prints nothing."""

    def __init__(self, serial: str, commands: list[tuple[str, ...]]) -> None:
        super().__init__(serial)
        self.commands = commands

    def shell(self, script: str, limit: float | None = None) -> ShellResult:
        """Record a script."""
        self._run(self._command("shell", self._with_status(script)))
        return ShellResult(0, "", "")

    def pull(self, remote: str, local: Path, limit: float) -> None:
        """Record the command; the file is empty."""
        super().pull(remote, local, limit)
        local.touch()

    def state(self) -> str:
        """The state of a phone that is ready."""
        return "device"

    def connect(self) -> None:
        """Record the command that connects to a phone whose serial is HOST:PORT."""
        if ADDRESS.fullmatch(self.serial):
            self._run([self.program, "connect", self.serial])

    def _find_program(self) -> str:
        return "adb"

    def _run(self, command: Sequence[str], limit: float | None = None) -> subprocess_runner.Completed:
        self.commands.append(tuple(command))
        return subprocess_runner.Completed(0, b"", b"")


class DryRunDevice(Device):
    """A current phone that is cool, unused, and has none of our files."""

    def __init__(self, serial: str, options: Options, progress: Notify, commands: list[tuple[str, ...]]) -> None:
        self.commands = commands
        super().__init__(serial, options, threading.Event(), progress)

    def _client(self, stop: threading.Event | None) -> Adb:
        return RecordingAdb(self.serial, self.commands)

    def _connect(self) -> None:
        self.adb.connect()

    def _has_started(self) -> bool:
        super()._has_started()
        return True

    def _find_tool(self) -> binary.Binary:
        return binary.find_for_dry_run(self.options.tool)

    def _digest(self, local: Path) -> str:
        return super()._digest(local) if local.exists() else UNKNOWN_HASH

    def _is_there(self, local: Path, remote: str) -> bool:
        self.adb.shell(file_check.script(remote))
        return False

    def _verify(self, local: Path, remote: str) -> None:
        self._is_there(local, remote)


class DryRunRunner(PhoneRunner):
    """Runs cases on a `DryRunDevice`. The files that the commands push are in `folder`."""

    def __init__(
        self,
        serial: str,
        models: Mapping[str, Model],
        options: Options,
        commands: list[tuple[str, ...]],
        folder: Path,
    ) -> None:
        self.commands = commands
        super().__init__(
            serial, models, options, stop=threading.Event(), started=time.monotonic(), progress=lambda _line: None
        )
        self.folder = folder

    def _device(self, serial: str) -> Device:
        return DryRunDevice(serial, self.options, self.progress, self.commands)

    def _push_qnn(self, backend: str) -> str:
        if self.options.qnn == QNN_FETCH and not qnn_download.is_fetched():
            addresses = " and ".join(qnn_download.ADDRESSES)
            raise UsageError(f"a dry run downloads nothing; download {addresses}, and give --qnn their folder")
        try:
            return super()._push_qnn(backend)
        except Refused as refused:
            raise UsageError(str(refused)) from None

    def _push_npu(self, model: str) -> str:
        try:
            return super()._push_npu(model)
        except Refused as refused:
            raise UsageError(str(refused)) from None

    def obstacle(self) -> str:
        """None."""
        return ""

    def reference(self, model: Path, values: Path) -> bytes:
        """Nothing: a dry run runs no model."""
        return b""


def dry_run(paths: Sequence[str | os.PathLike[str]], options: Options, folder: Path) -> list[tuple[str, ...]]:
    """The adb commands of the first round of a benchmark, in order; none is run.

    The first one downloads the tool where it is not in the cache. The files that the commands push are written to
    `folder`. Where a command depends on the answer of a phone, it is the command for a `DryRunDevice`.

    Raises:
        UsageError: no phone is named, or an option needs information from the phone.
    """
    serials = [name for name in options.devices if name != HOST]
    if not serials or "all" in serials:
        raise UsageError("a dry run needs the serial of a phone: --device SERIAL")
    if options.cores in ("big", "little"):
        raise UsageError(f"a dry run does not know which cores are {options.cores}; give a mask such as --cores f0")
    models = read_models(paths)
    commands = binary.download_commands(binary.find_for_dry_run(options.tool), options.tool_sha256)
    for serial in serials:
        with DryRunRunner(serial, models, options, commands, folder) as runner:
            _record(runner, schedule.cases(models, options, serial), options)
    return commands


def _record(runner: PhoneRunner, cases: Sequence[Case], options: Options) -> None:
    for number, case in schedule.shuffled(cases, 1, options.seed):
        runner.measure(case, number)
    for case in cases:
        if options.check:
            runner.check(case)
        if options.profile:
            runner.profile(case)
        if options.energy:
            runner.energy(case)
