"""Names of files with clips; nothing heavy is imported here."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UsageError

READABLE = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".m2v", ".vob", ".3gp",
    ".flv", ".wmv", ".ogv", ".mxf", ".dv", ".y4m", ".ivf", ".obu", ".h264", ".hevc", ".nut",
)  # fmt: skip
"""File name extensions of clips."""

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Those of clips that can be written → FFmpeg's name of the format."""

WRITABLE = tuple(MUXERS)


def is_clip(path: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a clip."""
    return Path(path).suffix.lower() in READABLE


def check_format(output: str | os.PathLike[str], codec: str | None = None) -> None:
    """Check that a name is that of a clip that can be written with a codec; None: H.264 or HEVC.

    Raises:
        UsageError: it is not.
    """
    if Path(output).suffix.lower() not in WRITABLE:
        raise UsageError(f"{output}: clips are written as {', '.join(WRITABLE)}; choose another extension")
    if Path(output).suffix.lower() == ".webm" and codec != "av1":
        raise UsageError(f"{output}: WebM holds AV1 alone; add --codec av1, or choose an output that ends in .mkv")


def ending(path: str | os.PathLike[str], codec: str | None = None) -> str:
    """The extension of the output for a clip: MP4, MOV and (for AV1) WebM stay, the others become Matroska.

    Matroska holds most kinds of audio and subtitles. 3GP becomes MOV, which alone holds its speech codec (AMR).
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".3gp":
        return ".mov"
    kept = suffix in WRITABLE and (suffix != ".webm" or codec == "av1")
    return suffix if kept else ".mkv"
