"""The cores and the scheduling of this process's threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


def usable_cores() -> set[int]:
    """The indices of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Restore the scheduling of all threads at the end, whatever a library does to them and to those that it starts.

    SVT-AV1 asks for real time at the highest priority, which root gets: nothing else would run on the machine, and
    children would inherit it.
    """
    if not hasattr(os, "sched_setscheduler"):  # Linux alone
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in _TASKS.iterdir() if _TASKS.is_dir() else ():
            with suppress(OSError):  # the thread has ended
                if os.sched_getscheduler(int(task.name)) != policy:
                    os.sched_setscheduler(int(task.name), policy, parameters)
