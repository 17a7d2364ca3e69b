"""Text that comes from other programs or out of files, made fit for one line of a terminal."""

from __future__ import annotations


def printable(text: str, limit: int | None = None) -> str:
    """`text` with `?` for every character that is not printable, cut to `limit` characters and `…`.

    Names in a model file and messages that quote them can hold escape sequences, which must not reach a terminal.
    """
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if limit is None or len(shown) <= limit else f"{shown[:limit]}…"


def last_line(output: str | bytes, default: str = "") -> str:
    """The last line of a program's output that is not blank, stripped and printable; `default` if there is none.

    Programs end with the reason for their failure: `last_line(errors, f"exit code {code}")`.
    """
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[-1]) if lines else default
