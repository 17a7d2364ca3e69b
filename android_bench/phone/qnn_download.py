"""Qualcomm's TFLite delegate and runtime from Maven Central, downloaded once."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import download
from ecbsr_mobile.utils.files import atomic_write
from ecbsr_mobile.utils.progress import Notify

from ..benchmark_tool import binary
from .refused import Refused

VERSION = "2.42.0"
_CENTRAL = "https://repo1.maven.org/maven2/com/qualcomm/qti"
ADDRESSES = tuple(
    f"{_CENTRAL}/{name}/{VERSION}/{name}-{VERSION}.aar" for name in ("qnn-litert-delegate", "qnn-runtime")
)
"""The archives on Maven Central. No SHA-256 is published with them: that of the first download is required later."""

LICENSE = (
    "they are Qualcomm's: by downloading and using them you accept Qualcomm's license, which each archive contains"
)

MAX_BYTES = 400_000_000  # the runtime's archive has some 70 million bytes
TIMEOUT_SECONDS = 1800
_downloading = threading.Lock()


def is_fetched() -> bool:
    """Whether the archives were downloaded."""
    return all(_is_intact(_cached(address)) for address in ADDRESSES)


def _cached(address: str) -> Path:
    return binary.cache_folder() / f"qnn-{VERSION}" / address.rpartition("/")[2]


def _record_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _is_intact(path: Path) -> bool:
    return download.is_intact(path, download.read_record(_record_path(path)).sha256)


def fetched(progress: Notify, stop: threading.Event) -> Path:
    """The folder of the downloaded archives; each is downloaded once, and its recorded SHA-256 is required.

    Raises:
        Refused: it cannot be downloaded, or has another hash than the first download.
    """
    with _downloading:
        for address in ADDRESSES:
            path = _cached(address)
            if _is_intact(path):
                continue
            recorded = download.read_record(_record_path(path)).sha256
            progress(f"downloading {address}; {LICENSE}")
            try:
                with atomic_write(path) as temporary:
                    archive = download.fetch(
                        address, temporary, max_bytes=MAX_BYTES, seconds=TIMEOUT_SECONDS, stop=stop
                    )
                    if recorded and archive.sha256 != recorded:
                        raise EcbsrError(f"{address} has the SHA-256 {archive.sha256}, not {recorded} as at first")
                    if not zipfile.is_zipfile(temporary):
                        raise EcbsrError(f"{address} gave {archive.bytes} bytes that are not an archive")
            except EcbsrError as error:
                note = f"library missing: {error}; download it elsewhere, and give its folder with --qnn"
                raise Refused("failed", note) from None
            record = download.Record(address, archive.sha256, archive.header("Last-Modified"))
            download.write_record(_record_path(path), record)
            progress(f"downloaded {path}; SHA-256 {archive.sha256}")
    return _cached(ADDRESSES[0]).parent
