"""A private adb server, and a proxy that shows its phones under other serials."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from android_bench.phone.adb import adb_path

PORT = "ANDROID_ADB_SERVER_PORT"


def run_adb(*arguments: str) -> None:
    """Run an adb command; it may fail."""
    subprocess.run([adb_path(), *arguments], capture_output=True, check=False, timeout=60)


@contextmanager
def private_adb(home: Path) -> Iterator[dict[str, str]]:
    """The environment of a private adb server on a free port, which ends with the block.

    Its keys are in `home`. It looks for no emulators and announces nothing on the network.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        PORT: str(port),
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
        run_adb("-P", str(port), "kill-server")


@contextmanager
def renamed(names: dict[str, str]) -> Iterator[None]:
    """Put a proxy before the adb server of the environment, which shows phones under other serials.

    `names` maps each new serial to the real one. The serial of a phone on USB can be any text; that of a phone on the
    network cannot. Protocol: AOSP, packages/modules/adb, SERVICES.TXT.
    """
    port, back = int(os.environ[PORT]), {real: name for name, real in names.items()}

    def swapped(text: bytes, table: dict[str, str]) -> bytes:
        for old, new in table.items():
            text = text.replace(old.encode(), new.encode())
        return text

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError, ValueError), socket.create_connection(("127.0.0.1", port)) as server:
            with client.makefile("rb") as stream:
                request = swapped(stream.read(int(stream.read1(4), 16)), names)
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
        with patch.dict(os.environ, {PORT: str(listener.getsockname()[1])}):
            yield
        listener.shutdown(socket.SHUT_RDWR)
