"""A stand-in for an Android phone, for the real adb client and server.

It is a folder as the file system of the phone, a shell (that of this machine, which finds only the programs of the
phone's Android version), and a benchmark tool (`standin_tool`). It listens on 127.0.0.1 only.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.helpers import android_programs
from tests.helpers.adb_protocol import NEW_FEATURES, OLD_FEATURES, Connection
from tests.helpers.waiting import wait_until

TMP = "/data/local/tmp"

PROPERTIES = {
    "ro.product.manufacturer": "Standin",
    "ro.product.model": 'Phone "S" 1',
    "ro.soc.manufacturer": "Paper",
    "ro.soc.model": "P1000",
    "ro.product.cpu.abilist": "x86_64",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.build.fingerprint": "standin/s/s:14/TEST/1:user/release-keys",
    "sys.boot_completed": "1",
    "dev.bootcomplete": "1",
    "init.svc.bootanim": "stopped",
}
BOOT_PROPERTIES = ("sys.boot_completed", "dev.bootcomplete", "init.svc.bootanim")
"""Those that a phone sets when it has started."""

PLACES = (
    *("/sys/devices/system/cpu", "/sys/class/power_supply", "/proc/sys/kernel/random/boot_id", "/proc/uptime"),
    *("/proc/self/status", "/proc/cpuinfo"),
    "/data/misc/perfetto-traces",
)
"""Paths of the phone in the scripts that are sent to it."""

BATTERY = "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  level: 87\n  temperature: {}\n"
THERMAL = (
    "IsStatusOverride: false\nThermal Status: {}\nCached temperatures:\n"
    "\tTemperature{{mValue=99.0, mType=3, mName=skin, mStatus=0}}\nCurrent temperatures from HAL:\n"
    "\tTemperature{{mValue=51.5, mType=0, mName=cpu0, mStatus=0}}\n"
    "\tTemperature{{mValue=33.25, mType=3, mName=skin, mStatus=0}}\n"
)


class Device:
    """A phone. `root` is an empty folder; `tool` sets the behavior of the benchmark tool (see `standin_tool`).

    The property ro.build.version.sdk decides which programs it has, and what adb can do.

    Attributes that tests set, at any time:
        authorized: whether the phone trusts the computer.
        silent: whether the phone accepts connections without answering, which adb calls offline.
        cut_push_after: bytes of pushed data after which the cable is pulled, once.
        away: seconds until the cable is plugged in again after it was pulled; None for never.
        space: bytes that may still be pushed.
        reboots: whether the phone reboots when its cable is pulled; see `start_booting`.
        watcher: called with each shell script, and with "push PATH", when it begins.
    """

    def __init__(
        self, root: Path, tool: dict[str, Any] | None = None, features: str | None = None, **properties: str
    ) -> None:
        self.root = root
        self.properties = {**PROPERTIES, "ro.serialno": uuid.uuid4().hex[:8], **properties}
        self.api = int(self.properties["ro.build.version.sdk"])
        if self.api < android_programs.SOC_PROPERTIES_SINCE:
            self.properties = {name: value for name, value in self.properties.items() if "ro.soc" not in name}
        has_v2 = self.api >= android_programs.SHELL_V2_SINCE
        self.features = features or (NEW_FEATURES if has_v2 else OLD_FEATURES)
        self.authorized, self.silent = True, False
        self.cut_push_after: int | None = None
        self.away: float | None = 0.3
        self.space = 1 << 40
        self.reboots = False
        self.watcher: Callable[[str], None] = lambda _event: None
        self.read_only = False
        self.noise = ""  # printed at the start of each shell
        self.pushes: list[str] = []
        self.shells: list[str] = []
        self._actions: list[tuple[Callable[[str, int], bool], Callable[[], None]]] = []
        self._connections: list[Connection] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._plugging = threading.Lock()
        self._listener: socket.socket | None = None
        self._queries_of_boot: int | None = None  # that find the phone still booting; None: it has booted
        self._furnish()
        self.set_tool(tool or {})
        self._reserved = _bound(0)  # keeps the port while nothing listens on it
        self.port = self._reserved.getsockname()[1]
        self.plug_in()

    @property
    def serial(self) -> str:
        """The address at which adb connects to the phone."""
        return f"127.0.0.1:{self.port}"

    def path(self, remote: str) -> Path:
        """The path on this machine of a path on the phone."""
        return self.root / remote.lstrip("/")

    def set_tool(self, behavior: dict[str, Any]) -> None:
        """Set the behavior of the benchmark tool from its next start on."""
        temporary = self.root / "tool.json.new"
        temporary.write_text(json.dumps(behavior))
        temporary.replace(self.root / "tool.json")

    def set_heat(self, status: int, tenths: int = 300, then: int | None = None) -> None:
        """Set the thermal status and the battery's tenths of a degree; `then` is the status after one reading."""
        (self.root / "dumpsys/battery").write_text(BATTERY.format(tenths))
        if self.api >= android_programs.THERMAL_SERVICE_SINCE:
            (self.root / "dumpsys/thermalservice").write_text(THERMAL.format(status))
        if then is not None:
            (self.root / "dumpsys/thermalservice.next").write_text(THERMAL.format(then))

    def set_gauge(
        self,
        idle_ma: int = 300,
        loaded_ma: int = 900,
        *,
        sign: int = -1,
        unit: int = 1,
        constant: str = "",
        volts: str = "3900000",
        step: int = 1,
        powered: str = "",
        readable: bool = True,
    ) -> None:
        """Unplug the phone and give it a fuel gauge and a clock of its own: `sleep` takes no time, but moves its clock.

        The gauge reads `sign` times the current that leaves the battery, in `unit` µA (1000: mA, against Linux), or a
        `constant`; its charge counter moves in steps of `step` µAh. `powered` is a source of power, such as "USB". The
        tool runs for the seconds that it is asked to, on this clock.
        """
        text = BATTERY.format(300).replace("USB powered: true", "USB powered: false\n  Wireless powered: false")
        if powered:
            text = text.replace(f"{powered} powered: false", f"{powered} powered: true")
        (self.root / "dumpsys/battery").write_text(text)
        gauge = self.path("/sys/class/power_supply/battery")
        gauge.mkdir(parents=True)
        (gauge / "voltage_now").write_text(f"{volts}\n")
        self.path("/proc/uptime").write_text("1000.00 5000.00\n")
        self.replace_program("sleep", android_programs.SLEEP.format(
            idle=idle_ma, loaded=loaded_ma, sign=sign, unit=unit, constant=constant, step=step))  # fmt: skip
        subprocess.run([self.root / "bin/sleep", "0"], check=True)
        if not readable:
            (gauge / "current_now").unlink()

    def set_rails(self, *rails: dict[str, Any]) -> None:
        """Give the phone perfetto and such power rails; see `standin_perfetto`. After `set_gauge`."""
        (self.root / "rails.json").write_text(json.dumps(rails))
        self.path("/data/misc/perfetto-traces").mkdir(parents=True, exist_ok=True)
        script = Path(__file__).with_name("standin_perfetto.py")
        self.replace_program("perfetto", f'exec {shlex.quote(sys.executable)} {script} "$ROOT" "$@"')

    def runs(self) -> list[dict[str, str]]:
        """The flags of each run of the tool so far; a run is added when the tool has started."""
        path = self.root / "runs"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def during_run(self, when: Callable[[str, int], bool], action: Callable[[], None]) -> None:
        """Call `action` in every run for which `when(script, number of the run)` holds, once its tool has started."""
        self._actions.append((when, action))

    def let_runs_end(self) -> None:
        """End the runs whose behavior is "wait"."""
        (self.root / "end").touch()

    def set_read_only(self) -> None:
        """Refuse every change below /data/local/tmp."""
        self.read_only = True
        for name, text in android_programs.READ_ONLY.items():
            self.replace_program(name, text)

    def allow_cores(self, mask: int) -> None:
        """Let programs run on these cores only, as a cpuset does."""
        path = self.path("/proc/self/status")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"Name:\tsh\nCpus_allowed:\t{mask:x}\n")

    def set_core(self, index: int, mhz: int | None, capacity: int | None = None) -> None:
        """Let a core have this highest clock, None while it is offline, and Linux's capacity, None on an old kernel."""
        folder = self.path(f"/sys/devices/system/cpu/cpu{index}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if mhz:
            (folder / "cpufreq").mkdir()
            (folder / "cpufreq/cpuinfo_max_freq").write_text(f"{mhz}000\n")
            (folder / "cpufreq/scaling_max_freq").write_text(f"{mhz}000\n")
            (folder / "cpufreq/scaling_governor").write_text("schedutil\n")
        if capacity:
            (folder / "cpu_capacity").write_text(f"{capacity}\n")

    def remove(self, *names: str) -> None:
        """Remove programs."""
        for name in names:
            (self.root / "bin" / name).unlink()

    def refuse(self, *names: str) -> None:
        """Let programs of the framework end with a SecurityException."""
        for name in names:
            self.replace_program(name, android_programs.REFUSED)

    def slow_down(self, name: str, seconds: float) -> None:
        """Let a program begin late, as those do that start a virtual machine."""
        self.replace_program(name, f"/bin/sleep {seconds:g}\n{android_programs.PROGRAMS[name]}")

    def actions(self) -> list[str]:
        """The commands that changed the screen, the settings and the cores."""
        path = self.root / "actions"
        return path.read_text().splitlines() if path.exists() else []

    def running(self) -> list[str]:
        """Command lines of processes that run on the phone."""
        running = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "cwd").resolve().is_relative_to(self.root.resolve()):
                    running.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return [text for text in running if text.strip()]

    def left_behind(self) -> list[str]:
        """Files below /data/local/tmp."""
        return sorted(str(path.relative_to(self.path(TMP))) for path in self.path(TMP).rglob("*"))

    def assert_clean(self) -> None:
        """The phone is restored: nothing runs, no file is left, screen and settings are as before."""
        assert self.running() == [], self.running()
        assert self.left_behind() == [], self.left_behind()
        assert not list(self.path("/data/misc/perfetto-traces").glob("*")), "a trace is left"
        assert (self.root / "settings/stay_on_while_plugged_in").read_text().strip() == "0"
        assert "mWakefulness=Asleep" in (self.root / "dumpsys/power").read_text(), self.actions()

    def plug_in(self) -> None:
        """Accept connections again."""
        with self._plugging:
            if self._listener is None:
                self._listener = _bound(self.port)
                self._listener.listen()
                threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def pull_the_cable(self) -> None:
        """Break every connection and refuse new ones; with `reboots`, end every process and get a new boot id."""
        self._unplug()
        if self.reboots:
            self._end_processes()
            self.path("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
            self.start_booting()
        if self.away is not None:
            threading.Timer(self.away, self.plug_in).start()

    def start_booting(self, queries: int = 2) -> None:
        """Be as a phone is before it has started, until its boot properties were asked for so many times.

        They are unset, except for the boot animation, which runs; no service of the framework answers.
        """
        if self._queries_of_boot is not None:
            self._finish_booting()
        path = self.root / "properties"
        kept = [line for line in path.read_text().splitlines() if not any(name in line for name in BOOT_PROPERTIES)]
        path.write_text("".join(f"{line}\n" for line in (*kept, "[init.svc.bootanim]: [running]")))
        (self.root / "dumpsys").rename(self.root / "dumpsys.later")
        self._queries_of_boot = queries

    def _finish_booting(self) -> None:
        path = self.root / "properties"
        kept = [line for line in path.read_text().splitlines() if "init.svc.bootanim" not in line]
        set_now = [f"[{name}]: [{self.properties[name]}]" for name in BOOT_PROPERTIES if name in self.properties]
        path.write_text("".join(f"{line}\n" for line in (*kept, *set_now)))
        (self.root / "dumpsys.later").rename(self.root / "dumpsys")
        self._queries_of_boot = None

    def close(self) -> None:
        """Turn the phone off."""
        self.away = None
        self._unplug()
        self._end_processes()
        self._reserved.close()

    def _unplug(self) -> None:
        with self._plugging:
            if self._listener is not None:
                self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
                self._listener = None
        connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def _furnish(self) -> None:
        for name in ("bin", "dumpsys", "settings", TMP[1:], "proc/sys/kernel/random"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        names = android_programs.programs(self.api)
        for name in [*names, "sh"]:
            found = shutil.which(name)
            if found:
                (self.root / "bin" / name).symlink_to(found)
        if "md5" in names:
            self.replace_program("md5", 'exec md5sum "$@"')
        if self.api >= android_programs.TOYBOX_SINCE:
            self.replace_program("toybox", f"TOYBOX='{' '.join(names)}'{android_programs.TOYBOX}")
        for name, text in android_programs.PROGRAMS.items():
            if name != "taskset" or name in names:
                self.replace_program(name, text)
        lines = [f"[{name}]: [{value}]\n" for name, value in self.properties.items()]
        (self.root / "properties").write_text("".join(lines))
        self.set_heat(0)
        (self.root / "dumpsys/power").write_text("  mWakefulness=Asleep\n  mWakefulnessChanging=false\n")
        (self.root / "settings/stay_on_while_plugged_in").write_text("0\n")
        self.path("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
        self.allow_cores(0xF)
        flags = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
        cores = [f"processor\t: {core}\nFeatures\t: {flags}\nCPU part\t: 0xd41\n" for core in range(4)]
        self.path("/proc/cpuinfo").write_text("\n".join(cores))
        for core, mhz in enumerate((1800, 1800, 2400, 3000)):
            self.set_core(core, mhz)

    def replace_program(self, name: str, text: str) -> None:
        """Let a program be this shell script, which finds all programs of this machine."""
        path = self.root / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\nROOT='{self.root}'\nPATH='{os.environ['PATH']}'\n{text}\n")
        path.chmod(0o755)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as adbd does
                self._connections.append(Connection(self, connection))

    def start_shell(self, script: str, *, merged: bool) -> subprocess.Popen[bytes]:
        """Start a shell on the phone; paths of the phone are replaced by those of its folder."""
        self.shells.append(script)
        if self._queries_of_boot is not None and BOOT_PROPERTIES[0] in script:
            if self._queries_of_boot == 0:
                self._finish_booting()
            else:
                self._queries_of_boot -= 1
        self.watcher(script)
        number = len(self.runs()) + 1
        for when, action in self._actions:
            if when(script, number):
                threading.Thread(target=self._act_in_run, args=(number, action), daemon=True).start()
        for place in (TMP, *PLACES):
            script = script.replace(place, str(self.path(place)))
        process = subprocess.Popen(
            ["/bin/sh", "-c", (self.noise and f"echo {shlex.quote(self.noise)}\n{script}") or script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            cwd=self.root,
            env={**os.environ, "PATH": f"{self.root}/bin"},
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def _act_in_run(self, number: int, action: Callable[[], None]) -> None:
        wait_until(lambda: len(self.runs()) >= number, f"run {number} to start")
        action()

    def _end_processes(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()


def pushed_libraries(phone: Device) -> list[str]:
    """The names of the libraries that were pushed, as often as they were."""
    return sorted(Path(path).name for path in phone.pushes if "/libraries-" in path)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound
