"""Decoding by OpenCV, which keeps 16 bits per channel and says what libjpeg finds damaged: on standard error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.native_messages import captured
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


def decode(data: bytes, *flags: str) -> tuple[NDArray[Any] | None, str]:
    """The pixels of a file in OpenCV's order, or None if it cannot be decoded, and what is damaged.

    Args:
        data: the content of the file.
        *flags: names of `cv2.IMREAD_…`.
    """
    cv2 = opencv()
    value = sum(getattr(cv2, f"IMREAD_{name}") for name in flags)
    with messages(_MESSAGES) as text:
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), value)
        except cv2.error as error:
            return None, str(error.err)
    damage = "; ".join(filter(_DAMAGE.search, text()))
    return pixels, damage


@contextmanager
def messages(pattern: re.Pattern[bytes]) -> Iterator[Callable[[], list[str]]]:
    """Collect the lines of a pattern that native code writes to standard error; anything else is passed on.

    The lines are known when the body has ended.
    """
    found: list[str] = []

    def rest(written: bytes) -> bytes:
        found.extend(printable(line.decode(errors="replace").strip(), 200) for line in pattern.findall(written))
        return pattern.sub(b"", written)

    with captured(rest):
        yield lambda: found
