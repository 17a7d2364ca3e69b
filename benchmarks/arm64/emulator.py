"""Run `.tflite` files on emulated Arm cores with qemu-user, and count the executed instructions."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import userland

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.files import write_bytes

_ARMV8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_DOTPROD = f"{_ARMV8_0} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """A CPU core: `part` and `features` are those in /proc/cpuinfo, `cpu` is qemu's option.

    `kind` names its int8 instructions. XNNPACK chooses the instructions of its kernels by what qemu offers, and their
    tuning by the part.
    """

    name: str
    kind: str
    part: int
    features: str
    cpu: str


CORES = {
    core.name: core
    for core in (
        Core("A53", "no dotprod", 0xD03, _ARMV8_0, "cortex-a53"),
        Core("A55", "dotprod", 0xD05, _DOTPROD, "cortex-a76"),  # qemu 7.2 has no A55; its instructions are those of A76
        Core("A76", "dotprod", 0xD0B, _DOTPROD, "cortex-a76"),
        Core("A710", "i8mm", 0xD47, f"{_DOTPROD} i8mm bf16", "max,sve=off,sme=off"),
    )
}


@dataclass(frozen=True, eq=False)
class Job:
    """A `.tflite` and images [N, 1, H, W, C] in the data type of its input."""

    model: bytes
    images: np.ndarray


@dataclass(frozen=True, eq=False)
class Result:
    """For each image of a job: the stored output values, and the number of instructions executed."""

    outputs: np.ndarray
    instructions: tuple[int, ...]


def run(core: Core, jobs: Sequence[Job], folder: Path = userland.FOLDER) -> list[Result]:
    """Run models on an emulated core, on one thread.

    Raises:
        EcbsrError: the userland is not installed, or a program in it fails.
    """
    if not userland.installed(folder):
        raise EcbsrError(f"the emulated arm64 is not installed in {folder}: python benchmarks/arm64/userland.py")
    sources = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="ecbsr-arm64-") as temporary:
        root = Path(temporary)
        _write_root(root, core, folder / "arm64")
        models = {f"model{i}": np.frombuffer(job.model, np.uint8) for i, job in enumerate(jobs)}
        np.savez(root / "jobs.npz", **models, **{f"images{i}": job.images for i, job in enumerate(jobs)})
        _call(folder, "tcc", "-shared", "-nostdlib", "-o", root / "count.so", sources / "count.c")
        emulator = ["-L", root, "-cpu", core.cpu, "-plugin", root / "count.so", "-d", "plugin", "-D", root / "counts"]
        # -S and -P keep Python from importing packages of this system.
        program = [folder / "arm64/usr/bin/python3.11", "-S", "-P", sources / "guest.py"]
        _call(folder, "qemu-aarch64", *emulator, *program, root / "jobs.npz", root / "results.npz")
        counts = np.array((root / "counts").read_text().split(), np.int64).reshape(-1, 2)
        instructions = np.split(counts[:, 1] - counts[:, 0], np.cumsum([len(job.images) for job in jobs])[:-1])
        with np.load(root / "results.npz") as outputs:
            return [Result(outputs[str(i)], tuple(counted.tolist())) for i, counted in enumerate(instructions)]


def _write_root(root: Path, core: Core, system: Path) -> None:
    """Write what the emulated program reads under /: the arm64 system, and a machine with one core."""
    for name in ("lib", "usr"):
        (root / name).symlink_to(system / name)
    fields = {
        "processor": "0",
        "BogoMIPS": "100.00",
        "Features": core.features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x1",
        "CPU part": f"{core.part:#x}",
        "CPU revision": "0",
    }
    write_bytes(root / "proc/cpuinfo", "".join(f"{key}\t: {value}\n" for key, value in fields.items()).encode())
    for name in ("possible", "present", "online"):
        write_bytes(root / "sys/devices/system/cpu" / name, b"0\n")


def _call(folder: Path, program: str, *arguments: str | Path) -> None:
    """Run a program of the userland's x86-64 part with the libraries beside it."""
    system = folder / "amd64"
    libraries = [f"{system / part}/x86_64-linux-gnu" for part in ("lib", "usr/lib")]
    loader = [f"{libraries[0]}/ld-linux-x86-64.so.2", "--library-path", ":".join(libraries)]
    environment = {"PYTHONPATH": str(folder / "wheels"), "OPENBLAS_NUM_THREADS": "1"}
    userland.check_call(program, [*loader, system / "usr/bin" / program, *arguments], environment)
