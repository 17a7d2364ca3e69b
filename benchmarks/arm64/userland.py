"""An arm64 Linux that runs the TFLite runtime on this machine, emulated, in a folder of its own.

    python benchmarks/arm64/userland.py    sets it up from Debian and PyPI, 200 MB on disk

Debian's packages are unpacked, never installed: qemu-user with the libraries it needs, so that the system's own
do not matter; tcc, to build its plugin; Python, C and C++ libraries for arm64. The runtime and numpy are PyPI's
wheels for arm64, in the versions that this machine runs.
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
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.files import write_bytes

FOLDER = Path(__file__).with_name("userland")
ARCHIVE = "https://deb.debian.org/debian"
SUITE = "bookworm"
PACKAGES = {
    "amd64": "qemu-user tcc libc6 libcapstone4 libffi8 libgcc-s1 libglib2.0-0 libgmp10 libgnutls30 libhogweed6 "
    "libidn2-0 libnettle8 libnuma1 libp11-kit0 libpcre2-8-0 libtasn1-6 libunistring2 liburing2 zlib1g",
    "arm64": "python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libbz2-1.0 libexpat1 libffi8 "
    "libgcc-s1 liblzma5 libstdc++6 zlib1g",
}
WANTED = re.compile(r"\./(lib|usr/lib|usr/bin/(qemu-aarch64|tcc|python3\.11))(/|$)")
"""What is unpacked of the packages: libraries, and the programs that are run."""

GLIBC = ("manylinux2014", "manylinux_2_17", "manylinux_2_27", "manylinux_2_28", "manylinux_2_34")
FETCH_LIMIT = 60  # seconds without a byte
RUN_LIMIT = 1800  # seconds

_BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_DOTPROD = f"{_BASE} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """A CPU core as the runtime sees it: `part` and `features` are /proc/cpuinfo's, `cpu` is qemu's option.

    XNNPACK chooses its kernels by both: instructions by what qemu offers, tuning by the part.
    """

    name: str
    kind: str
    part: int
    features: str
    cpu: str


CORES = {
    core.name: core
    for core in (
        Core("A53", "no dotprod", 0xD03, _BASE, "cortex-a53"),
        Core("A55", "dotprod", 0xD05, _DOTPROD, "cortex-a76"),  # qemu 7.2 has no A55; the instructions are the same
        Core("A76", "dotprod", 0xD0B, _DOTPROD, "cortex-a76"),
        Core("A710", "i8mm", 0xD47, f"{_DOTPROD} i8mm bf16", "max,sve=off,sme=off"),
    )
}


@dataclass(frozen=True, eq=False)
class Job:
    """A `.tflite` and images [N, 1, H, W, C] as its input stores them."""

    model: bytes
    images: np.ndarray


@dataclass(frozen=True, eq=False)
class Result:
    """For each image of a job what the model gave, as stored, and how many instructions that took."""

    outputs: np.ndarray
    instructions: tuple[int, ...]


def ready(folder: Path = FOLDER) -> bool:
    """Whether the userland stands in `folder`, with the runtime's version that this machine runs."""
    try:
        return json.loads((folder / "made.json").read_text())["asked"] == _asked()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def versions(folder: Path = FOLDER) -> dict[str, str]:
    """The versions of what stands in `folder`."""
    return json.loads((folder / "made.json").read_text())["versions"]


