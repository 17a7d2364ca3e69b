"""The file of the benchmark tool: where it is downloaded from, and whether it matches the phone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import shlex
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import download
from ecbsr_mobile.utils.files import atomic_write
from ecbsr_mobile.utils.progress import Notify

from ..config import DOWNLOADED
from ..results.types import Tool

_NIGHTLY = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest"
_LITERT = "https://storage.googleapis.com/litert/binaries/2.2.0"

ADDRESSES = {
    ("tflite", "arm64-v8a"): f"{_NIGHTLY}/android_aarch64_benchmark_model",
    ("tflite", "armeabi-v7a"): f"{_NIGHTLY}/android_arm_benchmark_model",
    ("litert", "arm64-v8a"): f"{_LITERT}/android_arm64/benchmark_model",
}
"""The published tools by kind and ABI. No SHA-256 is published for them, and TFLite's is a nightly build."""

CURRENT_ABI = "arm64-v8a"  # of today's phones

MACHINES = {0xB7: "arm64-v8a", 0x28: "armeabi-v7a", 0x3E: "x86_64", 0x03: "x86"}
"""The field `e_machine` of an ELF file, and Android's name of the ABI."""

MIN_BYTES, MAX_BYTES = 100_000, 200_000_000  # the published tools have 2 to 30 million bytes
DOWNLOAD_SECONDS = 600  # 30 million bytes at 50 KB/s
_downloading = threading.Lock()  # several phones need the same file
_ONLY_IN_LITERT = b"benchmark_litert_model"


@dataclass(frozen=True)
class Binary:
    """A tool on this machine."""

    path: Path
    abi: str
    info: Tool


def find(
    tool: str,
    abis: Sequence[str],
    progress: Notify,
    sha256: str = "",
    stop: threading.Event | None = None,
) -> Binary:
    """The tool for a phone that supports `abis`, best first.

    `tool` is "tflite" or "litert", which are downloaded into the cache once, or the path of a benchmark_model or its
    folder. `sha256` is the hash that it must have; without one, the hash of the first download is recorded, and a later
    download must have it. `progress` receives a line of text before and after a download. The ELF header must match the
    phone.

    Raises:
        EcbsrError: there is no such file, no network, or the file has another hash or does not match the phone.
        Canceled: `stop` was set during the download.
    """
    if tool not in DOWNLOADED:
        return _with_hash(_examined(_existing(tool), "", abis), sha256)
    abi = next((abi for abi in abis if (tool, abi) in ADDRESSES), None)
    if abi is None:
        raise EcbsrError(
            f"no {tool} tool is published for {', '.join(abis) or 'this phone'}; "
            "build benchmark_model for it and give its path with --tool"
        )
    path = _cached(tool, abi)
    with _downloading:
        if not _is_intact(path, sha256):
            _download(ADDRESSES[tool, abi], path, sha256, progress, stop or threading.Event())
    return _with_hash(_examined(path, f"{tool} {_record(path).last_modified}".strip(), abis), sha256)


def find_for_dry_run(tool: str) -> Binary:
    """The tool as a dry run names it: not downloaded, for a phone with `CURRENT_ABI`.

    Raises:
        EcbsrError: there is no such file.
    """
    if tool not in DOWNLOADED:
        path = _existing(tool)
        return Binary(path, "", Tool(_kind(path.read_bytes()), ""))
    return Binary(_cached(tool, CURRENT_ABI), CURRENT_ABI, Tool(tool, ""))


def download_commands(binary: Binary, sha256: str) -> list[tuple[str, ...]]:
    """The commands that download the tool of `find_for_dry_run` and check its hash; none where the file is there."""
    path = str(binary.path)
    if binary.path.exists() and (not binary.abi or _is_intact(binary.path, sha256)):
        return []
    limits = ("--max-filesize", str(MAX_BYTES), "--max-time", str(DOWNLOAD_SECONDS))
    target = ("--create-dirs", "--output", path, ADDRESSES[binary.info.kind, binary.abi])
    curl = ("curl", "--fail", "--location", "--proto", "=https", "--proto-redir", "=https", *limits, *target)
    known = sha256 or _record(binary.path).sha256
    check = ("sh", "-c", f"echo {shlex.quote(f'{known}  {path}')} | sha256sum --check")
    return [curl, check] if known else [curl]


