"""What disturbs the commands of the chaos besides signals: a clock that jumps back, and a folder that is read-only."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

DAY = 86400


@cache
def clock_library() -> Path | None:
    """The compiled `clock_back.c`; None without Linux and a C compiler."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        return None
    source = Path(__file__).with_name("clock_back.c")
    folder = tempfile.mkdtemp(prefix="clock-back-")
    atexit.register(shutil.rmtree, folder)
    library = Path(folder) / "clock_back.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return library


def clock_back(at: float) -> dict[str, str]:
    """The variables of processes whose wall clock jumps back by a day at this moment of `time.monotonic`."""
    return {"LD_PRELOAD": str(clock_library()), "CLOCK_BACK_AT": f"{at:.6f}", "CLOCK_BACK_SECONDS": str(DAY)}


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder in which nothing can be changed, by root neither: a mount of its own where permissions do not count.

    Raises:
        OSError: this process may write everywhere and may not mount.
    """
    if os.geteuid():
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    try:
        _mount("--bind", folder, folder)
    except FileNotFoundError:
        raise OSError("there is no mount") from None
    try:
        _mount("-o", "remount,ro,bind", folder)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def read_only_problem() -> str:
    """Why `read_only` cannot be used here; empty if it can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with read_only(Path(folder)):
                return ""
        except OSError as error:
            return f"root may write everywhere and may not mount here ({error})"


def _mount(*arguments: object) -> None:
    result = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if result.returncode:
        raise OSError(result.stderr.strip())
