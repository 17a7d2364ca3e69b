"""A phone made ready for the benchmark tool, kept so across restarts, and left as it was found."""

from __future__ import annotations

import hashlib
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ecbsr_mobile.errors import EcbsrError

from ..benchmark_tool import binary
from ..config import Settings
from . import adb as adb_client
from . import device_info
from .adb import Adb, AdbError, AdbTimeout, PhoneLost
from .lock import REFRESH, Lock

FOLDER = "/data/local/tmp/ecbsr-bench"
"""Ours alone on the phone, in the one place where a shell user may run programs."""

STAY_AWAKE = f"""s={FOLDER}/screen
[ -s $s ] || {{ settings get global stay_on_while_plugged_in; dumpsys power | grep mWakefulness=; }} > $s
svc power stayon true
if grep -q -e Asleep -e Dozing $s; then input keyevent KEYCODE_WAKEUP; fi"""
"""Keeps the screen on, as for an app in use: a dark phone clocks its cores down. What was found is noted on
the phone itself, unless a bench that was cut off has left its note there."""

KEEP_AWAKE = "dumpsys power | grep -q mWakefulness=Awake || input keyevent KEYCODE_WAKEUP"
"""Staying awake is heeded by a phone that is charged alone: one on the network may have gone dark since."""

LET_SLEEP = f"""s={FOLDER}/screen
[ -s $s ] || exit 0
v=$(head -n 1 $s)
case $v in [0-9]*) settings put global stay_on_while_plugged_in $v;;
*) settings delete global stay_on_while_plugged_in;; esac
if grep -q -e Asleep -e Dozing $s; then input keyevent KEYCODE_SLEEP; fi"""

TRIES = 2  # of what the phone goes away in: that itself may be what restarts it
RECONNECT_POLL = 1.0

T = TypeVar("T")


