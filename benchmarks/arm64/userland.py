"""Install qemu-user and an arm64 Linux with the TFLite runtime into a folder beside this file (200 MB).

    python benchmarks/arm64/userland.py

Debian's packages are unpacked, not installed: qemu-user with the libraries it needs, so that it does not depend on
those of this system; tcc, to compile qemu's plugin; and Python with the C and C++ libraries for arm64. The runtime and
NumPy are PyPI's arm64 wheels, in the versions of this machine. Prints progress on standard error.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import lzma
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.files import write_bytes
from ecbsr_mobile.utils.text import last_line

FOLDER = Path(__file__).with_name("userland")
ARCHIVE = "https://deb.debian.org/debian"
SUITE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = {
    "amd64": "qemu-user tcc libc6 libcapstone4 libffi8 libgcc-s1 libglib2.0-0 libgmp10 libgnutls30 libhogweed6 "
    "libidn2-0 libnettle8 libnuma1 libp11-kit0 libpcre2-8-0 libtasn1-6 libunistring2 liburing2 zlib1g",
    "arm64": "python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libbz2-1.0 libexpat1 libffi8 "
    "libgcc-s1 liblzma5 libstdc++6 zlib1g",
}
UNPACKED = re.compile(r"\./(lib|usr/lib|usr/bin/(qemu-aarch64|tcc|python3\.11))(/|$)")
"""The files that are unpacked from the packages: the libraries, and the programs that are run."""

GLIBC_TAGS = ("manylinux2014", "manylinux_2_17", "manylinux_2_27", "manylinux_2_28", "manylinux_2_34")
RECORD = "installed.json"  # written last: what was requested, and the versions of the packages
FETCH_LIMIT = 60  # seconds without a byte
RUN_LIMIT = 1800  # seconds


def installed(folder: Path = FOLDER) -> bool:
    """Whether `folder` has the userland with the packages above and this machine's version of the runtime."""
    try:
        return json.loads((folder / RECORD).read_text())["requested"] == _requested()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def package_versions(folder: Path = FOLDER) -> dict[str, str]:
    """The versions of the Debian packages in `folder`, by name."""
    return json.loads((folder / RECORD).read_text())["versions"]


def wheel_versions() -> dict[str, str]:
    """The versions of the runtime and of NumPy, which are the same on this machine and in the userland."""
    return {name: metadata.version(name) for name in ("ai-edge-litert", "numpy")}


def install(progress: Callable[[str], None], folder: Path = FOLDER) -> None:
    """Install the userland into `folder`, which is replaced; if that fails, `folder` is not changed.

    Raises:
        EcbsrError: this machine is not supported, the network or the disk fails, or a package is missing or damaged.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise EcbsrError(f"the emulator runs on Linux x86-64; this is {platform.system()} {platform.machine()}")
    try:
        with tempfile.TemporaryDirectory(prefix="userland-", dir=folder.parent) as temporary:
            new = Path(temporary, "new")
            versions: dict[str, str] = {}
            for architecture, names in PACKAGES.items():
                progress(f"fetching {len(names.split())} packages for {architecture} from {ARCHIVE}")
                versions |= _unpack_packages(architecture, names.split(), new / architecture)
            progress(f"fetching {' and '.join(wheel_versions())} for arm64 from PyPI")
            _unpack_wheels(new / "wheels", temporary)
            record = {"schema": common.SCHEMA, "requested": _requested(), "versions": versions}
            write_bytes(new / RECORD, json.dumps(record, indent=2).encode())
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
    except OSError as error:
        raise EcbsrError(f"cannot write the userland into {folder}: {common.os_error_message(error)}") from None


def check_call(name: str, command: Sequence[str | Path], environment: dict[str, str]) -> None:
    """Run a program to its end; `name` is used in messages.

    Raises:
        EcbsrError: it fails, or takes longer than `RUN_LIMIT`.
    """
    try:
        process = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=RUN_LIMIT
        )
    except subprocess.TimeoutExpired:
        raise EcbsrError(f"{name} did not end within {RUN_LIMIT} seconds; use fewer models or a smaller size") from None
    if process.returncode:
        reason = last_line(process.stderr, "it printed no error")
        raise EcbsrError(f"{name} failed with code {process.returncode}: {reason}")


def _requested() -> dict[str, object]:
    return {"suite": SUITE, "packages": PACKAGES, "wheels": wheel_versions()}


def _unpack_packages(architecture: str, names: Sequence[str], folder: Path) -> dict[str, str]:
    """Unpack packages of Debian's archive into `folder`; return their versions by name."""
    index = _package_index(architecture)
    for name in names:
        if name not in index:
            raise EcbsrError(f"{ARCHIVE} has no package {name} for {architecture} in {SUITE}")
        package = _fetch(f"{ARCHIVE}/{index[name]['Filename']}")
        if hashlib.sha256(package).hexdigest() != index[name]["SHA256"]:
            raise EcbsrError(f"the package {name} arrived damaged: its SHA-256 is not the listed one; try again")
        with tarfile.open(fileobj=io.BytesIO(_data_archive(package))) as archive:
            members = [member for member in archive.getmembers() if UNPACKED.match(member.name)]
            archive.extractall(folder, members, filter="tar")
    return {name: index[name]["Version"] for name in names}


