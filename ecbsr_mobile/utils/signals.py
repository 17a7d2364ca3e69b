"""What interrupts a command, and deferring it until work can stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, the request to end, and the end of the terminal or the connection, which Windows does not have."""


def signal_name(number: int) -> str:
    """The name of a signal, such as SIGSEGV; "signal 40" for one without a name, such as a real-time signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def defer_signals() -> Iterator[Callable[[], bool]]:
    """Defer `INTERRUPTS`; yields a function that returns whether one has arrived.

    The body should call it often, and end if it returns true. Afterwards the signal is raised again for the previous
    handler. A signal that was ignored stays ignored; outside of the main thread nothing is deferred.

    Raises:
        KeyboardInterrupt: a signal arrived, and the previous handler returned.
    """
    arrived: list[int] = []
    with _recorded(arrived):
        yield lambda: bool(arrived)
    if arrived:
        signal.raise_signal(arrived[0])
        raise KeyboardInterrupt(arrived[0])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Defer `INTERRUPTS` to the end of a short body, such as one that makes a file and notes that it is temporary.

    Then the signal is raised again for the previous handler, which decides; also if the body raises.
    """
    arrived: list[int] = []
    try:
        with _recorded(arrived):
            yield
    finally:
        if arrived:
            signal.raise_signal(arrived[0])


@contextmanager
def _recorded(arrived: list[int]) -> Iterator[None]:
    """Append `INTERRUPTS` to `arrived`, where they are not ignored, and this is the main thread."""
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in INTERRUPTS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                handlers[number] = signal.signal(number, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
