"""How much the running command says beside its result: `--quiet` and `--verbose` set it, once for the process."""

from __future__ import annotations

from typing import Literal

Level = Literal["quiet", "normal", "verbose"]

_level: Level = "normal"


def set_level(level: Level) -> None:
    """Set what `is_quiet` and `is_verbose` return."""
    global _level  # noqa: PLW0603
    _level = level


def is_quiet() -> bool:
    """Whether notes and progress are not shown."""
    return _level == "quiet"


def is_verbose() -> bool:
    """Whether details are shown that are otherwise left out."""
    return _level == "verbose"
