"""The programs of an NPU vendor on this machine: LiteRT's driver, which loads the vendor's plug-in and libraries.

`qualcomm_sdk` and `vendors` find them.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ecbsr_mobile.utils import limited
from ecbsr_mobile.utils.limited import Limits

DRIVER = "tools/apply_plugin_main"
"""LiteRT's program that runs a vendor's compiler, in the folder of ai-edge-litert."""

# A link in the working folder: LD_LIBRARY_PATH is split at colons and the driver's flags at commas, which the path of
# the folder may contain.
LIBRARIES = "libraries"

LIMITS = Limits(memory_bytes=8 * 2**30)  # a bundled model at 960x540 needs 0.8 GB


def package_folder(name: str) -> Path | None:
    """The folder of an installed package; None where it is not installed."""
    spec = find_spec(name)
    return next(map(Path, spec.submodule_search_locations or ()), None) if spec else None


@dataclass(frozen=True)
class Toolchain:
    """The installed programs of a vendor.

    Attributes:
        folder: contains links to all libraries.
        driver: LiteRT's program that runs the compiler.
        license: Qualcomm's license; None for another vendor, whose SDK contains it.
        manufacturer: the plug-in's name of the vendor.
    """

    folder: Path
    driver: Path
    license: Path | None
    manufacturer: str

    @property
    def notice(self) -> str:
        """The license notice for the user, to be shown before the programs run."""
        if self.license is None:
            return f"the NPU compiler is {self.manufacturer}'s; by using it you accept the license of its SDK"
        return (
            f"the NPU compiler and emulator are Qualcomm's; by using them you accept Qualcomm's license: {self.license}"
        )

    def run(
        self, command: list[str], folder: Path, seconds: float, stop: threading.Event | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run a program in an empty `folder`, with limits: its exit code, standard output and standard error.

        Raises:
            TimedOut: it did not end in `seconds`.
            Canceled: `stop` was set meanwhile.
        """
        (folder / LIBRARIES).symlink_to(self.folder)
        environment = {**os.environ, "LD_LIBRARY_PATH": LIBRARIES, "ORT_DISABLE_TELEMETRY": "1"}
        return limited.run(command, folder, seconds, LIMITS, environment, stop)
