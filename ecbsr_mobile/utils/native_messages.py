"""What native libraries write to file descriptor 2, past `sys.stderr`."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .progress import cleared

STDERR = 2

# "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", and Abseil's "I0000 00:00:1700000000.0 1234 file.cc:1]".
_INFO = re.compile(rb"(INFO|VERBOSE|DEBUG): |I\d{4} |WARNING: All log messages before absl::InitializeLog")

_lock = threading.RLock()


@contextmanager
def without_info() -> Iterator[None]:
    """Drop the lines of information that the body's libraries write to standard error; the others follow at its end.

    TensorFlow Lite, XNNPACK and LiteRT offer no setting for it. Use it around the loading of a model, not around long
    work: nothing appears before the end.
    """
    with _lock, tempfile.TemporaryFile() as file:
        try:
            original = os.dup(STDERR)
        except OSError:  # closed
            yield
            return
        try:
            os.dup2(file.fileno(), STDERR)
            yield
        finally:
            os.dup2(original, STDERR)
            os.close(original)
            file.seek(0)
            _pass_on(file.read())


def _pass_on(written: bytes) -> None:
    rest = b"".join(line for line in written.splitlines(keepends=True) if not _INFO.match(line))
    if rest:
        with cleared(), suppress(OSError):
            os.write(STDERR, rest)
