"""The images in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import EcbsrError

READABLE = (
    ".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
    ".gif", ".heic", ".heif", ".avif",
)  # fmt: skip
"""File name extensions of the images in a folder."""


def find(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files directly inside a folder, sorted by name.

    Raises:
        EcbsrError: the folder is missing, is a file, or contains no image.
    """
    root = Path(folder)
    if not root.is_dir():
        raise EcbsrError(f"{folder}: no such folder" if not root.exists() else f"{folder}: is a file, not a folder")
    try:
        paths = sorted(p for p in root.iterdir() if p.suffix.lower() in READABLE and not p.name.startswith("."))
    except OSError as error:
        raise EcbsrError(f"{folder}: cannot be listed: {error.strerror}") from None
    if not paths:
        raise EcbsrError(f"{folder}: contains no image ({', '.join(READABLE)})")
    return paths
