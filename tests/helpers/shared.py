"""Files that take long to make: each is made once in a run of the tests, by whichever worker needs it first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

_FOLDER = "ECBSR_TESTS_SHARED"


def use_folder(folder: Path) -> None:
    """Set the folder that the workers of this run share."""
    os.environ[_FOLDER] = str(folder)


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """A file or folder in the shared folder; if it is not there yet, `make` writes it at the path that it is given."""
    path = Path(os.environ[_FOLDER], name)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            unfinished = path.with_name(f"unfinished-{name}")
            shutil.rmtree(unfinished, ignore_errors=True)  # of a worker in which `make` failed
            make(unfinished)
            unfinished.rename(path)
    return path
