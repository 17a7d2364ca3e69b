"""LiteRT.js, which runs the models in the browser: fetched once from npm at a pinned version, or from a folder."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
import threading
from collections.abc import Mapping
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import download
from ecbsr_mobile.utils.files import atomic_write
from ecbsr_mobile.utils.progress import Notify

REGISTRY = "https://registry.npmjs.org"
VERSION = "2.5.3"

PACKAGES = {
    "core": "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    "wasm-utils": "sha512-4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
}
"""The packages of @litertjs that are used, and the integrity that npm publishes for each."""

PROGRAMS = {
    "relaxed": ("wasm/litert_wasm_internal.js", "wasm/litert_wasm_internal.wasm"),
    "compatible": ("wasm/litert_wasm_compat_internal.js", "wasm/litert_wasm_compat_internal.wasm"),
}
"""The two builds, for browsers with relaxed SIMD and for the others: a browser loads one of them."""

FILES = {
    "index.js": "core/dist/index.js",
    "wasm-utils.js": "wasm-utils/dist/index.js",
    **{name: f"core/{name}" for names in PROGRAMS.values() for name in names},
}
"""File of the page, in its folder `litert/` → file of the packages."""

CHANGED = "// Changed for this page: the import of @litertjs/wasm-utils names the file beside this one.\n"
_IMPORT, _LOCAL_IMPORT = b'from "@litertjs/wasm-utils"', b'from "./wasm-utils.js"'

MAX_BYTES = 50_000_000  # the larger archive has 12 million bytes
TIMEOUT_SECONDS = 600  # 12 million bytes at 20 KB/s
ADVICE = (
    f"where there is a network, run npm install @litertjs/core@{VERSION}, and give its node_modules: --litert-js DIR"
)


def files(folder: Path | None, progress: Notify) -> dict[str, bytes]:
    """The files of LiteRT.js that the page needs: those of `FILES`, and the license.

    `folder` is a `node_modules` with the packages, or None for the archives in the cache, which are fetched where they
    are missing; `progress` receives a line before a download.

    Raises:
        EcbsrError: there is no network, or the folder or an archive is not that of `VERSION`.
    """
    packages = _from_folder(folder) if folder else _from_npm(progress)
    content = {name: packages[source] for name, source in FILES.items()}
    index = content["index.js"]
    if index.count(_IMPORT) != 1:
        raise EcbsrError(f"@litertjs/core does not import @litertjs/wasm-utils as version {VERSION} does")
    content["index.js"] = CHANGED.encode() + index.replace(_IMPORT, _LOCAL_IMPORT)
    content["LICENSE.txt"] = Path(__file__).with_name("litert_license.txt").read_bytes()
    return {name: _without_source_map(name, data) for name, data in content.items()}


def cache_folder() -> Path:
    """The folder for fetched archives."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("ecbsr-page", appauthor=False))


def _from_folder(folder: Path) -> Mapping[str, bytes]:
    content = {}
    for package in PACKAGES:
        place = folder / "@litertjs" / package
        try:
            version = json.loads((place / "package.json").read_bytes()).get("version")
        except (OSError, ValueError, AttributeError):
            raise EcbsrError(f"{folder}: has no @litertjs/{package}; give a node_modules that has it") from None
        if version != VERSION:
            raise EcbsrError(f"{place}: is version {str(version)[:20]}; the page needs {VERSION}")
        for name in FILES.values():
            if name.startswith(f"{package}/"):
                try:
                    content[name] = (folder / "@litertjs" / name).read_bytes()
                except OSError as error:
                    raise EcbsrError(f"{folder / '@litertjs' / name}: {error.strerror}") from None
    return content


def _from_npm(progress: Notify) -> Mapping[str, bytes]:
    content = {}
    for package, integrity in PACKAGES.items():
        path = cache_folder() / f"{package}-{VERSION}.tgz"
        if _integrity(path) != integrity:
            _download(package, path, integrity, progress)
        with tarfile.open(path) as archive:
            for name in FILES.values():
                if name.startswith(f"{package}/"):
                    member = archive.extractfile(f"package/{name.removeprefix(f'{package}/')}")
                    assert member is not None  # the integrity says which archive this is
                    content[name] = member.read()
    return content


def _download(package: str, path: Path, integrity: str, progress: Notify) -> None:
    address = f"{REGISTRY}/@litertjs/{package}/-/{package}-{VERSION}.tgz"
    progress(f"downloading {address}")
    with atomic_write(path) as temporary:
        try:
            download.fetch(address, temporary, max_bytes=MAX_BYTES, seconds=TIMEOUT_SECONDS, stop=threading.Event())
        except EcbsrError as error:
            raise EcbsrError(f"{error}; {ADVICE}") from None
        if _integrity(temporary) != integrity:
            raise EcbsrError(f"{address} does not have the pinned integrity {integrity[:24]}…; it was not kept")


def _integrity(path: Path) -> str:
    """The integrity of a file as npm writes it; "" if it cannot be read."""
    try:
        return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    except OSError:
        return ""


def _without_source_map(name: str, data: bytes) -> bytes:
    """A script without the reference to its source map, which is not part of the page."""
    head, mark, _ = data.rpartition(b"//# sourceMappingURL=")
    return head if mark and name.endswith(".js") and len(data) - len(head) < 200 else data
