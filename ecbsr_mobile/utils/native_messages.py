"""What native libraries write to file descriptor 2, past `sys.stderr`."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .progress import cleared

STDERR = 2

# "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", and Abseil's "I0000 00:00:1700000000.0 1234 file.cc:1]".
_INFO = re.compile(rb"(INFO|VERBOSE|DEBUG): |I\d{4} |WARNING: All log messages before absl::InitializeLog")

_lock = threading.RLock()  # one for all: two captures that overlap in two threads would lose the descriptor


@contextmanager
def captured(rest: Callable[[bytes], bytes]) -> Iterator[None]:
    """Hold back what the body's libraries write to standard error.

    At the end of the body, `rest` gets all of it and returns what is passed on. Where standard error is closed, nothing
    is captured, and `rest` is not called.
    """
    with _lock, tempfile.TemporaryFile() as file:
        with suppress(AttributeError, OSError, ValueError):  # none, or closed
            sys.stderr.flush()
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
            if remaining := rest(file.read()):
                with cleared(), suppress(OSError):
                    os.write(STDERR, remaining)


@contextmanager
def without_info() -> Iterator[None]:
    """Drop the lines of information that the body's libraries write to standard error; the others follow at its end.

    TensorFlow Lite, XNNPACK and LiteRT offer no setting for it. Use it around the loading of a model, not around long
    work: nothing appears before the end.
    """
    with captured(_without_info):
        yield


def _without_info(written: bytes) -> bytes:
    return b"".join(line for line in written.splitlines(keepends=True) if not _INFO.match(line))
