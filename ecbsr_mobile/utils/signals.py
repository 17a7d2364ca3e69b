"""Ctrl-C and SIGTERM held back until work stands at a place where it can stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def defer_signals() -> Iterator[Callable[[], bool]]:
    """Hold back Ctrl-C and SIGTERM; the value given says whether one has come.

    The body should look often, and leave when one has. Behind it the signal is sent again, to whatever handled it
    before. A signal that was ignored stays ignored; outside of the main thread nothing is held back.

    Raises:
        KeyboardInterrupt: a signal came, and what handled it before let the process go on.
    """
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])
        raise KeyboardInterrupt(came[0])
