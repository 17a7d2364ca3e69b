"""Progress on standard error, if that is a terminal: one bar per long piece of work, with an estimate.

Whatever else prints a line does so inside `cleared`, so that a bar and a line never share one.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from . import verbosity

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

T = TypeVar("T")

Progress = Callable[[Sequence[Any], str], Iterable[Any]]
"""`progress(items, label)` iterates over the items and shows how many are done."""

Notify = Callable[[str], None]
"""`notify(text)` shows one line of text; several threads may call it."""

_PERCENT = re.compile(r", (\d+) %(?=$|: )")
_REFRESH_SECONDS = 0.1

_lock = threading.RLock()
_shown: list[RichProgress] = []  # the display on the terminal, if there is one


def bar(items: Sequence[T], label: str) -> Iterable[T]:
    """Iterate over `items` with a progress bar, if standard error is a terminal and the command is not `--quiet`."""
    with bars() as update:
        for done, item in enumerate(items):
            update(label, label, done, len(items))
            yield item


def _bars_are_wanted() -> bool:
    return sys.stderr.isatty() and not verbosity.is_quiet()


@contextmanager
def bars() -> Iterator[Callable[..., None]]:
    """Yield `update(key, text, done=0, total=None)`, which shows a bar for each key on a terminal.

    A new total starts the estimate again; None is work of unknown length. Any thread may call it. The bars disappear
    at the end.
    """
    if not _bars_are_wanted():
        yield lambda *_, **__: None
        return
    with _display() as display:
        tasks: dict[str, Any] = {}

        def update(key: str, text: str, done: float = 0, total: float | None = None) -> None:
            with _lock:
                if key not in tasks:
                    tasks[key] = display.add_task(text, total=total)
                elif total != next(task.total for task in display.tasks if task.id == tasks[key]):
                    display.reset(tasks[key], total=total)
                display.update(tasks[key], description=text, completed=done)

        try:
            yield update
        finally:
            for task in tasks.values():
                display.remove_task(task)


@contextmanager
def counting(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function that is called with the number of frames done so far: the bar shows frames a second.

    `total` may be an estimate, or None.
    """
    with bars() as update:
        start = time.monotonic()

        def count(done: int) -> None:
            speed = done / max(time.monotonic() - start, 1e-9)
            update(label, f"{label}, {done} frames, {speed:.1f} frames/s", done, total and max(done, total))

        yield count


def with_percent(work: str, done: int, total: int, detail: str = "") -> str:
    """The message "rounding, 40 %: detail" of work of which `done` of `total` is done; `messages` shows it as a bar."""
    return f"{work}, {done * 100 // total} %" + (f": {detail}" if detail else "")


@contextmanager
def messages(line: Notify) -> Iterator[Notify]:
    """Yield a function that shows what a long piece of work does now.

    The bar shows the percentage of a message of `with_percent`. Without a terminal, `line` gets each message, except
    those with a percentage.
    """
    if not _bars_are_wanted():
        yield lambda message: None if _PERCENT.search(message) else line(message)
        return
    with bars() as update:

        def show(message: str) -> None:
            percent = _PERCENT.search(message)
            if percent is None:
                update("", message)
            else:
                update("", message[: percent.start()] + message[percent.end() :], int(percent[1]), 100)

        yield show


@contextmanager
def cleared() -> Iterator[None]:
    """Take the bars off the terminal while something else is printed."""
    with _lock:
        for display in _shown:
            _set_visible(display, False)
        try:
            yield
        finally:
            for display in _shown:
                _set_visible(display, True)


def _set_visible(display: RichProgress, visible: bool) -> None:
    # Not `stop` and `start`: after several bars, rich would erase what was printed in between.
    for task in display.tasks:
        display.update(task.id, visible=visible)
    with suppress(OSError):  # the terminal is gone
        display.refresh()


@contextmanager
def _display() -> Iterator[RichProgress]:
    """The display of all bars: a new one, or the one that is there."""
    if _shown:
        yield _shown[0]
        return
    display, ended = _new_display(), threading.Event()

    def refresh() -> None:
        while not ended.wait(_REFRESH_SECONDS):
            with _lock:
                if _shown:
                    with suppress(OSError):
                        display.refresh()

    with _lock:
        display.start()
        _shown.append(display)
    threading.Thread(target=refresh, daemon=True).start()
    try:
        yield display
    finally:
        ended.set()
        with _lock:
            _shown.clear()
            with suppress(OSError):
                display.stop()


def _new_display() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,  # its thread would draw while `cleared`
        expand=True,
        redirect_stdout=False,  # what is printed goes through `cleared`
        redirect_stderr=False,
    )