class Device:
    """The phone `serial` with our tool on it. Use as a context manager: leaving it cleans the phone up.

    With `record`, every adb command is handed to it and none is run.
    """

    def __init__(
        self,
        serial: str,
        settings: Settings,
        stop: threading.Event,
        progress: Callable[[str], None],
        record: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self.serial, self.settings, self.stop, self.progress = serial, settings, stop, progress
        self.adb = Adb(serial, stop, record)
        self.facts = device_info.describe("")
        self.lock = Lock("")
        self.mask: str | None = None
        self.clocks: tuple[int, ...] = ()  # what each core was allowed at the start, in MHz
        self._pushed: dict[Path, str] = {}
        self._remote_tool = ""

    def __enter__(self) -> Device:
        try:
            self._reach()
            self.facts = device_info.describe(self.adb.ask(device_info.DESCRIBE))
            self.lock = Lock(self.facts.boot)
            self.mask = device_info.mask(self.facts.cores, self.settings.cores)
            if self.adb.record is None:
                self.tool = binary.find(self.settings.tool, self.facts.abis, self.progress)
            else:
                self.tool = binary.planned(self.settings.tool)
            self.enduring(self._prepare)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Clean up, also when the session is being stopped: no process, file, setting or lock stays."""
        own = Adb(self.serial, None, self.adb.record)  # not ended by the stop flag
        try:
            if self.lock.ours(own):
                self._restore(own)
                self.lock.give_back(own)
        except EcbsrError as error:
            self.progress(f"{self.serial} could not be cleaned up ({error}); the next bench does it")
        finally:
            self.lock.let_go()

    def run(self, flags: Sequence[str]) -> tuple[str, int | None]:
        """Run the tool; what it printed, and its exit code: None if it did not end and was ended.

        Raises:
            PhoneLost: the phone went away meanwhile.
        """
        command = [*(["taskset", self.mask] if self.mask else []), self._remote_tool, *flags]
        # The inner shell notes its own process and becomes the tool, so that it can be found and ended.
        script = f"cd {FOLDER} && LD_LIBRARY_PATH={FOLDER} sh -c 'echo $$ > pid; exec \"$@\"' sh {shlex.join(command)}"
        try:
            answer = self.adb.shell(script, self.settings.limits.run)
        except AdbTimeout as late:
            self._kill(self.adb)
            return late.out + late.err, None
        return answer.out + answer.err, answer.code

    def push(self, local: Path, name: str) -> str:
        """Have the file on the phone, under a name by its content; copy it only if it is not there.

        Raises:
            AdbError: the phone does not take it.
        """
        fetched = self.adb.record is None or local.exists()  # a dry run may name a tool that is still to be fetched
        digest = hashlib.sha256(local.read_bytes()).hexdigest() if fetched else "hash-not-known"
        remote = f"{FOLDER}/{digest[:16]}-{name}"
        if self._pushed.get(local) == remote:
            return remote
        if not self._there(remote, digest):
            self.adb.push(local, remote, self.settings.limits.push)
            if self.adb.record is None and not self._there(remote, digest):
                raise AdbError(f"{self.serial}: {local.name} arrived damaged; check the cable and the phone's storage")
        self._pushed[local] = remote
        return remote

    def reading(self) -> device_info.Reading:
        """The phone's condition now; asking keeps the lock fresh and the screen on."""
        return device_info.reading(self.adb.shell(f"{REFRESH}\n{KEEP_AWAKE}\n{device_info.STATE}").out)

    def enduring(self, action: Callable[[], T]) -> T:
        """Do `action`, again where the phone went away meanwhile and came back.

        Raises:
            PhoneLost: it went away every time, though it came back.
            EcbsrError: it did not come back.
        """
        for left in reversed(range(TRIES)):
            try:
                return action()
            except (PhoneLost, AdbTimeout) as lost:
                self.progress(f"{lost}; waiting up to {self.settings.limits.reconnect:g} s for it to come back")
                self._reconnect()
                if not left:
                    raise PhoneLost(str(lost), command=lost.command, serial=lost.serial) from lost
        raise AssertionError("unreachable")

    def _reach(self) -> None:
        if self.adb.record is None:
            adb_client.ensure_server()
        self.adb.connect()
        state = self.adb.state()
        if state == "device":
            return
        if not state:
            raise EcbsrError(f"adb sees no phone {self.serial}; ecbsr-bench --list shows those that it sees")
        advice = adb_client.ADVICE.get(state, "start Android on it")
        raise EcbsrError(f"{self.serial} is {state}; {advice}")

    def _prepare(self) -> None:
        """What a phone needs before its first run, and again after a restart."""
        self.lock.take(self.adb, self.settings.limits.lock, self.stop, self.progress)
        self._kill(self.adb)
        self.adb.ask(f"mkdir -p {FOLDER}")
        self._pushed.clear()
        self._remote_tool = self.push(self.tool.path, "benchmark_model")
        self.adb.ask(f"chmod 755 {shlex.quote(self._remote_tool)}")
        self.adb.ask(STAY_AWAKE)
        self.clocks = self.reading().max_mhz

    def _restore(self, own: Adb) -> None:
        self._kill(own)
        own.shell(LET_SLEEP)
        own.shell(f"rm -rf {FOLDER}")

    def _there(self, remote: str, digest: str) -> bool:
        return self.adb.shell(f"sha256sum {shlex.quote(remote)}").out.startswith(digest)

    def _kill(self, own: Adb) -> None:
        """End a run that is still going on the phone. Its number may since be another process's: look first."""
        ours = f"p=$(cat {FOLDER}/pid 2>/dev/null) && tr '\\0' ' ' < /proc/$p/cmdline | grep -q ecbsr-bench"
        own.shell(f"{ours} && kill -9 $p; rm -f {FOLDER}/pid")

    def _reconnect(self) -> None:
        """Wait for the phone, see that it is the same one, and have it ready again.

        Raises:
            EcbsrError: it did not come back within the limit, or another phone answers.
        """
        limit = self.settings.limits.reconnect
        end = time.monotonic() + limit
        while time.monotonic() < end:
            with suppress(AdbError):
                self._reach_again()
                now = device_info.describe(self.adb.ask(device_info.DESCRIBE))
                if (now.fingerprint, now.serial) != (self.facts.fingerprint, self.facts.serial):
                    raise EcbsrError(f"another phone answers at {self.serial} now; start a new bench for it")
                restarted = now.boot != self.facts.boot
                self.facts = now
                if restarted:
                    self.lock = Lock(now.boot)
                    self._prepare()
                else:
                    self._kill(self.adb)
                self.progress(f"{self.serial}: it is back{' after a restart' if restarted else ''}")
                return
            self.stop.wait(RECONNECT_POLL)
        raise EcbsrError(f"{self.serial} did not come back within {limit:g} s; --resume goes on where this stopped")

    def _reach_again(self) -> None:
        adb_client.ensure_server()
        self.adb.connect()
        if self.adb.ask("getprop sys.boot_completed").strip() not in ("1", ""):
            raise AdbError(f"{self.serial} is still starting")
