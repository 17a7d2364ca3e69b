"""Downloads from servers that send too much, too slowly, or somewhere else."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import download
from ecbsr_mobile.utils.subprocess_runner import Canceled

CONTENT = bytes(range(256)) * 1000
Serve = Callable[..., str]


class Handler(BaseHTTPRequestHandler):
    """Answers by path: /file, /endless, /slow (one byte, then nothing), /to/ADDRESS (a redirect)."""

    released = threading.Event()

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        self.send_response(200)
        if self.path in ("/file", "/short"):
            self.send_header("Content-Length", str(len(CONTENT) + (self.path == "/short")))
        self.end_headers()
        try:
            if self.path == "/slow":
                self.wfile.write(b"x")
                self.wfile.flush()
                self.released.wait(300)
            while self.path == "/endless":
                self.wfile.write(CONTENT)
            self.wfile.write(CONTENT)
        except OSError:
            return

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Serve]:
    """Start a server; its address. With `secure`, its certificate is trusted."""
    monkeypatch.setenv("no_proxy", "*")
    Handler.released = threading.Event()
    with ExitStack() as stack:

        def start(*, secure: bool = False) -> str:
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            if secure:
                certificate = _certificate(tmp_path)
                monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            return f"http{'s' * secure}://127.0.0.1:{server.server_port}"

        stack.callback(Handler.released.set)
        yield start


def _certificate(folder: Path) -> Path:
    path, key = folder / "certificate.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(path)], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


def fetch(address: str, path: Path, seconds: float = 300, stop: threading.Event | None = None) -> download.Downloaded:
    return download.fetch(address, path, max_bytes=10 * len(CONTENT), seconds=seconds, stop=stop or threading.Event())


def test_a_file_arrives_with_its_hash(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for base in (serve(), serve(secure=True)):
        fetched = fetch(f"{base}/file", path)
        assert path.read_bytes() == CONTENT
        assert (fetched.bytes, fetched.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
        assert fetched.header("content-length") == str(len(CONTENT))


def test_no_redirect_leads_away_from_https(serve: Serve, tmp_path: Path) -> None:
    plain, secure = serve(), serve(secure=True)
    path = tmp_path / "file"
    assert fetch(f"{secure}/to/{secure}/file", path).bytes == len(CONTENT)
    for target in (f"{plain}/file", f"{secure}/to/{plain}/file", "ftp://127.0.0.1/file"):
        path.unlink()
        with pytest.raises(EcbsrError, match="redirects away from https"):
            fetch(f"{secure}/to/{target}", path)
        path.touch()


def test_what_sends_too_much_or_too_little_is_refused(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    base = serve()
    with pytest.raises(EcbsrError, match=f"more than {10 * len(CONTENT)} bytes"):
        fetch(f"{base}/endless", path)
    assert path.stat().st_size <= 10 * len(CONTENT)
    with pytest.raises(EcbsrError, match=f"after {len(CONTENT)} of {len(CONTENT) + 1} bytes"):
        fetch(f"{base}/short", path)
    with pytest.raises(EcbsrError, match="did not arrive within 1 s"):
        fetch(f"{base}/slow", path, seconds=1)
    with pytest.raises(EcbsrError, match="cannot download file:"):
        fetch("file:///nonexistent/\x1b[2J", path)


def test_a_download_ends_when_it_is_canceled(serve: Serve, tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Canceled):
        fetch(f"{serve()}/slow", tmp_path / "file", stop=stop)
