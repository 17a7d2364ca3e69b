"""One process at a time in a folder of results: the second one would mix its files with those of the first."""

from __future__ import annotations

import datetime
import errno
import getpass
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import EcbsrError
from .files import check_writable
from .text import printable

NAME = ".lock"
_OWNER_BYTES = 200


@contextmanager
def locked(folder: str | os.PathLike[str], work: str) -> Iterator[None]:
    """Hold the lock of `folder`, the file `.lock` in it, which names its owner; `work` is what is done there.

    The folder is created if it is missing, and removed again if it is empty at the end. The operating system releases
    the lock when its process ends, however it ends. On Windows there is no lock.

    Raises:
        EcbsrError: another process or thread holds the lock, or the folder cannot be written to.
    """
    check_writable(folder)
    path = Path(folder, NAME)
    missing = [parent for parent in (path.parent, *path.parent.parents) if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _acquire(path, work)
    except OSError as error:
        raise EcbsrError(f"cannot write into {folder}: {error.strerror}; choose another folder") from None
    try:
        os.ftruncate(handle, 0)
        since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        with suppress(OSError):  # a full disk: the lock holds without its owner's name
            os.write(
                handle, f"{work} of {user()}@{socket.gethostname()} (process {os.getpid()}, since {since})".encode()
            )
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # before the lock is released: nobody else's is removed
        os.close(handle)
        with suppress(OSError):
            for parent in missing:
                parent.rmdir()


def user() -> str:
    """The name of the user; `someone` where the system has none for the process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "someone"


def _acquire(path: Path, work: str) -> int:
    """The open lock file.

    Raises:
        EcbsrError: another process holds the lock.
        OSError: the file cannot be created.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            _lock(handle)
            # Its last owner may have removed the file since it was opened here.
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BlockingIOError:
            owner = printable(os.read(handle, _OWNER_BYTES).decode(errors="replace")) or f"another {work}"
            os.close(handle)
            raise EcbsrError(
                f"{path.parent} is in use by the {owner}; wait for it to end, or choose another folder"
            ) from None
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
        warnings.warn("the file system has no locks: do not use this folder in two processes at once", stacklevel=2)
