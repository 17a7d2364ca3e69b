"""The images in a folder, and in the folders below it."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..errors import EcbsrError
from ..utils.text import first_and_more

READABLE = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".gif", ".heic", ".heif", ".hif", ".avif",
)  # fmt: skip
"""File name extensions of the images in a folder."""

UNREADABLE = (
    ".jp2", ".j2k", ".pcx", ".sgi", ".im", ".jxl", ".jxr", ".tga", ".psd", ".exr", ".hdr", ".svg", ".ico", ".pam",
    ".pfm", ".dds", ".qoi", ".heics", ".avifs", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf",
)  # fmt: skip
"""Those of images that cannot be read; many cameras write a raw image beside each JPEG."""


def find(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files directly inside a folder, sorted by name; a pipe is none.

    Warns (`UserWarning`) of images whose format cannot be read.

    Raises:
        EcbsrError: the folder is missing, is a file, or contains no image.
    """
    root = Path(folder)
    if not root.is_dir():
        raise EcbsrError(f"{folder}: no such folder" if not root.exists() else f"{folder}: is a file, not a folder")
    try:
        visible = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise EcbsrError(f"{folder}: cannot be listed: {error.strerror}") from None
    paths = [path for path in visible if path.suffix.lower() in READABLE and _may_be_read(path)]
    _warn_of_unread(folder, visible)
    if not paths:
        raise EcbsrError(f"{folder}: contains no image ({', '.join(READABLE)})")
    return paths


def folders_below(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the folders in a folder that directly contain images."""
    with os.scandir(folder) as entries:  # which are files is listed with them, so that nothing is asked of each
        folders = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    found = []
    for name in folders:
        try:
            if any(child.suffix.lower() in READABLE for child in Path(folder, name).iterdir()):
                found.append(name)
        except OSError:  # it may not be listed
            continue
    return found


def find_below(
    folder: str | os.PathLike[str],
    leave_out: str | os.PathLike[str] | None = None,
    endings: Sequence[str] = READABLE,
    kind: str = "image",
    others: Sequence[str] = (),
) -> tuple[list[Path], list[str]]:
    """The image files in a folder and in the folders below it, by folder and name; links to folders are not followed.

    Warns (`UserWarning`) of images whose format cannot be read, and of `others`.

    Args:
        folder: where to look. Hidden files and folders, and what is no regular file (a pipe), are left out.
        leave_out: a folder that is not searched, wherever it is.
        endings: file name extensions to look for, in lower case.
        kind: what files with these extensions are, for a message.
        others: extensions of files that belong to another call.

    Returns:
        The files, and a sentence for each folder that cannot be listed.

    Raises:
        EcbsrError: there is no image.
    """
    unlisted: list[str] = []
    paths: list[Path] = []
    elsewhere: list[Path] = []
    visible: list[Path] = []
    left_out = None if leave_out is None else os.path.realpath(leave_out)

    def note(error: OSError) -> None:
        unlisted.append(f"{error.filename}: cannot be listed: {error.strerror}")

    for root, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (left_out is None or os.path.realpath(Path(root, name)) != left_out)
        )
        candidates = [Path(root, name) for name in sorted(files) if not name.startswith(".")]
        paths += [path for path in candidates if path.suffix.lower() in endings and _may_be_read(path)]
        elsewhere += [path for path in candidates if path.suffix.lower() in others]
        visible += candidates
    if endings == READABLE:
        _warn_of_unread(folder, visible)
    if paths and elsewhere:
        names = first_and_more([path.name for path in elsewhere])
        warnings.warn(f"{folder}: without {names}; upscale them in another call, by name", UserWarning, stacklevel=2)
    if not paths:
        raise EcbsrError(unlisted[0] if unlisted else f"{folder}: contains no {kind} ({', '.join(endings)})")
    return paths, unlisted


def _warn_of_unread(folder: str | os.PathLike[str], paths: Sequence[Path]) -> None:
    unread = [path for path in paths if path.suffix.lower() in UNREADABLE]
    if unread:
        kinds = ", ".join(sorted({path.suffix.lower() for path in unread}))
        text = f"{folder}: without {first_and_more([path.name for path in unread])}, because {kinds} cannot be read"
        warnings.warn(text, UserWarning, stacklevel=3)


def _may_be_read(path: Path) -> bool:
    """Whether a path is a regular file, or something that a message should name."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True
