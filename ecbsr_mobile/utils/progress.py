"""Progress bars on standard error; commands pass them to library functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

Progress = Callable[[Sequence[Any], str], Iterable[Any]]
"""`progress(items, label)` iterates over the items and shows how many are done."""


def bar(items: Sequence[T], label: str) -> Iterable[T]:
    """Iterate over `items` with a progress bar, if standard error is a terminal."""
    if not sys.stderr.isatty():
        return items
    return _with_bar(items, label)


def _with_bar(items: Sequence[T], label: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track

    yield from track(items, label, console=Console(stderr=True), transient=True)
