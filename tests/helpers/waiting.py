"""Wait for events that can only be polled."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def wait_until(condition: Callable[[], bool], what: str, limit: float = 300) -> None:
    """Wait until `condition()` holds, which `what` describes.

    Raises:
        TimeoutError: it does not hold within `limit` seconds, a safety net.
    """
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit} s for {what}")
        time.sleep(0.005)


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended; its parent may not have asked for its exit code yet."""

    def ended() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    wait_until(ended, "the process to end")
