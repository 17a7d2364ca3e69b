"""The failures that a user can cause.

Library code raises them with one sentence that says what was wrong, with the value, and what to do;
a command prints that sentence and ends with the class's exit code.
"""


class EcbsrError(Exception):
    """Something that the user gave cannot be used or written; a command ends with exit code 1."""

    exit_code = 1


class UsageError(EcbsrError):
    """A call that makes no sense whatever the files hold; a command ends with exit code 2."""

    exit_code = 2
