"""A phone prepared for the benchmark tool: kept ready across reboots, and restored at the end."""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.guard import TemporaryFolder
from ecbsr_mobile.utils.progress import Notify
from ecbsr_mobile.utils.text import last_line

from ..benchmark_tool import binary
from ..config import Options
from ..results.types import State
from . import device_info, energy, file_check, power_rails, screen
from .adb import ADVICE, Adb, AdbError, AdbTimeout, PhoneLost
from .adb_server import ensure_server
from .lock import REFRESH, Lock

FOLDER = "/data/local/tmp/ecbsr-bench"
"""Our folder on the phone, in the one place where a shell user may execute programs."""

TRIES = 2  # of an action during which the phone disconnects; more are useless if the action causes a reboot

# The process id can belong to another process by now.
_IS_OURS = f"p=$(cat {FOLDER}/pid 2>/dev/null) && grep -q ecbsr-bench /proc/$p/cmdline"
KILL_TOOL = f"{_IS_OURS} && kill -9 $p; rm -f {FOLDER}/pid"
"""The script that kills a tool that is still running."""

RESTORE = f"""{KILL_TOOL}
({screen.restore(FOLDER)})
{power_rails.stop(FOLDER)}
rm -f {power_rails.TRACE} 2>/dev/null
rm -rf {FOLDER} || {{ sleep 1; rm -rf {FOLDER}; }}"""
"""The script that leaves the phone as it was. A process that was killed can still write its last file."""

_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)

T = TypeVar("T")


