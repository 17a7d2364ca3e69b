"""The benchmark tool as a file: where it is downloaded from, and whether it matches the phone."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import struct
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
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
"""Where the tools' makers publish them, by kind and ABI. TFLite's is a nightly build: its hash is recorded."""

MACHINES = {0xB7: "arm64-v8a", 0x28: "armeabi-v7a", 0x3E: "x86_64", 0x03: "x86"}
"""The `e_machine` field of an ELF file → Android's name of the ABI."""

SMALLEST, LARGEST = 100_000, 200_000_000  # bytes; the published tools have 2 to 30 million
FETCH_LIMIT = 60  # seconds without a byte
_OWN_TO_LITERT = b"benchmark_litert_model"


@dataclass(frozen=True)
class Binary:
    """A tool on this machine."""

    path: Path
    abi: str
    facts: Tool


def find(wanted: str, abis: Sequence[str], progress: Callable[[str], None]) -> Binary:
    """The tool for a phone that takes `abis`, best first: "tflite" or "litert" from the cache, or a path.

    What is not in the cache is fetched once. The ELF header must fit the phone.

    Raises:
        EcbsrError: there is no such file, no network, or the file does not fit.
    """
    if wanted not in ("tflite", "litert"):
        return _examined(_named(wanted), "", abis)
    abi = next((abi for abi in abis if (wanted, abi) in ADDRESSES), None)
    if abi is None:
        raise EcbsrError(
            f"no {wanted} tool is published for {', '.join(abis) or 'this phone'}; "
            "build benchmark_model for it and give its path with --tool"
        )
    address = ADDRESSES[wanted, abi]
    path = cache() / f"{wanted}-{abi}" / "benchmark_model"
    record = path.with_name("source.json")
    if not _intact(path, record):
        progress(f"fetching {address}")
        _fetch(address, path, record)
    version = str(json.loads(record.read_text())["last_modified"] or "")
    return _examined(path, f"{wanted} {version}".strip(), abis)


def planned(wanted: str) -> Binary:
    """The tool as a dry run names it: not fetched, for a phone of today.

    Raises:
        EcbsrError: there is no such file.
    """
    if wanted not in ("tflite", "litert"):
        path = _named(wanted)
        return Binary(path, "", Tool("litert" if _OWN_TO_LITERT in path.read_bytes() else "tflite", ""))
    return Binary(cache() / f"{wanted}-arm64-v8a" / "benchmark_model", "arm64-v8a", Tool(wanted, ""))


def fetching(planned: Binary) -> tuple[str, ...]:
    """The command that fetches what `planned` names; empty where the file is there."""
    if planned.path.exists():
        return ()
    address = ADDRESSES[planned.facts.kind, planned.abi]
    return ("curl", "--fail", "--location", "--create-dirs", "--output", str(planned.path), address)


def _named(wanted: str) -> Path:
    path = Path(wanted)
    if not path.is_file():
        raise EcbsrError(f"there is no tool at {wanted}; give the path of a benchmark_model, or tflite, or litert")
    return path


def cache() -> Path:
    """The folder for fetched tools."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ecbsr-bench"


def _intact(path: Path, record: Path) -> bool:
    try:
        return json.loads(record.read_text())["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _fetch(address: str, path: Path, record: Path) -> None:
    by_hand = f"fetch {address} elsewhere and give its path with --tool"
    try:
        with urllib.request.urlopen(address, timeout=FETCH_LIMIT) as answer, atomic_write(path) as temporary:
            with temporary.open("wb") as file:
                shutil.copyfileobj(answer, file)
            _check_download(temporary, answer.headers, address)
            headers = answer.headers
    except (urllib.error.URLError, OSError) as error:
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
        raise EcbsrError(f"cannot fetch {address}: {reason}; {by_hand}") from None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    facts = {"address": address, "sha256": digest, "last_modified": headers.get("Last-Modified")}
    write_bytes(record, json.dumps(facts).encode())


def _check_download(path: Path, headers: Message, address: str) -> None:
    """Hold a download against what its server says of it; an ELF file is looked at when it is used."""
    content = path.read_bytes()
    length = headers.get("Content-Length")
    if length and len(content) != int(length):
        raise EcbsrError(f"{address} broke off after {len(content)} of {length} bytes; try again")
    if not SMALLEST <= len(content) <= LARGEST or content[:4] != b"\x7fELF":
        raise EcbsrError(f"{address} gave {len(content)} bytes that are no program; see it in a browser, or use --tool")
    for stated in ",".join(headers.get_all("x-goog-hash") or []).split(","):
        kind, _, value = stated.strip().partition("=")
        if kind == "md5" and base64.b64decode(value) != hashlib.md5(content, usedforsecurity=False).digest():
            raise EcbsrError(f"{address} arrived damaged: its MD5 is not the one that the server states; try again")


def _examined(path: Path, version: str, abis: Sequence[str]) -> Binary:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EcbsrError(f"cannot read {path}: {error.strerror}") from None
    abi = elf_abi(content)
    if abi is None:
        raise EcbsrError(f"{path} is no program for Android (it has no ELF header of a known machine)")
    if abi not in abis:
        raise EcbsrError(f"{path} is for {abi}, but the phone takes {', '.join(abis)}; give the tool built for it")
    kind = "litert" if _OWN_TO_LITERT in content else "tflite"
    digest = hashlib.sha256(content).hexdigest()
    return Binary(path, abi, Tool(kind, version or path.name, digest, len(content)))


def elf_abi(content: bytes) -> str | None:
    """The ABI of an ELF file by its header; None where it is none, or for a machine that Android lacks."""
    if len(content) < 20 or content[:4] != b"\x7fELF" or content[5] != 1:  # little-endian
        return None
    return MACHINES.get(struct.unpack_from("<H", content, 18)[0])
