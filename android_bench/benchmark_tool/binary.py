"""The file of the benchmark tool: where it is downloaded from, and whether it matches the phone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import shutil
import struct
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.files import atomic_write, write_bytes

from ..results.types import Tool

_NIGHTLY = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest"
_LITERT = "https://storage.googleapis.com/litert/binaries/2.2.0"

ADDRESSES = {
    ("tflite", "arm64-v8a"): f"{_NIGHTLY}/android_aarch64_benchmark_model",
    ("tflite", "armeabi-v7a"): f"{_NIGHTLY}/android_arm_benchmark_model",
    ("litert", "arm64-v8a"): f"{_LITERT}/android_arm64/benchmark_model",
}
"""The published tools by kind and ABI. TFLite's is a nightly build, so its hash is recorded."""

PUBLISHED = ("tflite", "litert")
CURRENT_ABI = "arm64-v8a"  # of today's phones

MACHINES = {0xB7: "arm64-v8a", 0x28: "armeabi-v7a", 0x3E: "x86_64", 0x03: "x86"}
"""The field `e_machine` of an ELF file, and Android's name of the ABI."""

MIN_BYTES, MAX_BYTES = 100_000, 200_000_000  # the published tools have 2 to 30 million bytes
DOWNLOAD_TIMEOUT = 60  # seconds without data
_ONLY_IN_LITERT = b"benchmark_litert_model"


@dataclass(frozen=True)
class Binary:
    """A tool on this machine."""

    path: Path
    abi: str
    info: Tool


def find(tool: str, abis: Sequence[str], progress: Callable[[str], None]) -> Binary:
    """The tool for a phone that supports `abis`, best first.

    `tool` is "tflite" or "litert", which are downloaded into the cache once, or a path. `progress` receives a line of
    text before a download. The ELF header must match
    the phone.

    Raises:
        EcbsrError: there is no such file, no network, or the file does not match the phone.
    """
    if tool not in PUBLISHED:
        return _examined(_existing(tool), "", abis)
    abi = next((abi for abi in abis if (tool, abi) in ADDRESSES), None)
    if abi is None:
        raise EcbsrError(
            f"no {tool} tool is published for {', '.join(abis) or 'this phone'}; "
            "build benchmark_model for it and give its path with --tool"
        )
    address = ADDRESSES[tool, abi]
    path = _cached(tool, abi)
    record = path.with_name("source.json")
    if not _is_intact(path, record):
        progress(f"downloading {address}")
        _download(address, path, record)
    version = str(json.loads(record.read_text())["last_modified"] or "")
    return _examined(path, f"{tool} {version}".strip(), abis)


def find_for_dry_run(tool: str) -> Binary:
    """The tool as a dry run names it: not downloaded, for a phone with `CURRENT_ABI`.

    Raises:
        EcbsrError: there is no such file.
    """
    if tool not in PUBLISHED:
        path = _existing(tool)
        return Binary(path, "", Tool(_kind(path.read_bytes()), ""))
    return Binary(_cached(tool, CURRENT_ABI), CURRENT_ABI, Tool(tool, ""))


def download_command(binary: Binary) -> tuple[str, ...]:
    """The command that downloads the tool of `find_for_dry_run`; empty where the file exists."""
    if binary.path.exists():
        return ()
    address = ADDRESSES[binary.info.kind, binary.abi]
    return ("curl", "--fail", "--location", "--create-dirs", "--output", str(binary.path), address)


def cache_folder() -> Path:
    """The folder for downloaded tools."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("ecbsr-bench", appauthor=False))


def _cached(tool: str, abi: str) -> Path:
    return cache_folder() / f"{tool}-{abi}" / "benchmark_model"


def _existing(tool: str) -> Path:
    path = Path(tool)
    if not path.is_file():
        raise EcbsrError(f"there is no tool at {tool}; give the path of a benchmark_model, or tflite, or litert")
    return path


def _is_intact(path: Path, record: Path) -> bool:
    try:
        return json.loads(record.read_text())["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _download(address: str, path: Path, record: Path) -> None:
    advice = f"download {address} elsewhere and give its path with --tool"
    try:
        with urllib.request.urlopen(address, timeout=DOWNLOAD_TIMEOUT) as answer, atomic_write(path) as temporary:
            with temporary.open("wb") as file:
                shutil.copyfileobj(answer, file)
            _check_download(temporary, answer.headers, address)
            headers = answer.headers
    except (OSError, HTTPException) as error:
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
        raise EcbsrError(f"cannot download {address}: {reason}; {advice}") from None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = {"address": address, "sha256": digest, "last_modified": headers.get("Last-Modified")}
    write_bytes(record, json.dumps(source).encode())


def _check_download(path: Path, headers: Message, address: str) -> None:
    """Compare a download with the length and the hash that its server states; `_examined` reads the ELF header."""
    content = path.read_bytes()
    length = headers.get("Content-Length")
    if length and str(len(content)) != length.strip():
        raise EcbsrError(f"{address} ended after {len(content)} of {length} bytes; try again")
    if not MIN_BYTES <= len(content) <= MAX_BYTES or content[:4] != b"\x7fELF":
        message = f"{address} gave {len(content)} bytes that are not a program; open it in a browser, or use --tool"
        raise EcbsrError(message)
    for stated in ",".join(headers.get_all("x-goog-hash") or []).split(","):
        kind, _, value = stated.strip().partition("=")
        if kind == "md5" and _decoded(value) != hashlib.md5(content, usedforsecurity=False).digest():
            raise EcbsrError(f"{address} is damaged: its MD5 is not the one that the server states; try again")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _examined(path: Path, version: str, abis: Sequence[str]) -> Binary:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EcbsrError(f"cannot read {path}: {error.strerror}") from None
    abi = elf_abi(content)
    if abi is None:
        raise EcbsrError(f"{path} is not a program for Android (it has no ELF header of a known machine)")
    if abi not in abis:
        message = f"{path} is for {abi}, but the phone supports {', '.join(abis)}; give the tool built for it"
        raise EcbsrError(message)
    digest = hashlib.sha256(content).hexdigest()
    return Binary(path, abi, Tool(_kind(content), version or path.name, digest, len(content)))


def _kind(content: bytes) -> str:
    return "litert" if _ONLY_IN_LITERT in content else "tflite"


def elf_abi(content: bytes) -> str | None:
    """The ABI in the header of an ELF file; None if it is not such a file, or for a machine without an Android ABI."""
    if len(content) < 20 or content[:4] != b"\x7fELF" or content[5] != 1:  # little-endian
        return None
    return MACHINES.get(struct.unpack_from("<H", content, 18)[0])
