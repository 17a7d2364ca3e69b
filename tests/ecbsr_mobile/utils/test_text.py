"""Foreign text on one line of a terminal."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecbsr_mobile.utils.text import from_utf8, last_line, printable, to_utf8


@given(st.text(), st.none() | st.integers(0, 20))
def test_printable_text_is_one_short_line_without_control_characters(text: str, limit: int | None) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= (len(text) if limit is None else limit + 1)
    if text.isprintable() and (limit is None or len(text) <= limit):
        assert shown == text


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("", "exit code 3"),
        (b" \n\n", "exit code 3"),
        ("one\ntwo\n", "two"),
        (b"one\r\n  two \r\n\n", "two"),
        (b"\x1b[31mred\xff", "?[31mred\ufffd"),
    ],
)
def test_last_line(output: str | bytes, expected: str) -> None:
    assert last_line(output, "exit code 3") == expected


def test_last_line_of_a_traceback_is_the_exception() -> None:
    failed = subprocess.run([sys.executable, "-c", "raise ValueError('no such model')"], capture_output=True)
    assert last_line(failed.stderr) == "ValueError: no such model"


@given(st.binary(max_size=30))
def test_names_that_are_not_utf8_become_utf8_and_names_again(name: bytes) -> None:
    written = to_utf8(os.fsdecode(name))
    written.encode()
    if b"\\x" not in name:
        assert os.fsencode(from_utf8(written)) == name
