"""The errors that a user can cause.

The message is one sentence: what is wrong, with the value, and what to do. A command prints it and ends with the
class's exit code.
"""


class EcbsrError(Exception):
    """An input cannot be used, or an output cannot be written; a command ends with exit code 1."""

    exit_code = 1


class UsageError(EcbsrError):
    """The arguments are wrong, whatever the files contain; a command ends with exit code 2."""

    exit_code = 2
