"""Downloads of the tool, from a local server instead of the public one."""

from __future__ import annotations

import hashlib
import socket
import subprocess
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


def test_another_file_than_the_first_download_is_refused(download: dict[str, Any]) -> None:
    lines: list[str] = []
    first = binary.find("tflite", ["arm64-v8a"], lines.append)
    assert any(first.info.sha256 in line and "recorded" in line for line in lines), "the hash is shown"
    download["content"] += b"something else"
    other = hashlib.sha256(download["content"]).hexdigest()
    first.path.unlink()
    with pytest.raises(EcbsrError, match=rf"now has the SHA-256 {other}, .* first had {first.info.sha256}"):
        find()
    assert not first.path.exists()
    assert binary.find("tflite", ["arm64-v8a"], lines.append, other).info.sha256 == other
    assert find().info.sha256 == other and download["requests"] == 3, "the hash that was given is recorded"


def test_a_tool_must_have_the_hash_that_is_given(download: dict[str, Any], tmp_path: Path) -> None:
    wrong, right = "0" * 64, hashlib.sha256(download["content"]).hexdigest()
    with pytest.raises(EcbsrError, match=f"has the SHA-256 {right}, not {wrong} as given"):
        binary.find("tflite", ["arm64-v8a"], lambda _line: None, wrong)
    assert not list(binary.cache_folder().rglob("benchmark_model"))
    path = tmp_path / "tool"
    path.write_bytes(download["content"])
    assert binary.find(str(path), ["arm64-v8a"], lambda _line: None, right).info.sha256 == right
    with pytest.raises(EcbsrError, match=f"has the SHA-256 {right}, not {wrong} as given"):
        binary.find(str(path), ["arm64-v8a"], lambda _line: None, wrong)


def test_the_command_of_a_dry_run_downloads_with_the_same_limits(download: dict[str, Any]) -> None:
    sha256 = hashlib.sha256(download["content"]).hexdigest()
    planned = binary.find_for_dry_run("tflite")
    curl, check = binary.download_commands(planned, sha256)
    words = " ".join(curl)
    assert "--proto =https --proto-redir =https" in words and "--max-filesize" in words and "--max-time" in words
    assert subprocess.run(curl, capture_output=True).returncode != 0 and download["requests"] == 0, "it is not https"
    plain = ["=https,http" if part == "=https" else part for part in curl]
    subprocess.run(plain, check=True, capture_output=True)
    assert subprocess.run(check, capture_output=True).returncode == 0
    planned.path.write_bytes(b"another")
    assert subprocess.run(check, capture_output=True).returncode != 0


def test_no_network_says_how_to_get_the_tool_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/tool"
    monkeypatch.setattr(binary, "ADDRESSES", {("tflite", "arm64-v8a"): address})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(EcbsrError, match=r"download .*/tool elsewhere and give its path with --tool"):
        find()
