"""Decoding by OpenCV, which keeps 16 bits per channel and says what libjpeg finds damaged: on standard error."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.opencv import opencv
from ..utils.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Messages of libjpeg, libpng and libtiff, and those of them that mean damage.
_MESSAGES = re.compile(
    rb"^(?:Corrupt JPEG|Premature end|Inconsistent prog|Invalid SOS|Unknown Adobe|Warning: unk|libpng|TIFF)[^\n]*\n?",
    re.MULTILINE,
)
LIBTIFF = re.compile(rb"^(?:tempfile\.tif|_?TIFF\w*|\w+(?:Decode|Lib)\w*): [^\n]*\n?", re.MULTILINE)
"""What libtiff writes when Pillow loads a file."""

_DAMAGE = re.compile("Corrupt|Premature|Inconsistent|Invalid|error")
_LOCK = threading.Lock()


def decode(data: bytes, flags: str) -> tuple[NDArray[Any] | None, str]:
    """The pixels of a file in OpenCV's order, or None if it cannot be decoded, and what is damaged.

    Args:
        data: the content of the file.
        flags: names of `cv2.IMREAD_…`, joined by `|`.
    """
    cv2 = opencv()
    value = 0
    for name in flags.split("|"):
        value |= getattr(cv2, f"IMREAD_{name}")
    with messages(_MESSAGES) as text:
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), value)
        except cv2.error as error:
            return None, str(error.err)
    damage = "; ".join(filter(_DAMAGE.search, text()))
    return pixels, damage


@contextmanager
def messages(pattern: re.Pattern[bytes]) -> Iterator[Callable[[], list[str]]]:
    """Collect the lines of a pattern that native code writes to standard error; anything else is passed on."""
    found: list[str] = []
    with _LOCK, tempfile.TemporaryFile() as file:
        if sys.stderr is not None:
            sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: found
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            written = file.read()
            found += [printable(line.decode(errors="replace").strip(), 200) for line in pattern.findall(written)]
            if rest := pattern.sub(b"", written):
                os.write(2, rest)
