"""Text tables, which fit a terminal and are whole in a pipe."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Sequence

from ..utils.text import printable
from . import common

_GAP = "  "
_NUMBER = re.compile(r"[-+]?\d|-?$")
"""How a cell of a column of numbers begins: a digit, a sign, or nothing."""


def print_table(
    header: Sequence[str], rows: Iterable[Iterable[object]], title: str = "", optional: Sequence[str] = ()
) -> None:
    """Print a text table on standard output; columns of numbers are right-aligned, the others left-aligned.

    On a terminal that is too narrow, columns named in `optional` are left out, the first ones first, which is noted on
    standard error; if that is not enough, each row becomes a block of lines. In a pipe the table is whole, and no line
    is wrapped, so that it can be piped into a search.

    Cells may contain any text: none of it is read as markup, and control characters become `?`.
    """
    table = [[printable(str(cell)) for cell in row] for row in [header, *rows]]
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    left_out: list[str] = []
    for name in optional:
        if _table_width(table) <= limit:
            break
        if name in table[0]:
            column = table[0].index(name)
            table = [[*row[:column], *row[column + 1 :]] for row in table]
            left_out.append(name)
    if title:
        common.print_line(title)
    common.print_line(_table_text(table) if _table_width(table) <= limit else _stacked(table))
    if left_out:
        common.notice(f"left out to fit {limit} columns: {', '.join(left_out)} (--json and pipes have them)")


def aligned(values: Iterable[float | None], decimals: int) -> list[str]:
    """Numbers as text with the same number of decimals, so that their points are below each other in a table.

    A number that rounds to zero has no sign; None is "-".
    """
    return ["-" if value is None else f"{round(value, decimals) + 0.0:.{decimals}f}" for value in values]


def _column_widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*table, strict=True)]


def _table_width(table: Sequence[Sequence[str]]) -> int:
    widths = _column_widths(table)
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _table_text(table: Sequence[Sequence[str]]) -> str:
    widths = _column_widths(table)
    numeric = [all(_NUMBER.match(cell) for cell in column[1:]) for column in zip(*table, strict=True)]

    def line(cells: Iterable[str]) -> str:
        columns = zip(cells, widths, numeric, strict=True)
        return _GAP.join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in columns).rstrip()

    header, *rows = table
    return "\n".join([line(header), line("-" * width for width in widths), *map(line, rows)])


def _stacked(table: Sequence[Sequence[str]]) -> str:
    """Each row as its first cell, and the others below it with their headers."""
    header, *rows = table
    width = max(map(len, header[1:]), default=0)
    lines = []
    for first, *others in rows:
        lines.append(first)
        lines += [f"  {name.ljust(width)}  {cell}".rstrip() for name, cell in zip(header[1:], others, strict=True)]
    return "\n".join(lines)
