"""Downloads of the tool, from a local server instead of the public one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from android_bench.benchmark_tool import binary
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.standin_tool import elf


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
    answer: dict[str, Any] = {"content": elf(0xB7, bytes(binary.MIN_BYTES)), "headers": {}, "requests": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer["requests"] += 1
            self.send_response(answer.get("code", 200))
            content = answer["content"]
            for name, value in {"Content-Length": len(content), "Last-Modified": "a day", **answer["headers"]}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/benchmark_model"
    monkeypatch.setattr(binary, "ADDRESSES", {("tflite", "arm64-v8a"): address})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield answer
    server.shutdown()
    server.server_close()


def find() -> binary.Binary:
    return binary.find("tflite", ["arm64-v8a", "armeabi-v7a"], lambda _line: None)


def test_the_tool_is_fetched_once_and_again_when_the_cache_is_damaged(download: dict[str, Any]) -> None:
    first = find()
    assert (first.abi, first.info.kind, first.info.version) == ("arm64-v8a", "tflite", "tflite a day")
    assert first.path.read_bytes() == download["content"]
    assert find() == first and download["requests"] == 1
    first.path.write_bytes(b"damaged")
    assert find() == first and download["requests"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": 404}, "404"),
        ({"content": b"<html>sign in</html>"}, "not a program"),
        ({"content": elf(0xB7)}, "not a program"),
        ({"content": elf(0x3E, bytes(binary.MIN_BYTES))}, "is for x86_64"),
        ({"headers": {"x-goog-hash": "crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg=="}}, "damaged"),
    ],
)
def test_a_wrong_download_is_an_error(download: dict[str, Any], change: dict[str, Any], words: str) -> None:
    download.update(change)
    with pytest.raises(EcbsrError, match=words):
        find()


def test_an_incomplete_download_leaves_no_tool(download: dict[str, Any]) -> None:
    download["headers"] = {"Content-Length": len(download["content"]) + 5}
    with pytest.raises(EcbsrError):
        find()
    assert not list(binary.cache_folder().rglob("benchmark_model")), "an incomplete file has the tool's name"


def test_no_network_says_how_to_get_the_tool_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/tool"
    monkeypatch.setattr(binary, "ADDRESSES", {("tflite", "arm64-v8a"): address})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(EcbsrError, match=r"download .*/tool elsewhere and give its path with --tool"):
        find()
