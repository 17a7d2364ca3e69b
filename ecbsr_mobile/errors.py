"""The errors that a user can cause.

The message is one sentence: what is wrong, with the value, and what to do. A command prints it and ends with the
class's exit code.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_OPTION = re.compile(r"\{([a-z_0-9 ]+)(?:\|([^{}|]+))?\}")


class EcbsrError(Exception):
    """An input cannot be used, or an output cannot be written; a command ends with exit code 1."""

    exit_code = 1


class UsageError(EcbsrError):
    """The arguments are wrong, whatever the files contain; a command ends with exit code 2."""

    exit_code = 2


class OptionError(UsageError):
    """An option, or several that contradict each other, which Python and a command name differently.

    In the message, `{fixed_size}` stands for the argument `fixed_size` and the flag `--fixed-size`, and
    `{value_range|--range}` for `value_range` and `--range`.
    """

    def __init__(self, message: str, file: str = "") -> None:
        """`file` stands before the message as it is: its name may contain braces."""
        super().__init__(message, file)

    def __str__(self) -> str:
        """The message with the names of arguments."""
        return self._named(r"\1")

    def with_flags(self) -> str:
        """The message with the names of flags."""
        return self._named(lambda name: name[2] or f"--{name[1].replace('_', '-')}")

    def _named(self, name: str | Callable[[re.Match[str]], str]) -> str:
        message, file = self.args
        return (f"{file}: " if file else "") + _OPTION.sub(name, message)
