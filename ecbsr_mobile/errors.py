"""The errors that a user can cause.

The message is one sentence: what is wrong, with the value, and what to do. A command prints it and ends with the
class's exit code.
"""

from __future__ import annotations

import re

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

    def __str__(self) -> str:
        """The message with the names of arguments."""
        return _OPTION.sub(r"\1", str(self.args[0]))

    def with_flags(self) -> str:
        """The message with the names of flags."""
        return _OPTION.sub(lambda name: name[2] or f"--{name[1].replace('_', '-')}", str(self.args[0]))