def beside(binary: Binary, name: str) -> Path | None:
    """The program `name` in the folder of a tool; None where there is none.

    Raises:
        EcbsrError: it is not for the ABI of the tool.
    """
    path = binary.path.with_name(name)
    if not path.is_file():
        return None
    abi = elf_abi(path.read_bytes())
    if binary.abi and abi != binary.abi:
        raise EcbsrError(f"{path} is for {abi or 'no known machine'}, but {binary.path.name} for {binary.abi}")
    return path


def cache_folder() -> Path:
    """The folder for downloaded tools."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("ecbsr-bench", appauthor=False))


def _cached(tool: str, abi: str) -> Path:
    return cache_folder() / f"{tool}-{abi}" / "benchmark_model"


def _existing(tool: str) -> Path:
    path = Path(tool)
    if path.is_dir():
        path /= "benchmark_model"
    if not path.is_file():
        raise EcbsrError(f"there is no tool at {path}; give the path of a benchmark_model, or tflite, or litert")
    return path


def _record_path(path: Path) -> Path:
    return path.with_name("source.json")


def _record(path: Path) -> download.Record:
    """What was recorded about a downloaded tool."""
    return download.read_record(_record_path(path))


def _is_intact(path: Path, sha256: str) -> bool:
    """Whether the file in the cache has its recorded hash, and `sha256` where one is given."""
    recorded = _record(path).sha256
    return sha256 in ("", recorded) and download.is_intact(path, recorded)


def _download(address: str, path: Path, sha256: str, progress: Notify, stop: threading.Event) -> None:
    progress(f"downloading {address}")
    recorded = _record(path).sha256
    with atomic_write(path) as temporary:
        try:
            fetched = download.fetch(address, temporary, max_bytes=MAX_BYTES, seconds=DOWNLOAD_SECONDS, stop=stop)
        except EcbsrError as error:
            raise EcbsrError(f"{error}; download {address} elsewhere and give its path with --tool") from None
        _check_download(temporary, fetched, address)
        if sha256 and fetched.sha256 != sha256:
            raise EcbsrError(f"{address} has the SHA-256 {fetched.sha256}, not {sha256} as given; it was not kept")
        if not sha256 and recorded and fetched.sha256 != recorded:
            raise EcbsrError(
                f"{address} now has the SHA-256 {fetched.sha256}, but the tool downloaded first had {recorded}; "
                f"if a new version is expected, accept it with --tool-sha256 {fetched.sha256}"
            )
    record = download.Record(address, fetched.sha256, fetched.header("Last-Modified"))
    download.write_record(_record_path(path), record)
    kept = "as given" if sha256 else "as before" if recorded else "recorded for later downloads, which must have it"
    progress(f"downloaded {path}; SHA-256 {fetched.sha256}, {kept}")


def _check_download(path: Path, fetched: download.Downloaded, address: str) -> None:
    """Check a download against the hash that its server states; `_examined` reads the ELF header."""
    content = path.read_bytes()
    if len(content) < MIN_BYTES or content[:4] != b"\x7fELF":
        message = f"{address} gave {len(content)} bytes that are not a program; open it in a browser, or use --tool"
        raise EcbsrError(message)
    for stated in fetched.header("x-goog-hash").split(","):
        kind, _, value = stated.strip().partition("=")
        if kind == "md5" and _decoded(value) != hashlib.md5(content, usedforsecurity=False).digest():
            raise EcbsrError(f"{address} is damaged: its MD5 is not the one that the server states; try again")


def _with_hash(binary: Binary, sha256: str) -> Binary:
    if sha256 not in ("", binary.info.sha256):
        raise EcbsrError(
            f"{binary.path} has the SHA-256 {binary.info.sha256}, not {sha256} as given; use the right file"
        )
    return binary


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
