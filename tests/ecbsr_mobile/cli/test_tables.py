"""Text tables: whole in a pipe; on a terminal no line is wider than it."""

from __future__ import annotations

import sys

import pytest

from ecbsr_mobile.cli import tables
from tests.helpers.terminal import on_terminal, stays

HEADER = ["file", "bytes", "largest error", "loss dB", "verdict"]
ROWS = [["out/first.tflite", "44640", "1.8e-07", "0.000", "fast"], ["out/second.tflite", "9", "-", "0.026", "slow: 1"]]
TABLE = (
    "from ecbsr_mobile.cli import tables\n"
    f"tables.print_table({HEADER!r}, {ROWS!r}, 'a title', optional=['no such', 'largest error', 'bytes'])"
)


def on_a_terminal(columns: int) -> list[str]:
    code, got, _ = on_terminal([sys.executable, "-c", TABLE], columns)
    assert code == 0
    assert max(map(len, got.split("\r\n"))) <= columns or "left out" in got
    return stays(got)


def test_in_a_pipe_a_table_is_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    tables.print_table(HEADER, ROWS, "a title", optional=["bytes"])
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == [
        "a title",
        "file               bytes  largest error  loss dB  verdict",
        "-----------------  -----  -------------  -------  -------",
        "out/first.tflite   44640        1.8e-07    0.000  fast",
        "out/second.tflite      9              -    0.026  slow: 1",
    ]


def test_a_wide_terminal_shows_the_whole_table() -> None:
    assert on_a_terminal(57)[1] == "file               bytes  largest error  loss dB  verdict"


def test_a_narrow_terminal_drops_columns_and_says_so() -> None:
    assert on_a_terminal(50) == [
        "a title",
        "file               bytes  loss dB  verdict",
        "-----------------  -----  -------  -------",
        "out/first.tflite   44640    0.000  fast",
        "out/second.tflite      9    0.026  slow: 1",
        "left out to fit 50 columns: largest error (--json and pipes have them)",
    ]


def test_a_very_narrow_terminal_stacks_the_rows() -> None:
    assert on_a_terminal(30) == [
        "a title",
        "out/first.tflite",
        "  loss dB  0.000",
        "  verdict  fast",
        "out/second.tflite",
        "  loss dB  0.026",
        "  verdict  slow: 1",
        "left out to fit 30 columns: largest error, bytes (--json and pipes have them)",
    ]


def test_numbers_of_a_column_have_the_same_decimals_and_zero_has_no_sign() -> None:
    assert tables.aligned([12.5, None, -0.0004, 100], 2) == ["12.50", "-", "0.00", "100.00"]
