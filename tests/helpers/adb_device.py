"""A stand-in for an Android phone that speaks adb's device protocol over TCP, for the real adb client and server.

Behind it lies a folder that plays the phone's file system, a shell (this machine's, with the phone's own
programs in front), and a benchmark tool: a small ELF file that starts this module as a program. Everything
listens on 127.0.0.1 alone. Protocol: AOSP, packages/modules/adb, protocol.txt, OVERVIEW.TXT and SYNC.TXT.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
VERSION = 0x01000001  # data checksums are not used
MAX_DATA = 256 * 1024
NEW_FEATURES = "shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,sendrecv_v2"
OLD_FEATURES = "cmd"  # a phone before Android 7: no exit codes, both streams in one, sync version 1
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
}
BATTERY = "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  level: 87\n  temperature: {}\n"
THERMAL = (
    "IsStatusOverride: false\nThermal Status: {}\nCached temperatures:\n"
    "\tTemperature{{mValue=99.0, mType=3, mName=skin, mStatus=0}}\nCurrent temperatures from HAL:\n"
    "\tTemperature{{mValue=51.5, mType=0, mName=cpu0, mStatus=0}}\n"
    "\tTemperature{{mValue=33.25, mType=3, mName=skin, mStatus=0}}\n"
)

PROGRAMS = {
    "getprop": '[ $# = 0 ] || set -- "-n" "s/^\\[$1\\]: \\[\\(.*\\)\\]$/\\1/p"; sed "${@:-}" "$ROOT/properties"',
    # A file of the next reading takes the place of the one that was just read.
    "dumpsys": 'f="$ROOT/dumpsys/$1"; cat "$f"; if [ -e "$f.next" ]; then mv "$f.next" "$f"; fi',
    "settings": (
        'f="$ROOT/settings/$3"; case $1 in get) cat "$f" 2>/dev/null || echo null;; '
        'put) echo "settings $*" >> "$ROOT/actions"; echo "$4" > "$f";; delete) rm -f "$f";; esac'
    ),
    "svc": 'echo "svc $*" >> "$ROOT/actions"; [ "$*" = "power stayon true" ] && echo 7 > '
    '"$ROOT/settings/stay_on_while_plugged_in"',
    "input": (
        'echo "input $*" >> "$ROOT/actions"; case $2 in *WAKEUP) s=Awake;; *) s=Asleep;; esac; '
        'echo "  mWakefulness=$s" > "$ROOT/dumpsys/power"'
    ),
    "taskset": 'echo "taskset $1" >> "$ROOT/actions"; shift; exec "$@"',
}
READ_ONLY = {
    name: f'case "$*" in *local/tmp*) echo "{name}: $1: Read-only file system" >&2; exit 1;; esac; /bin/{name} "$@"'
    for name in ("mkdir", "touch")
}


class Device:
    """A phone. `root` is an empty folder; `tool` says how the benchmark tool behaves (see `run_tool`).

    Attributes that tests set, at any time:
        authorized: whether the phone trusts the computer.
        silent: whether the phone takes connections and says nothing, which adb calls offline.
        cut_push_after: bytes of pushed data after which the cable is pulled, once.
        cut_at: a text; the cable is pulled when a shell command that holds it begins, once.
        away: seconds that the phone stays away after its cable was pulled; None for ever.
        space: bytes that may still be pushed.
        reboots: whether being pulled off means a restart.
        watcher: called with each shell script, and with "push PATH", when it begins.
    """

    def __init__(
        self, root: Path, tool: dict[str, Any] | None = None, features: str = NEW_FEATURES, **properties: str
    ) -> None:
        self.root = root
        self.features = features
        self.properties = {**PROPERTIES, "ro.serialno": uuid.uuid4().hex[:8], **properties}
        self.authorized, self.silent = True, False
        self.cut_push_after: int | None = None
        self.cut_at = ""
        self.cut_delay = 0.3
        self.away: float | None = 0.5
        self.space = 1 << 40
        self.reboots = False
        self.watcher: Callable[[str], None] = lambda _event: None
        self.read_only = False
        self.pushes: list[str] = []
        self.shells: list[str] = []
        self._connections: list[_Connection] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._closing = False
        self._furnish()
        self.set_tool(tool or {})
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def serial(self) -> str:
        """The address by which adb reaches the phone."""
        return f"127.0.0.1:{self.port}"

    def path(self, remote: str) -> Path:
        """Where a path of the phone lies on this machine."""
        return self.root / remote.lstrip("/")

    def set_tool(self, behaviour: dict[str, Any]) -> None:
        """Change what the benchmark tool does from its next start on."""
        temporary = self.root / "tool.json.new"
        temporary.write_text(json.dumps(behaviour))
        temporary.replace(self.root / "tool.json")

    def set_heat(self, status: int, tenths: int = 300, then: int | None = None) -> None:
        """Thermal status and battery temperature; `then` is the status after one reading."""
        (self.root / "dumpsys/battery").write_text(BATTERY.format(tenths))
        (self.root / "dumpsys/thermalservice").write_text(THERMAL.format(status))
        if then is not None:
            (self.root / "dumpsys/thermalservice.next").write_text(THERMAL.format(then))

    def set_read_only(self) -> None:
        """Refuse every change below /data/local/tmp."""
        self.read_only = True
        for name, text in READ_ONLY.items():
            self._program(name, text)

    def actions(self) -> list[str]:
        """What was done to the screen, the settings and the cores."""
        path = self.root / "actions"
        return path.read_text().splitlines() if path.exists() else []

    def running(self) -> list[str]:
        """Command lines of processes that run on the phone."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "cwd").resolve().is_relative_to(self.root.resolve()):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return [text for text in found if text.strip()]

    def left_behind(self) -> list[str]:
        """Files below /data/local/tmp."""
        return sorted(str(path.relative_to(self.path(TMP))) for path in self.path(TMP).rglob("*"))

    def assert_clean(self) -> None:
        """The phone is as it was found: nothing runs, no file is left, screen and settings are put back."""
        assert self.running() == [], self.running()
        assert self.left_behind() == [], self.left_behind()
        assert (self.root / "settings/stay_on_while_plugged_in").read_text().strip() == "0"
        assert "mWakefulness=Asleep" in (self.root / "dumpsys/power").read_text(), self.actions()

    def pull_the_cable(self) -> None:
        """Break every connection; with `reboots`, end every process and start anew."""
        connections, self._connections = self._connections, []
        self.gone_until = float("inf") if self.away is None else time.monotonic() + self.away
        for connection in connections:
            connection.close()
        if self.reboots:
            self._end_processes()
            self.path("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")

    def close(self) -> None:
        """Switch the phone off."""
        self._closing = True
        self._listener.close()
        self.pull_the_cable()
        self._end_processes()

    gone_until = 0.0

    def _furnish(self) -> None:
        for name in ("bin", "dumpsys", "settings", TMP[1:], "proc/sys/kernel/random"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name, text in PROGRAMS.items():
            self._program(name, text)
        lines = [f"[{name}]: [{value}]\n" for name, value in self.properties.items()]
        (self.root / "properties").write_text("".join(lines))
        self.set_heat(0)
        (self.root / "dumpsys/power").write_text("  mWakefulness=Asleep\n  mWakefulnessChanging=false\n")
        (self.root / "settings/stay_on_while_plugged_in").write_text("0\n")
        self.path("/proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
        for core, mhz in enumerate((1800, 1800, 2400, 3000)):
            folder = self.path(f"/sys/devices/system/cpu/cpu{core}/cpufreq")
            folder.mkdir(parents=True)
            (folder / "cpuinfo_max_freq").write_text(f"{mhz}000\n")
            (folder / "scaling_max_freq").write_text(f"{mhz}000\n")
            (folder / "scaling_governor").write_text("schedutil\n")

    def _program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\nROOT='{self.root}'\n{text}\n")
        path.chmod(0o755)

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if time.monotonic() < self.gone_until:
                connection.close()
                continue
            self._connections.append(_Connection(self, connection))

    def start_shell(self, script: str, *, merged: bool) -> subprocess.Popen[bytes]:
        """A shell on the phone; paths of the phone are turned into those of its folder."""
        self.shells.append(script)
        self.watcher(script)
        for place in (TMP, "/sys/devices/system/cpu", "/proc/sys/kernel/random/boot_id"):
            script = script.replace(place, str(self.path(place)))
        process = subprocess.Popen(
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            cwd=self.root,
            env={**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"},
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def cut_for(self, script: str) -> None:
        """Pull the cable shortly after a command that `cut_at` waits for."""
        if self.cut_at and self.cut_at in script:
            self.cut_at = ""
            threading.Timer(self.cut_delay, self.pull_the_cable).start()

    def _end_processes(self) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()


class _Connection:
    """One transport: adb's server on the other side."""

    def __init__(self, device: Device, connection: socket.socket) -> None:
        self.device = device
        self.socket = connection
        self.streams: dict[int, _Stream] = {}
        self.sending = threading.Lock()
        self.next_id = 1
        threading.Thread(target=self._serve, daemon=True).start()

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        header = struct.pack("<6I", command, first, second, len(data), 0, command ^ 0xFFFFFFFF)
        with self.sending, suppress(OSError):
            self.socket.sendall(header + data)

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for stream in list(self.streams.values()):
            stream.end()

    def _serve(self) -> None:
        with suppress(OSError, ConnectionError, struct.error):
            while True:
                command, first, second, length, _, _ = struct.unpack("<6I", self._receive(24))
                self._handle(command, first, second, self._receive(length))
        self.close()

    def _receive(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise ConnectionError
            parts += part
        return bytes(parts)

    def _handle(self, command: int, first: int, second: int, data: bytes) -> None:
        if command in (CNXN, AUTH):
            if not self.device.silent:
                self._greet(command, first)
        elif command == OPEN:
            self._open(first, data.rstrip(b"\0").decode())
        elif second in self.streams:
            stream = self.streams[second]
            if command == OKAY:
                stream.acknowledged.set()
            elif command == WRTE:
                self.send(OKAY, second, first)
                stream.receive(data)
            elif command == CLSE:
                self.streams.pop(second, None)
                stream.end()

    def _greet(self, command: int, kind: int) -> None:
        if not self.device.authorized:
            if not (command == AUTH and kind == 3):  # a public key is put before the phone's owner, who waits
                self.send(AUTH, 1, 0, bytes(20))
            return
        names = (("name", "standin"), ("model", "Phone_S_1"), ("device", "s"))
        banner = "".join(f"ro.product.{key}={value};" for key, value in names)
        self.send(CNXN, VERSION, MAX_DATA, f"device::{banner}features={self.device.features}".encode())

    def _open(self, remote: int, service: str) -> None:
        local, self.next_id = self.next_id, self.next_id + 1
        name, _, rest = service.partition(":")
        kinds: dict[str, type[_Stream]] = {"shell": _Shell, "sync": _Sync}
        kind = kinds.get(name.split(",")[0])
        if kind is None:
            self.send(CLSE, 0, remote)
            return
        self.streams[local] = stream = kind(self, local, remote)
        self.send(OKAY, local, remote)
        stream.start(name.split(",")[1:], rest)


class _Stream:
    """One service on a connection."""

    def __init__(self, connection: _Connection, local: int, remote: int) -> None:
        self.connection, self.local, self.remote = connection, local, remote
        self.device = connection.device
        self.acknowledged = threading.Event()
        self.ended = threading.Event()
        self.writing = threading.Lock()

    def start(self, options: list[str], rest: str) -> None: ...

    def receive(self, data: bytes) -> None: ...

    def end(self) -> None:
        self.ended.set()
        self.acknowledged.set()

    def write(self, data: bytes) -> None:
        """Send data and wait until the other side has taken it."""
        with self.writing:
            for start in range(0, len(data), MAX_DATA // 2):
                if self.ended.is_set():
                    return
                self.acknowledged.clear()
                self.connection.send(WRTE, self.local, self.remote, data[start : start + MAX_DATA // 2])
                self.acknowledged.wait()

    def close(self) -> None:
        self.connection.streams.pop(self.local, None)
        self.connection.send(CLSE, self.local, self.remote)


class _Shell(_Stream):
    """`shell:` and `shell,v2:`."""

    def start(self, options: list[str], rest: str) -> None:
        self.v2 = "v2" in options
        self.process = self.device.start_shell(rest, merged=not self.v2)
        self.device.cut_for(rest)
        threading.Thread(target=self._relay, daemon=True).start()

    def _relay(self) -> None:
        pipes = [(1, self.process.stdout), (2, self.process.stderr)]
        threads = [threading.Thread(target=self._copy, args=pair, daemon=True) for pair in pipes if pair[1]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.ended.is_set():
            return
        code = self.process.wait()
        if self.v2:
            self.write(struct.pack("<BIB", 3, 1, code & 0xFF))
        self.close()

    def _copy(self, number: int, pipe: Any) -> None:
        with suppress(ValueError, OSError):
            while not self.ended.is_set() and (data := pipe.read1(4096)):
                self.write(struct.pack("<BI", number, len(data)) + data if self.v2 else data.replace(b"\n", b"\r\n"))

    def end(self) -> None:
        # As on a phone, the command goes on without its reader until it writes or ends.
        super().end()


class _Sync(_Stream):
    """`sync:`, versions 1 and 2: stat, push, pull."""

    def start(self, options: list[str], rest: str) -> None:
        self.buffer = bytearray()
        self.more = threading.Condition()
        threading.Thread(target=self._serve, daemon=True).start()

    def receive(self, data: bytes) -> None:
        with self.more:
            self.buffer += data
            self.more.notify()

    def end(self) -> None:
        super().end()
        with self.more:
            self.more.notify()

    def _take(self, count: int) -> bytes:
        with self.more:
            while len(self.buffer) < count:
                if self.ended.is_set():
                    raise ConnectionError
                self.more.wait(1)
            data = bytes(self.buffer[:count])
            del self.buffer[:count]
            return data

    def _serve(self) -> None:
        with suppress(ConnectionError, OSError):
            while True:
                name, length = self._take(4), struct.unpack("<I", self._take(4))[0]
                if name == b"QUIT":
                    break
                self._request(name, self._take(length).decode())
        self.close()

    def _request(self, name: bytes, argument: str) -> None:
        if name in (b"STAT", b"LSTA"):
            self.write(struct.pack("<4s3I", b"STAT", *self._stat(argument)))
        elif name in (b"STA2", b"LST2"):
            mode, size, changed = self._stat(argument)
            numbers = (0 if mode else 2, 0, 0, mode, 1, 0, 0, size, changed, changed, changed)
            self.write(struct.pack("<4sIQQIIIIQqqq", name, *numbers))
        elif name == b"SND2":
            self._take(4)
            mode, _flags = struct.unpack("<II", self._take(8))
            self._store(argument, mode)
        elif name == b"SEND":
            path, _, digits = argument.rpartition(",")
            self._store(path, int(digits))
        elif name in (b"RECV", b"RCV2"):
            if name == b"RCV2":
                self._take(8)
            self._fetch(argument)
        else:
            self._fail(f"unknown request {name!r}")

    def _stat(self, remote: str) -> tuple[int, int, int]:
        try:
            found = self.device.path(remote).stat()
        except OSError:
            return 0, 0, 0
        return found.st_mode, found.st_size, int(found.st_mtime)

    def _store(self, remote: str, mode: int) -> None:
        device, content, problem = self.device, bytearray(), ""
        device.watcher(f"push {remote}")
        if device.read_only:
            problem = "couldn't create file: Read-only file system"
        while True:
            name, length = self._take(4), struct.unpack("<I", self._take(4))[0]
            if name == b"DONE":
                break
            content += self._take(length)
            if device.cut_push_after is not None and len(content) >= device.cut_push_after:
                device.cut_push_after = None
                device.pull_the_cable()
                raise ConnectionError
            if len(content) > device.space:
                problem = problem or "write failed: No space left on device"
        if problem:
            self._fail(problem)
            return
        device.space -= len(content)
        device.pushes.append(remote)
        path = device.path(remote)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode & 0o644)  # as on a phone, what is pushed cannot be run
        self.write(struct.pack("<4sI", b"OKAY", 0))

    def _fetch(self, remote: str) -> None:
        try:
            content = self.device.path(remote).read_bytes()
        except OSError as error:
            self._fail(f"failed to open {remote}: {error.strerror}")
            return
        for start in range(0, len(content), 64 * 1024):
            part = content[start : start + 64 * 1024]
            self.write(struct.pack("<4sI", b"DATA", len(part)) + part)
        self.write(struct.pack("<4sI", b"DONE", 0))

    def _fail(self, message: str) -> None:
        self.write(struct.pack("<4sI", b"FAIL", len(message)) + message.encode())


@contextmanager
def private_adb(home: Path) -> Iterator[dict[str, str]]:
    """The environment of an adb server of one's own, on a free port, which ends with the block.

    Its keys lie in `home`; it looks for no emulators and announces nothing on the network.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        "ANDROID_ADB_SERVER_PORT": str(port),
        "HOME": str(home),
        "ANDROID_USER_HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553",
        "ADB_MDNS": "0",
        "ADB_MDNS_AUTO_CONNECT": "0",
    }
    try:
        yield environment
    finally:
        from android_bench.phone import adb

        subprocess.run([adb.adb_path(), "-P", str(port), "kill-server"], capture_output=True, check=False, timeout=30)


@contextmanager
def renamed(port: int, names: dict[str, str]) -> Iterator[int]:
    """The port of a middleman before the adb server at `port`, which shows it phones under other serials.

    `names` maps each new serial to the phone's own. A phone on the network cannot be called just anything,
    one on USB can. Protocol: AOSP, packages/modules/adb, SERVICES.TXT.
    """
    back = {real: name for name, real in names.items()}

    def swapped(text: bytes, table: dict[str, str]) -> bytes:
        for old, new in table.items():
            text = text.replace(old.encode(), new.encode())
        return text

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError, ValueError), socket.create_connection(("127.0.0.1", port)) as server:
            with client.makefile("rb") as asked:
                request = swapped(asked.read(int(asked.read1(4), 16)), names)
            server.sendall(b"%04x" % len(request) + request)
            if request.startswith(b"host:devices"):
                with server.makefile("rb") as answer:
                    _, listed = answer.read(8), swapped(answer.read(), back)
                client.sendall(b"OKAY%04x" % len(listed) + listed)
                return
            threading.Thread(target=copy, args=(client, server), daemon=True).start()
            copy(server, client)

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def elf(machine: int = 0x3E, extra: bytes = b"") -> bytes:
    """A static x86-64 program that becomes `python adb_device.py ARGUMENTS…`; for another `machine`, its header alone.

    It overwrites the two stack slots of argc and argv[0] with the new argv[0] and argv[1], then calls execve.
    """
    base, header = 0x400000, 64 + 56
    python, script = sys.executable.encode() + b"\0", str(Path(__file__).resolve()).encode() + b"\0"
    code = bytearray()

    def load(opcode: bytes, target: int) -> None:  # lea register, [rip + ...]
        end = len(code) + len(opcode) + 4
        code.extend(opcode + struct.pack("<i", target - end))

    size = 51 + 7
    code += bytes.fromhex("488b0c24 488d54cc10")  # mov rcx,[rsp]; lea rdx,[rsp+rcx*8+16] (the environment)
    load(bytes.fromhex("488d05"), size)  # lea rax,[python]
    code += bytes.fromhex("48890424")  # mov [rsp],rax
    load(bytes.fromhex("488d1d"), size + len(python))  # lea rbx,[script]
    code += bytes.fromhex("48895c2408 4889c7 4889e6")  # mov [rsp+8],rbx; mov rdi,rax; mov rsi,rsp
    code += bytes.fromhex("b83b000000 0f05")  # execve
    code += bytes.fromhex("bf7f000000 b83c000000 0f05")  # exit(127)
    body = bytes(code).ljust(size, b"\x90") + python + script + extra
    total = header + len(body)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    entry = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, base, base, total, total, 0x1000)
    return ident + entry + segment + body


# The benchmark tool of the stand-in: this module run as a program.


def run_tool(arguments: list[str]) -> int:
    """Behave as `tool.json` in the phone's root says.

    Keys: "replay": [standard output, standard error, exit code] printed as they are, with `{megabytes}`
    replaced; "signal": end by it; "hang": never end; "unknown": flags that are not known; "delegates":
    {"gpu": [taken, total]}; "ms": the latency to state; "run": state the real interpreter's latency times
    this; "wrong": the output is spoilt.
    """
    root = Path.cwd().parents[3]
    behaviour = json.loads((root / "tool.json").read_text())
    flags = dict(argument.lstrip("-").split("=", 1) for argument in arguments)
    model = Path(flags["graph"])
    megabytes = f"{model.stat().st_size / 1e6:.6g}" if model.exists() else "0"
    with (root / "runs").open("a") as file:
        file.write(json.dumps(flags) + "\n")
    if "replay" in behaviour:
        out, err, code = behaviour["replay"]
        sys.stdout.write(out.replace("{megabytes}", megabytes))
        sys.stderr.write(err)
        return int(code)
    if "signal" in behaviour:
        os.kill(os.getpid(), behaviour["signal"])
    if "hang" in behaviour:
        print("STARTING!", flush=True)
        time.sleep(600)
    unknown = [f"--{name}={value}" for name, value in flags.items() if name in behaviour.get("unknown", [])]
    if unknown:
        print("WARN: Unconsumed cmdline flags:", *unknown)
    if "output_filepath" in flags and not unknown:
        _write_output(model, flags, behaviour)
    _print_log(flags, behaviour, megabytes)
    time.sleep(behaviour.get("sleep", 0))
    return 0


def _print_log(flags: dict[str, str], behaviour: dict[str, Any], megabytes: str) -> None:
    delegate = next((name for name in ("gpu", "nnapi") if flags.get(f"use_{name}") == "true"), "xnnpack")
    if "external_delegate_path" in flags:
        delegate = "external" if Path(flags["external_delegate_path"]).is_file() else "absent"
    names = {"gpu": "TfLiteGpuDelegateV2", "nnapi": "TfLiteNnapiDelegate", "xnnpack": "TfLiteXNNPackDelegate"}
    names["external"] = "TfLiteQnnDelegate"
    taken, total = behaviour.get("delegates", {}).get(delegate, [0 if delegate == "absent" else 8, 8])
    if "run" in behaviour and taken:  # as many nodes as the model has, less those that were said to be refused
        nodes = _nodes(Path(flags["graph"]))
        taken, total = nodes - (total - taken), nodes
    if taken:
        print(
            f"INFO: Replacing {taken} out of {total} node(s) with delegate ({names[delegate]}) node, "
            f"yielding {1 if taken == total else 2} partitions for subgraph 0.",
            file=sys.stderr,
        )
    else:
        print(f"INFO: Though {delegate.upper()} delegate is explicitly applied, the model graph will not be executed.")
    number = sum(1 for _ in (Path.cwd().parents[3] / "runs").open())
    micros = int(behaviour.get("ms", 5) * 1000) + number
    if "run" in behaviour:
        micros = int(_timed(Path(flags["graph"]), int(flags["num_threads"]), int(flags["num_runs"])) * behaviour["run"])
    stated = f"min={micros - 9} max={micros + 90} avg={micros + 10.25} std=9 "
    stated += f"p5={micros - 8} median={micros} p95={micros + 80}"
    header = "INFO: Running benchmark for at least {} iterations and at least {} seconds "
    header += "but terminate if exceeding 60 seconds."
    print(f"INFO: The input model file size (MB): {megabytes}\nINFO: Initialized session in 1.5ms.")
    print(header.format(1, 0.5) + f"\nINFO: count=9 first=9000 curr=8000 {stated}\n")
    print(
        header.format(flags["num_runs"], 0)
        + f"\nINFO: count={flags['num_runs']} first={micros} curr={micros} {stated}\n"
    )
    print(
        f"INFO: Inference timings in us: Init: 1500, First inference: 9000, Warmup (avg): 1, Inference (avg): {micros}"
    )
    print("INFO: Overall peak memory footprint (MB) via periodic monitoring: 12.5")
    if flags.get("enable_op_profiling") == "true":
        print(
            "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
            "============================== Summary by node type ==============================\n"
            "\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]\n"
            "\t                 CONV_2D\t        6\t     3.600\t    75.000%\t    75.000%\t     0.000\t        6\n"
            "\t          DEPTH_TO_SPACE\t        1\t     1.200\t    25.000%\t   100.000%\t     0.000\t        1\n"
        )


def _nodes(model: Path) -> int:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(model), experimental_op_resolver_type=plain)
    return len(interpreter._get_ops_details())


def _timed(model: Path, threads: int, runs: int) -> float:
    """Median microseconds of the real interpreter on this machine."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model), num_threads=threads)
    interpreter.allocate_tensors()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        interpreter.invoke()
        times.append((time.perf_counter() - start) * 1e6)
    return sorted(times)[runs // 2]


def _write_output(model: Path, flags: dict[str, str], behaviour: dict[str, Any]) -> None:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model))
    interpreter.allocate_tensors()
    tensor = interpreter.get_input_details()[0]
    name, _, path = flags["input_layer_value_files"].rpartition(":")
    assert name.replace("::", ":") == flags["input_layer"] == tensor["name"]
    assert flags["input_layer_shape"] == ",".join(str(n) for n in tensor["shape"])
    interpreter.set_tensor(tensor["index"], np.fromfile(path, tensor["dtype"]).reshape(tensor["shape"]))
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    if behaviour.get("wrong"):
        output = output[:, ::-1]
    output.tofile(flags["output_filepath"])


if __name__ == "__main__":
    sys.exit(run_tool(sys.argv[1:]))
