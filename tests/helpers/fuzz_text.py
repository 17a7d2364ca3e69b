"""Hypothesis strategies that damage the output of programs: its lines, its numbers, its characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

NUMBERS = ("nan", "inf", "-1", "1e999", "9" * 5000, "٣", "0x10", "", "1.2.3", "\x1b[2J")


@st.composite
def damaged_output(draw: st.DrawFn, lines: Sequence[str]) -> str:
    """Some of the lines in any order, with numbers, cells and characters replaced."""
    chosen = draw(st.lists(st.sampled_from(lines) | st.text(max_size=30), max_size=12))
    text = draw(st.sampled_from(["\n", "\r\n"])).join(chosen) + "\n"
    for _ in range(draw(st.integers(0, 5))):
        start, end = draw(st.sampled_from([match.span() for match in re.finditer(r"[0-9.e+]+", text)] or [(0, 0)]))
        text = text[:start] + draw(st.sampled_from(NUMBERS)) + text[end:]
    return text
