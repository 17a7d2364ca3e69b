"""The compilers of vendors besides Qualcomm, where the user has installed the vendor's SDK.

ai-edge-litert contains the plug-ins and the driver; a package contains, or downloads, the SDK, and gives its folder.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.guard import TemporaryFolder

from .socs import VENDORS
from .toolchain import DRIVER, Toolchain, package_folder


def missing(vendor: str) -> str:
    """Why the vendor's compiler cannot run here, and what to do; "" where its SDK is installed."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"it runs on Linux on x86_64, not on {platform.system()} on {platform.machine()}"
    if find_spec(VENDORS[vendor].sdk) is None:
        return f"run: pip install {VENDORS[vendor].package}"
    return ""


def sdk_version(soc: str) -> str:
    """Which of several versions of an SDK a SoC needs; "" where there is one (MediaTek's NeuroPilot has two)."""
    return {"MT6993": "v9"}.get(soc, "v8") if soc.startswith("MT") else ""


@contextmanager
def toolchain(vendor: str, version: str) -> Iterator[Toolchain]:
    """The programs of a vendor whose SDK is installed; leaving the context removes the links to them.

    Raises:
        EcbsrError: the SDK does not give its libraries, or ai-edge-litert has no plug-in for it.
    """
    described = VENDORS[vendor]
    runtime = package_folder("ai_edge_litert") or Path()
    plugin = runtime / described.plugin
    if not plugin.exists():
        install = "run: pip install --upgrade ai-edge-litert"
        raise EcbsrError(f"ai-edge-litert has no plug-in for {described.title}; {install}")
    with TemporaryFolder("ecbsr-npu-") as name:
        folder = Path(name)
        for library in (plugin, *_libraries(vendor, version)):
            if not (folder / library.name).exists():
                (folder / library.name).symlink_to(library)
        yield Toolchain(folder, runtime / DRIVER, None, described.manufacturer)


def _libraries(vendor: str, version: str) -> list[Path]:
    """The files of the SDK's folder, and for Intel those of OpenVINO, on which its plug-in depends."""
    described = VENDORS[vendor]
    try:
        module = import_module(described.sdk)
        folders = [Path(str(module.path_to_sdk_libs(version) if version else module.path_to_sdk_libs()))]
    except Exception as error:  # the vendor's code, which may download and can raise anything
        raise EcbsrError(
            f"{described.title}'s SDK does not give its libraries: {error}; run: pip install --force-reinstall "
            f"{described.package}"
        ) from None
    openvino = package_folder("openvino") if vendor == "intel" else None
    if openvino is not None:
        folders.append(openvino / "libs")
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_file()]