def set_up(progress: Callable[[str], None], folder: Path = FOLDER) -> None:
    """Put the userland into `folder`, all of it or nothing; what stood there is replaced.

    Raises:
        EcbsrError: not this machine, no network, a package that is missing or damaged, no room.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise EcbsrError(f"the emulator runs on Linux x86-64; this is {platform.system()} {platform.machine()}")
    try:
        with tempfile.TemporaryDirectory(prefix="userland-", dir=folder.parent) as temporary:
            made = Path(temporary, "made")
            found = {}
            for architecture, names in PACKAGES.items():
                progress(f"fetching {len(names.split())} packages for {architecture} from {ARCHIVE}")
                found |= _unpack_packages(architecture, names.split(), made / architecture)
            progress(f"fetching {' and '.join(wheels())} for arm64 from PyPI")
            _unpack_wheels(made / "wheels", temporary)
            stamp = {"asked": _asked(), "versions": found}
            write_bytes(made / "made.json", json.dumps(stamp, indent=2).encode())
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    except OSError as error:
        raise EcbsrError(f"cannot write the userland into {folder}: {common.os_sentence(error)}") from None


def run(core: Core, jobs: Sequence[Job], folder: Path = FOLDER) -> list[Result]:
    """Run models on an emulated core, on one thread.

    Raises:
        EcbsrError: the userland is not set up, or what runs in it fails.
    """
    if not ready(folder):
        raise EcbsrError(f"the emulated arm64 is not set up in {folder}: python benchmarks/arm64/userland.py")
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="ecbsr-arm64-") as temporary:
        root = Path(temporary)
        _seen_by(core, folder / "arm64", root)
        arrays = {f"model{n}": np.frombuffer(job.model, np.uint8) for n, job in enumerate(jobs)}
        np.savez(root / "jobs.npz", **arrays, **{f"images{n}": job.images for n, job in enumerate(jobs)})
        _call(folder, "tcc", "-shared", "-nostdlib", "-o", root / "count.so", here / "count.c")
        emulator = ["-L", root, "-cpu", core.cpu, "-plugin", root / "count.so", "-d", "plugin", "-D", root / "counts"]
        # -S and -P: nothing of this system's Python is looked at.
        program = [folder / "arm64/usr/bin/python3.11", "-S", "-P", here / "guest.py"]
        _call(folder, "qemu-aarch64", *emulator, *program, root / "jobs.npz", root / "results.npz")
        counts = np.array((root / "counts").read_text().split(), np.int64).reshape(-1, 2)
        spent = np.split(counts[:, 1] - counts[:, 0], np.cumsum([len(job.images) for job in jobs])[:-1])
        with np.load(root / "results.npz") as given:
            return [Result(given[str(n)], tuple(part.tolist())) for n, part in enumerate(spent)]


def wheels() -> dict[str, str]:
    """The versions of the runtime and of numpy, which are the same on both sides."""
    return {name: metadata.version(name) for name in ("ai-edge-litert", "numpy")}


def _asked() -> dict[str, object]:
    return {"suite": SUITE, "packages": PACKAGES, "wheels": wheels()}


def _unpack_packages(architecture: str, names: Sequence[str], folder: Path) -> dict[str, str]:
    """The versions of the packages, by name."""
    address = f"{ARCHIVE}/dists/{SUITE}/main/binary-{architecture}/Packages.xz"
    try:
        index = lzma.decompress(_fetch(address)).decode()
    except (lzma.LZMAError, UnicodeDecodeError):
        raise EcbsrError(f"{address} arrived damaged; try again") from None
    listed = {}
    for stanza in index.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Package") in names:
            listed[fields["Package"]] = fields
    for name in names:
        if name not in listed:
            raise EcbsrError(f"{ARCHIVE} has no package {name} for {architecture} in {SUITE}")
        package = _fetch(f"{ARCHIVE}/{listed[name]['Filename']}")
        if hashlib.sha256(package).hexdigest() != listed[name]["SHA256"]:
            raise EcbsrError(f"the package {name} arrived damaged: its SHA-256 is not the listed one; try again")
        with tarfile.open(fileobj=io.BytesIO(_data_of(package))) as archive:
            members = [member for member in archive.getmembers() if WANTED.match(member.name)]
            archive.extractall(folder, members, filter="tar")
    return {name: listed[name]["Version"] for name in names}


def _data_of(package: bytes) -> bytes:
    """The archive of a Debian package's files; a package is an `ar` archive (deb(5), headers of 60 bytes)."""
    position = 8
    while position < len(package):
        name, size = package[position : position + 16], int(package[position + 48 : position + 58])
        position += 60
        if name.startswith(b"data.tar"):
            return package[position : position + size]
        position += size + size % 2
    raise EcbsrError("a package without files in it")


def _unpack_wheels(folder: Path, temporary: str) -> None:
    platforms = [f"--platform={name}_aarch64" for name in GLIBC]
    asked = [f"{name}=={version}" for name, version in wheels().items()]
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--python-version=3.11"]
    pip = [sys.executable, "-m", "pip", "install", *options, *platforms, f"--target={folder}", *asked]
    _checked("pip", pip, {**os.environ, "TMPDIR": temporary})  # so that nothing of it stays behind if interrupted


def _seen_by(core: Core, system: Path, root: Path) -> None:
    """What the emulated program finds under /: the arm64 system, and a machine of one such core."""
    for name in ("lib", "usr"):
        (root / name).symlink_to(system / name)
    text = {
        "processor": "0",
        "BogoMIPS": "100.00",
        "Features": core.features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x1",
        "CPU part": f"{core.part:#x}",
        "CPU revision": "0",
    }
    write_bytes(root / "proc/cpuinfo", "".join(f"{key}\t: {value}\n" for key, value in text.items()).encode())
    for name in ("possible", "present", "online"):
        write_bytes(root / "sys/devices/system/cpu" / name, b"0\n")


def _call(folder: Path, program: str, *arguments: str | Path) -> None:
    """Run a program of the userland's x86-64 part with its own libraries."""
    system = folder / "amd64"
    libraries = [f"{system / part}/x86_64-linux-gnu" for part in ("lib", "usr/lib")]
    loader = [f"{libraries[0]}/ld-linux-x86-64.so.2", "--library-path", ":".join(libraries)]
    environment = {"PYTHONPATH": str(folder / "wheels"), "OPENBLAS_NUM_THREADS": "1"}
    _checked(program, [*loader, system / "usr/bin" / program, *arguments], environment)


def _checked(what: str, arguments: Sequence[str | Path], environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(arguments, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", env=environment, timeout=RUN_LIMIT)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise EcbsrError(f"{what} did not end within {RUN_LIMIT} seconds; give it less to do") from None
    if done.returncode:
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise EcbsrError(f"{what} failed with code {done.returncode}: {said}")


def _fetch(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=FETCH_LIMIT) as answer:
            return answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise EcbsrError(f"cannot fetch {address}: {getattr(error, 'reason', error)}; try again") from None


def _main(argv: list[str] | None = None) -> None:
    parser = common.parser("userland.py", __doc__.splitlines()[0])
    parser.parse_args(argv)
    if not ready():
        set_up(common.notice)
    common.notice(f"the emulated arm64 is set up in {FOLDER}")


if __name__ == "__main__":
    common.run(_main)
