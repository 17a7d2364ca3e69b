"""The device side of adb's protocol over TCP: connections, `shell:` and `sync:` services.

Protocol: AOSP, packages/modules/adb, protocol.txt, OVERVIEW.TXT and SYNC.TXT.
"""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.helpers.adb_device import Device

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
VERSION = 0x01000001  # data checksums are not used
MAX_DATA = 256 * 1024
NEW_FEATURES = "shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,sendrecv_v2"
OLD_FEATURES = "cmd"  # a phone before Android 7: no exit codes, both streams in one, sync version 1


class Connection:
    """One connection with the adb server."""

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
            if not (command == AUTH and kind == 3):  # a public key, which the owner of the phone does not confirm
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

    def __init__(self, connection: Connection, local: int, remote: int) -> None:
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
        """Send data and wait until it is acknowledged."""
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
    """`shell:` and `shell,v2:`. As on a phone, the end of a connection ends a shell by SIGHUP, but not its commands."""

    process: subprocess.Popen[bytes] | None = None

    def end(self) -> None:
        super().end()
        if self.process and self.v2 and self.process.poll() is None:
            self.process.send_signal(signal.SIGHUP)

    def start(self, options: list[str], rest: str) -> None:
        self.v2 = "v2" in options
        self.process = self.device.start_shell(rest, merged=not self.v2)
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
            status = self.device.path(remote).stat()
        except OSError:
            return 0, 0, 0
        return status.st_mode, status.st_size, int(status.st_mtime)

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
        path.chmod(mode & 0o644)  # as on a phone, a pushed file is not executable
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
