"""The flags of the benchmark tool, and what is said about a delegate."""

from __future__ import annotations

import pytest

from android_bench.benchmark_tool import flags
from android_bench.config import Delegate


@pytest.mark.parametrize(
    ("name", "api", "words"),
    [
        ("nnapi", 27, "NNAPI can run nodes on the CPU, which cannot be excluded or seen"),
        ("nnapi", 28, "NNAPI can run nodes on the CPU"),
        ("nnapi", 29, ""),
        ("nnapi", 34, ""),
        ("nnapi", 35, "deprecated"),
        ("nnapi", None, ""),
        ("gpu", 28, ""),
    ],
)
def test_the_note_about_a_delegate(name: str, api: int | None, words: str) -> None:
    note = flags.delegate_note(Delegate(name), api)
    assert words in note and bool(words) == bool(note)