def _package_index(architecture: str) -> dict[str, dict[str, str]]:
    """The fields of each package of the suite, by the package's name."""
    name = f"main/binary-{architecture}/Packages.xz"
    address = f"{ARCHIVE}/dists/{SUITE}/{name}"
    content = _fetch(address)
    if not re.search(rf"^ {hashlib.sha256(content).hexdigest()} +\d+ {re.escape(name)}$", _release(), re.MULTILINE):
        raise EcbsrError(f"{address} is not the file that Debian's signed list names; try again")
    try:
        text = lzma.decompress(content).decode()
    except (lzma.LZMAError, UnicodeDecodeError):
        raise EcbsrError(f"{address} arrived damaged; try again") from None
    index = {}
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields:
            index[fields["Package"]] = fields
    return index


def _release() -> str:
    """The list of the suite's files and their hashes, whose signature by Debian is checked.

    Raises:
        EcbsrError: it cannot be fetched or checked, or is not signed by a key in `KEYRING`.
    """
    gpgv = shutil.which("gpgv")
    if gpgv is None or not KEYRING.exists():
        raise EcbsrError("Debian's signature cannot be checked; run: apt-get install gpgv debian-archive-keyring")
    address = f"{ARCHIVE}/dists/{SUITE}/InRelease"
    with tempfile.TemporaryDirectory(prefix="ecbsr-arm64-") as folder:
        signed, text = Path(folder, "InRelease"), Path(folder, "Release")
        signed.write_bytes(_fetch(address))
        check_call("gpgv", [gpgv, "--keyring", KEYRING, "--output", text, signed], {**os.environ})
        return text.read_text()


def _data_archive(package: bytes) -> bytes:
    """The tar archive with a Debian package's files; a package is an `ar` archive (deb(5), headers of 60 bytes)."""
    position = 8
    while position < len(package):
        name, size = package[position : position + 16], int(package[position + 48 : position + 58])
        position += 60
        if name.startswith(b"data.tar"):
            return package[position : position + size]
        position += size + size % 2
    raise EcbsrError("a package has no data archive; try again")


def _unpack_wheels(folder: Path, temporary: str) -> None:
    platforms = [f"--platform={tag}_aarch64" for tag in GLIBC_TAGS]
    requirements = [f"{name}=={version}" for name, version in wheel_versions().items()]
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--python-version=3.11"]
    pip = [sys.executable, "-m", "pip", "install", *options, *platforms, f"--target={folder}", *requirements]
    check_call("pip", pip, {**os.environ, "TMPDIR": temporary})  # so that an interrupted pip leaves no files


def _fetch(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=FETCH_LIMIT) as response:
            return response.read()
    except (OSError, http.client.HTTPException) as error:
        raise EcbsrError(f"cannot fetch {address}: {getattr(error, 'reason', error)}; try again") from None


def main(argv: list[str] | None = None) -> None:
    common.parser("userland.py", __doc__.splitlines()[0]).parse_args(argv)
    if not installed():
        install(common.notice)
    common.notice(f"the emulated arm64 is installed in {FOLDER}")


if __name__ == "__main__":
    common.run(main)
