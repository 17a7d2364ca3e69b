"""Text from other programs, files and phones, made fit for a line of a terminal or for UTF-8."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence

MAX_NOTE = 300
"""Longest note of a report that quotes a program, in characters."""


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


def named(name: str, sentence: str) -> str:
    """The sentence, after the name of what it is about unless it begins with that name."""
    return sentence if sentence.startswith(name) else f"{name}: {sentence}"


def first_and_more(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def either(values: Sequence[object]) -> str:
    """Several values for a sentence: "2, 3 or 4"."""
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}"


def did_you_mean(word: str, known: Iterable[str], shown: Callable[[str], str] = str) -> str:
    """The end of an error message, "; did you mean X?", for the known word that is closest to `word`; "" if none is.

    One or two known words that begin with `word` are the closest.

    Args:
        word: what was typed.
        known: what could be meant; upper and lower case are the same.
        shown: what to show for a known word.
    """
    from difflib import get_close_matches

    by_lower_case = {name.lower(): name for name in known}
    longer = [name for name in by_lower_case if word and name.startswith(word.lower())]
    close = longer if 1 <= len(longer) <= 2 else get_close_matches(word.lower(), by_lower_case, 1)
    return f"; did you mean {' or '.join(shown(by_lower_case[name]) for name in close)}?" if close else ""


def to_utf8(name: str) -> str:
    r"""The name of a file with `\xNN` for every byte that is not UTF-8, so that it can be written to any file."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def from_utf8(name: str) -> str:
    """The name of a file from that of `to_utf8`."""
    escapes = re.compile(rb"\\x([89a-f][0-9a-f])")
    return os.fsdecode(escapes.sub(lambda match: bytes.fromhex(match[1].decode()), name.encode()))
