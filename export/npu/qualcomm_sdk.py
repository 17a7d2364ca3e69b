"""Find Qualcomm's compiler and emulator on this machine.

LiteRT contains the compiler plugin; `onnxruntime-qnn`, which the user installs, contains Qualcomm's libraries (HTP and
its compiler). All of them must be in one folder, so they are linked into a temporary one.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.extras import how_to_install
from ecbsr_mobile.utils.guard import TemporaryFolder
from ecbsr_mobile.utils.text import last_line

from .socs import QUALCOMM, VENDORS
from .toolchain import DRIVER, Toolchain, package_folder

INSTALL = how_to_install("qualcomm")
PLUGIN = VENDORS[QUALCOMM].plugin
BACKEND, EMULATOR = "libQnnHtp.so", "libonnxruntime_providers_qnn.so"
LOAD_SECONDS = 60.0  # 200 MB from a cold disk


@contextmanager
def toolchain() -> Iterator[Toolchain]:
    """Find the programs and check that their libraries load; leaving the context removes the links.

    Raises:
        EcbsrError: the platform is not supported, a program is not installed, or a library does not load.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        here = f"{platform.system()} on {platform.machine()}"
        raise EcbsrError(f"Qualcomm's NPU compiler runs on Linux on x86_64, not on {here}: use such a machine")
    runtime, vendor = package_folder("ai_edge_litert"), package_folder(VENDORS[QUALCOMM].sdk)
    if vendor is None or runtime is None or package_folder("onnx") is None:
        raise EcbsrError(f"Qualcomm's NPU compiler is not installed; run: {INSTALL}")
    driver, plugin = runtime / DRIVER, runtime / PLUGIN
    for path in (driver, plugin, vendor / BACKEND, vendor / EMULATOR):
        if not path.exists():
            raise EcbsrError(
                f"Qualcomm's NPU compiler is incomplete, {path.name} is missing; install it anew: {INSTALL}"
            )
    with TemporaryFolder("ecbsr-npu-") as name:
        folder = Path(name)
        companions = vendor.with_name(f"{vendor.name}.libs")
        for library in (plugin, *vendor.glob("*.so"), *companions.glob("*")):
            (folder / library.name).symlink_to(library)
        # The plugin is linked against this library, but uses it for another processor only.
        if not (folder / "libQnnLpai.so").exists():
            (folder / "libQnnLpai.so").symlink_to(vendor / "libQnnSaver.so")
        tools = Toolchain(folder, driver, vendor / "Qualcomm_LICENSE.pdf", VENDORS[QUALCOMM].manufacturer)
        _check_loading(tools)
        yield tools


def _check_loading(tools: Toolchain) -> None:
    program = "import ctypes, sys\nfor name in sys.argv[1:]: ctypes.CDLL(name)"
    command = [sys.executable, "-I", "-c", program, BACKEND, Path(PLUGIN).name]
    with TemporaryFolder("ecbsr-npu-") as folder:
        try:
            code, _, errors = tools.run(command, Path(folder), LOAD_SECONDS)
        except subprocess_runner.TimedOut:
            raise EcbsrError(f"Qualcomm's NPU compiler did not load within {LOAD_SECONDS:.0f} s") from None
    if code:
        reason = last_line(errors, f"exit code {code}").removeprefix("OSError: ")
        raise EcbsrError(
            f"Qualcomm's NPU compiler does not load ({reason}); it needs glibc 2.35 or newer; "
            f"install it anew: {INSTALL}"
        )
