"""Writing files atomically: a file with its final name is always complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import EcbsrError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with the same extension, and rename it to `path` on success.

    Creates the folder if it is missing. If the body raises or is interrupted, the temporary file is removed, and a file
    at `path` stays as it was.

    Raises:
        EcbsrError: the folder cannot be created or written to, or the disk is full.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=target.suffix)
        os.close(handle)
    except OSError as error:
        raise EcbsrError(f"cannot write {target}: {error.strerror}; choose another folder") from None
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp creates files that only their owner can read
        os.replace(temporary, target)
    except OSError as error:
        raise EcbsrError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` (see `atomic_write`)."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Check, before long work, that files can be written into a folder that may not exist yet.

    Raises:
        EcbsrError: files cannot be written there.
    """
    absolute = Path(folder).absolute()
    existing = next(path for path in (absolute, *absolute.parents) if path.exists())
    if not existing.is_dir():
        raise EcbsrError(f"cannot write into {folder}: {existing} is a file; choose another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise EcbsrError(f"cannot write into {folder}: {existing} is read-only; choose another folder")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
