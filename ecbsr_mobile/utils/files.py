"""Writing files: whole or not at all, through symbolic links, and over an earlier file only where asked to."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import EcbsrError, UsageError
from . import guard
from .signals import uninterrupted


@contextmanager
def atomic_write(path: str | os.PathLike[str], overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path with the extension of `path`; on success its content becomes that of `path`.

    Creates the folder if it is missing. A file is replaced by renaming: if the body raises or is interrupted, the
    temporary file is removed, and a file at `path` stays as it was. A symbolic link stays, and its target is replaced.
    A pipe or a character device such as `/dev/null` is written to.

    Raises:
        EcbsrError: `path` is a folder, a socket or a disk, the folder cannot be created or written to, or the disk is
            full.
        UsageError: `overwrite` is false, and there is a file, which another process may have written meanwhile.
    """
    target = Path(path)
    if _is_stream(target):
        with guard.TemporaryFolder("ecbsr-") as folder:
            temporary = Path(folder, f"output{target.suffix}")
            yield temporary
            _copy_to_stream(temporary, target)
        return
    real = Path(os.path.realpath(target))
    with ExitStack() as stack:
        try:
            real.parent.mkdir(parents=True, exist_ok=True)
            with uninterrupted():
                handle, name = tempfile.mkstemp(dir=real.parent, prefix=".", suffix=target.suffix)
                os.close(handle)
                stack.enter_context(guard.path(name))
                stack.callback(Path(name).unlink, missing_ok=True)
        except OSError as error:
            raise EcbsrError(f"cannot write {target}: {error.strerror}; choose another folder") from None
        temporary = Path(name)
        try:
            yield temporary
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.filename not in (None, name, temporary):  # of another file, which the body reads
                raise
            raise _not_written(target, error) from None
        try:
            os.chmod(temporary, 0o666 & ~umask())  # mkstemp creates files that only their owner can read
            if overwrite:
                os.replace(temporary, real)
            else:
                _name_new(temporary, real)
        except FileExistsError:
            raise UsageError(_exists(target)) from None
        except OSError as error:
            raise _not_written(target, error) from None


def write_bytes(path: str | os.PathLike[str], data: bytes, overwrite: bool = True) -> None:
    """Write `data` to `path` (see `atomic_write`)."""
    with atomic_write(path, overwrite) as temporary:
        temporary.write_bytes(data)


def check_outputs(paths: Iterable[str | os.PathLike[str]], overwrite: bool) -> None:
    """Check, before long work, that files can be written, and that none exists unless `overwrite` is true.

    Raises:
        UsageError: a file exists.
        EcbsrError: a path is a folder, a socket or a disk, or its folder cannot be written to.
    """
    targets = [Path(path) for path in paths]
    existing = []
    for target in targets:
        if _is_stream(target):
            continue
        check_writable(Path(os.path.realpath(target)).parent)
        if _mode(target) is not None:
            existing.append(target)
    if existing and not overwrite:
        raise UsageError(_exists(existing[0], len(existing) - 1))


def check_apart(outputs: Iterable[str | os.PathLike[str]], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Check, before long work, that no output is an input, and no two outputs are one file, by whatever name.

    Raises:
        UsageError: one is.
    """
    read = {identity(Path(path)) for path in inputs}
    written: set[object] = set()
    for target in map(Path, outputs):
        if _is_stream(target):
            continue
        if identity(target) in read:
            raise UsageError(f"{target}: is an input; choose another output")
        if identity(target) in written:
            raise UsageError(f"{target}: would be written twice; choose another output")
        written.add(identity(target))


def identity(path: Path) -> object:
    """What all names of one file or folder have in common, also where there is none yet."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Check, before long work, that files can be written into a folder that may not exist yet.

    Raises:
        EcbsrError: files cannot be written there.
    """
    absolute = Path(folder).absolute()
    existing = next(path for path in (absolute, *absolute.parents) if _mode(path) is not None)
    if not existing.is_dir():
        raise EcbsrError(f"cannot write into {folder}: {existing} is a file; choose another folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise EcbsrError(f"cannot write into {folder}: {existing} is read-only; choose another folder")


def _not_written(path: Path, error: OSError) -> EcbsrError:
    return EcbsrError(f"cannot write {path}: {error.strerror or error}")


def _exists(path: Path, more: int = 0) -> str:
    others = f" (and {more} more of the files to write)" if more else ""
    return f"{path} exists{others}; choose another output, or add --overwrite to replace it"


def _name_new(temporary: Path, target: Path) -> None:
    """Rename a file; unlike `os.replace`, a name that is taken raises `FileExistsError`."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError from None
        os.replace(temporary, target)


def _is_stream(target: Path) -> bool:
    """Whether `target` is a pipe or a character device, and not a file or nothing yet.

    Raises:
        EcbsrError: it is a folder, a socket, a disk, or a symbolic link to itself.
    """
    mode = _mode(target)
    if mode is None:
        if os.path.islink(os.path.realpath(target)):
            raise EcbsrError(f"cannot write {target}: is a symbolic link to itself; choose another file")
        return False
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a disk"}
    kind = kinds.get(stat.S_IFMT(mode))
    if kind:
        raise EcbsrError(f"cannot write {target}: is {kind}; choose another file")
    return not stat.S_ISREG(mode)


def _mode(path: Path) -> int | None:
    """Type and permissions of what is at `path`, behind symbolic links; None if there is nothing."""
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _copy_to_stream(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as content, target.open("wb") as stream:
            shutil.copyfileobj(content, stream)
    except BrokenPipeError:
        raise  # the reader has seen enough
    except OSError as error:
        raise _not_written(target, error) from None


def umask() -> int:
    """The permissions that new files and folders of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