class Device:
    """The phone `serial` with the benchmark tool on it. A context manager: leaving it restores the phone."""

    def __init__(self, serial: str, options: Options, stop: threading.Event, progress: Notify) -> None:
        self.serial, self.options, self.stop, self.progress = serial, options, stop, progress
        self.adb = self._client(stop)
        self.properties = device_info.parse_properties("")
        self.lock = Lock("")
        self.mask: str | None = None
        self.clocks: dict[int, int] = {}  # the highest allowed clock of each core at the start, in MHz
        self.notes: list[str] = []
        self._pushed: dict[Path, str] = {}
        self._remote_tool = ""

    def __enter__(self) -> Device:
        try:
            self._connect()
            self._wait_until_started()
            self.properties = device_info.parse_properties(self.adb.shell_output(device_info.READ_PROPERTIES))
            self.lock = Lock(self.properties.boot)
            self.mask = self._mask()
            self.tool = self._find_tool()
            self.retrying(self._prepare)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the phone, also when the session is being stopped: no process, file, setting or lock is left."""
        adb = self._client(None)  # the stop flag does not end these commands
        try:
            self.lock.release(adb, RESTORE, 2 * adb.limit)
        except EcbsrError as error:
            self.progress(f"{self.serial} could not be cleaned up ({error}); the next benchmark does it")
        finally:
            self.lock.end_session()

    def run(self, flags: list[str], libraries: str = "", program: str = "") -> tuple[str, int | None]:
        """Run the tool; its output and its exit code, which is None where it was killed at the time limit.

        `libraries` is a folder on the phone in which the linker and the DSP find further libraries, `program` another
        program on the phone than the tool.

        Raises:
            PhoneLost: the phone disconnected during the run.
        """
        script = f"cd {FOLDER} && {self._starting(flags, libraries, program)}"
        try:
            result = self.adb.shell(script, self.options.limits.run)
        except AdbTimeout as timeout:
            self._kill_tool(self.adb)
            return timeout.out + timeout.err, None
        return result.out + result.err, result.code

    def sample(self, flags: list[str] | None, libraries: str = "") -> tuple[str, int | None]:
        """Run the tool as `run` does, or nothing for None, and read the fuel gauge about once a second meanwhile."""
        limit = int(self.options.limits.run if flags else energy.MEASURED_SECONDS + energy.MARGIN)
        tool = f"({self._starting(flags, libraries)} >energy.log 2>&1; echo $? >energy.code) &" if flags else ""
        script = f"""cd {FOLDER} && rm -f energy.log energy.code
{screen.KEEP_AWAKE}
{energy.FIND_GAUGE}
{tool}
n=0
while [ $n -lt {limit} ] && [ ! -e energy.code ]; do {energy.SAMPLE}; n=$((n+1)); sleep 1; done
dumpsys power | grep mWakefulness=
cat energy.log 2>/dev/null
exit $(cat energy.code 2>/dev/null || echo {124 if flags else 0})"""
        try:
            result = self.adb.shell(script, self.options.limits.run * 2)
        except AdbTimeout as timeout:
            self._kill_tool(self.adb)
            return timeout.out, None
        if flags:
            self._kill_tool(self.adb)  # one that outlasted the limit
        return result.out, result.code

    def _starting(self, flags: list[str], libraries: str, program: str = "") -> str:
        """The shell command that runs the tool, or another program."""
        command = [*(["taskset", self.mask] if self.mask else []), program or self._remote_tool, *flags]
        # The inner shell writes its process id and becomes the tool, so that the tool can be found and killed.
        paths = f"LD_LIBRARY_PATH={FOLDER}"
        if libraries:
            paths = f"LD_LIBRARY_PATH={libraries}:{FOLDER} ADSP_LIBRARY_PATH={libraries}"
        return f"{paths} sh -c 'echo $$ > pid; exec \"$@\"' sh {shlex.join(command)}"

    def push(self, local: Path, name: str, folder: str = "") -> str:
        """Copy a file to the phone where it is not there yet; its path there, which contains its hash.

        A file that must keep its name is put into `folder`, a name of the caller, which has a hash of the content.

        Raises:
            AdbError: the phone refuses the file.
        """
        remote = f"{FOLDER}/{folder}/{name}" if folder else f"{FOLDER}/{self._digest(local)[:16]}-{name}"
        if self._pushed.get(local) == remote:
            return remote
        if not self._is_there(local, remote):
            if folder:  # the name can have a slash
                self.adb.shell_output(f"mkdir -p {shlex.quote(posixpath.dirname(remote))}")
            self.adb.push(local, remote, self.options.limits.push)
            self._verify(local, remote)
        self._pushed[local] = remote
        return remote

    def system_log(self) -> str:
        """What the tool's last run wrote to the system's log; "" before Android 7, which cannot choose a process."""
        return self.adb.shell(f"p=$(cat {FOLDER}/pid 2>/dev/null) && logcat -d -t 2000 --pid=$p").out

    def read_condition(self) -> State:
        """The condition of the phone now, at 0 seconds.

        Also refreshes the lock, and then turns the screen on where it is off.
        """
        script = f"{REFRESH}\n{screen.READ}\n{screen.KEEP_AWAKE}\n{device_info.READ_CONDITION}"
        return device_info.parse_condition(self.adb.shell(script).out)

    def retrying(self, action: Callable[[], T]) -> T:
        """The result of `action`, which is repeated where the phone disconnects during it and comes back.

        Raises:
            PhoneLost: the phone disconnected during every try, and came back each time.
            EcbsrError: the phone did not come back.
        """
        tries = 0
        while True:
            try:
                return action()
            except (PhoneLost, AdbTimeout) as error:
                tries += 1
                self.progress(f"{error}; waiting up to {self.options.limits.reconnect:g} s for it to come back")
                self._wait_until_back()
                if tries == TRIES:
                    raise PhoneLost(str(error)) from error

    def _client(self, stop: threading.Event | None) -> Adb:
        return Adb(self.serial, stop, self.options.limits.command)

    def _find_tool(self) -> binary.Binary:
        return binary.find(self.options.tool, self.properties.abis, self.progress, self.options.tool_sha256, self.stop)

    def _digest(self, local: Path) -> str:
        return hashlib.sha256(local.read_bytes()).hexdigest()

    def _verify(self, local: Path, remote: str) -> None:
        if not self._is_there(local, remote):
            raise AdbError(f"{self.serial}: {local.name} was damaged on the way; check the cable and the storage")

    def _connect(self) -> None:
        ensure_server()
        self.adb.connect()
        state = self.adb.state()
        if state == "device":
            return
        if not state:
            port = f"; with its port, it is {self.serial}:5555" if _IPV4.fullmatch(self.serial) else ""
            raise EcbsrError(f"adb sees no phone {self.serial}{port}; ecbsr-bench --list shows those that it sees")
        raise EcbsrError(f"{self.serial} is {state}; {ADVICE.get(state, 'start Android on it')}")

    def _wait_until_started(self) -> None:
        """Wait until Android has started: before, no service answers, and everything that starts takes the cores.

        Raises:
            EcbsrError: it has not within the limit.
        """
        limits = self.options.limits
        end = time.monotonic() + limits.reconnect
        reported = False
        while True:
            with suppress(PhoneLost):  # adb restarts while a phone starts
                if self._has_started():
                    return
            if time.monotonic() >= end:
                message = f"{self.serial} has not started within {limits.reconnect:g} s"
                raise EcbsrError(f"{message}; wait until it shows its home screen, and try again")
            if not reported:
                self.progress(f"{self.serial} is still starting; waiting up to {limits.reconnect:g} s")
                reported = True
            self.stop.wait(limits.poll)

    def _has_started(self) -> bool:
        return device_info.has_started(self.adb.shell(device_info.READ_STARTED).out)

    def _prepare(self) -> None:
        """Everything that a phone needs before its first run, and again after a reboot."""
        self.lock.acquire(self.adb, self.options.limits, self.stop, self.progress)
        self._kill_tool(self.adb)
        self.adb.shell_output(f"mkdir -p {FOLDER}")
        self._pushed.clear()
        self._remote_tool = self.push(self.tool.path, "benchmark_model")
        self.adb.shell_output(f"chmod 755 {shlex.quote(self._remote_tool)}")
        self._add_note(screen.note(self.adb.shell(screen.turn_on(FOLDER)).out))
        condition = self.read_condition()
        designed = {core.index: core.max_mhz for core in self.properties.cores if core.max_mhz}
        limit = device_info.limited(condition.clocks, designed)
        self._add_note(f"{limit} from the start: it is throttled or saves power" if limit else "")
        # A reboot in the heat can leave it limited: the clocks of the first start remain the usual ones.
        self.clocks |= {core: max(mhz, self.clocks.get(core, 0)) for core, mhz in condition.clocks.items()}
        if condition.thermal_status is None:
            signs = "only its clocks show" if self.clocks else "nothing shows"
            self._add_note(f"it reports no thermal status (Android 10 and later do): {signs} whether it is throttled")

    def _is_there(self, local: Path, remote: str) -> bool:
        equal = file_check.is_equal(self.adb.shell(file_check.script(remote)).out, remote, local)
        if equal is None:
            self._add_note("it has no program that computes hashes, so files are compared by copying them back")
            with TemporaryFolder("ecbsr-bench-") as folder:
                copy = Path(folder) / "copy"
                self.adb.pull(remote, copy, self.options.limits.push)
                equal = copy.read_bytes() == local.read_bytes()
        return equal

    def _mask(self) -> str | None:
        """The mask of the cores that the tool runs on; None for all.

        Raises:
            EcbsrError: the phone cannot restrict a program to these cores, or does not report how fast they are.
        """
        cores = self.properties.cores
        mask = device_info.cpu_mask(cores, self.options.cores)
        if mask and self.adb.shell("command -v taskset").code:
            raise EcbsrError(f"{self.serial} has no taskset to choose cores with; use --cores all")
        script = "grep Cpus_allowed: /proc/self/status"
        status = self.adb.shell(f"taskset {mask} {script}" if mask else script)
        if mask and status.code:
            reason = last_line(status.err or status.out, f"exit code {status.code}")
            raise EcbsrError(f"{self.serial} runs no program on the cores {mask}: {reason}; use other --cores")
        allowed = device_info.allowed_mask(status.out)
        online = device_info.mask_of(core.index for core in cores if core.max_mhz)
        wanted = int(mask, 16) & (online or -1) if mask else online
        if allowed is not None and wanted & ~allowed:
            self._add_note(f"programs of adb may run on the cores {allowed:x} only (a mask), not on all of {wanted:x}")
        return mask

    def _add_note(self, note: str) -> None:
        if note and note not in self.notes:
            self.notes.append(note)

    def _kill_tool(self, adb: Adb) -> None:
        """Kill a tool that is still running."""
        adb.shell(KILL_TOOL)

    def _wait_until_back(self) -> None:
        """Wait for the phone, check that it is the same one, and prepare it again after a reboot.

        Raises:
            EcbsrError: it did not come back within the limit, or another phone answers.
        """
        limits = self.options.limits
        end = time.monotonic() + limits.reconnect
        reported = ""
        while time.monotonic() < end:
            with suppress(AdbError):
                self._reconnect()
                now = device_info.parse_properties(self.adb.shell_output(device_info.READ_PROPERTIES))
                if (now.fingerprint, now.serial) != (self.properties.fingerprint, self.properties.serial):
                    raise EcbsrError(f"another phone answers at {self.serial} now; start a new benchmark for it")
                rebooted = now.boot != self.properties.boot
                self.properties = now
                if rebooted:
                    self.lock = Lock(now.boot)
                    self._prepare()
                else:
                    self._kill_tool(self.adb)
                self.progress(f"{self.serial}: it is back{' after a reboot' if rebooted else ''}")
                return
            refusal = self._refusal()
            if refusal not in ("", reported):  # after a restart, a phone can ask again whether it trusts this computer
                self.progress(f"{self.serial} {refusal}")
                reported = refusal
            self.stop.wait(limits.poll)
        message = f"{self.serial} did not come back within {limits.reconnect:g} s{reported and f': it {reported}'}"
        raise EcbsrError(f"{message}; --resume continues the benchmark")

    def _refusal(self) -> str:
        """Why the phone that adb sees cannot be used until its owner does something, and what; "" if it is not so."""
        with suppress(AdbError):
            state = self.adb.state()
            return f"is {state}: {ADVICE[state]}" if state in ("unauthorized", "authorizing", "no permissions") else ""
        return ""

    def _reconnect(self) -> None:
        ensure_server()
        self.adb.connect()
        if not self._has_started():
            raise AdbError(f"{self.serial} is still starting")
