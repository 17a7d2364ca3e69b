"""Progress with an estimate on standard error, for commands; library functions take it as an argument."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

Progress = Callable[[Sequence[Any], str], Iterable[Any]]
"""Iterates over the items under a label, and shows how far it came."""


def bar(items: Sequence[T], label: str) -> Iterable[T]:
    """Iterate over `items` behind a progress bar; without a terminal, silently."""
    if not sys.stderr.isatty():
        return items
    return _with_bar(items, label)


def _with_bar(items: Sequence[T], label: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track

    yield from track(items, label, console=Console(stderr=True), transient=True)
