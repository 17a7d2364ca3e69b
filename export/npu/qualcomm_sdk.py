"""Where Qualcomm's compiler and emulator are on this machine, and how they are called.

LiteRT brings the driver (`apply_plugin_main`) and the plug-in, the user's `onnxruntime-qnn` Qualcomm's own
libraries (HTP and its compiler). The plug-in finds them on LD_LIBRARY_PATH, where none of them may lack, so
all are linked into one temporary folder.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner

INSTALL = "pip install 'ecbsr-mobile[qualcomm]'"
PLUGIN = "vendors/qualcomm/compiler/libLiteRtCompilerPlugin_Qualcomm.so"
DRIVER = "tools/apply_plugin_main"
BACKEND, EMULATOR = "libQnnHtp.so", "libonnxruntime_providers_qnn.so"
LIBRARIES = "libraries"  # a link beside each program's files: lists of folders may hold no colon and no comma
LOAD_SECONDS = 60.0  # 200 MB from a cold disk

MEMORY_BYTES = 8 * 2**30  # address space of one process; a network at 960x540 takes 0.8 GB of it
FILE_BYTES = 2**28
# The driver's words go to files: one that prints without end would fill a pipe's reader.
_LIMITED = 'cd "$1" && ulimit -c 0 && ulimit -v "$2" && ulimit -f "$3" && shift 3 && exec "$@" >out 2>err'


@dataclass(frozen=True)
class Toolchain:
    """The programs, ready to be called: `folder` holds links to every library."""

    folder: Path
    driver: Path
    licence: Path

    @property
    def notice(self) -> str:
        """What must be said before they are used."""
        return (
            "the NPU compiler and emulator are Qualcomm's, installed by you under its own licence, which using them "
            f"accepts: {self.licence}"
        )

    def run(
        self, command: list[str], folder: Path, seconds: float, stop: threading.Event | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run a program in a fresh `folder`, within its limits: its exit code, standard output and standard error.

        Raises:
            TimedOut: it did not end in `seconds`.
            Cancelled: `stop` was set meanwhile.
        """
        limited = ["/bin/sh", "-c", _LIMITED, "sh", str(folder), str(MEMORY_BYTES // 2**10), str(FILE_BYTES // 512)]
        (folder / LIBRARIES).symlink_to(self.folder)
        environment = {**os.environ, "LD_LIBRARY_PATH": LIBRARIES, "ORT_DISABLE_TELEMETRY": "1"}
        done = subprocess_runner.run([*limited, *command], seconds, stop or threading.Event(), environment)
        return done.code, _content(folder / "out"), _content(folder / "err")


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


@contextmanager
def toolchain() -> Iterator[Toolchain]:
    """Find the programs and try whether their libraries load; the links are removed with the context.

    Raises:
        EcbsrError: another platform, something that is not installed, or a library that does not load.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        here = f"{platform.system()} on {platform.machine()}"
        raise EcbsrError(f"Qualcomm's NPU compiler runs on Linux on x86_64, and this is {here}: check on such")
    runtime, vendor = _package("ai_edge_litert"), _package("onnxruntime_qnn")
    if vendor is None or runtime is None or find_spec("onnx") is None:
        raise EcbsrError(f"Qualcomm's NPU compiler is not installed; run: {INSTALL}")
    driver, plugin = runtime / DRIVER, runtime / PLUGIN
    for path in (driver, plugin, vendor / BACKEND, vendor / EMULATOR):
        if not path.exists():
            raise EcbsrError(f"Qualcomm's NPU compiler is incomplete, {path.name} is missing; run: {INSTALL} --upgrade")
    with tempfile.TemporaryDirectory(prefix="ecbsr-npu-") as name:
        folder = Path(name)
        companions = vendor.with_name(f"{vendor.name}.libs")
        for library in (plugin, *vendor.glob("*.so"), *companions.glob("*")):
            (folder / library.name).symlink_to(library)
        # The plug-in names this library as needed, and calls it for another processor only.
        if not (folder / "libQnnLpai.so").exists():
            (folder / "libQnnLpai.so").symlink_to(vendor / "libQnnSaver.so")
        found = Toolchain(folder, driver, vendor / "Qualcomm_LICENSE.pdf")
        _try_loading(found)
        yield found


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _try_loading(tools: Toolchain) -> None:
    program = "import ctypes, sys\nfor name in sys.argv[1:]: ctypes.CDLL(name)"
    command = [sys.executable, "-I", "-c", program, BACKEND, Path(PLUGIN).name]
    with tempfile.TemporaryDirectory(prefix="ecbsr-npu-") as folder:
        try:
            code, _, errors = tools.run(command, Path(folder), LOAD_SECONDS)
        except subprocess_runner.TimedOut:
            raise EcbsrError(f"Qualcomm's NPU compiler did not load within {LOAD_SECONDS:.0f} s") from None
    if code:
        lines = errors.decode(errors="replace").strip().splitlines()
        reason = lines[-1].removeprefix("OSError: ") if lines else f"exit code {code}"
        raise EcbsrError(
            f"Qualcomm's NPU compiler does not load ({reason}); it needs glibc 2.35 or newer; "
            f"run: {INSTALL} --force-reinstall"
        )
