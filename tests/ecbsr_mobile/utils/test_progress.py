"""Bars on a terminal, whatever else is printed; lines or nothing in a pipe."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.commands import environment
from tests.helpers.terminal import on_terminal, stays

WORK = """
from ecbsr_mobile.cli import common
from ecbsr_mobile.utils import progress
for number in progress.bar(range(3), "first part"):
    common.notice(f"note {number}")
    common.print_line(f"result {number}")
with progress.messages(common.notice) as show:
    show("calibrating, which takes 5 % longer")
    show("converting, which takes about ten seconds to start")
    common.notice("WARNING: of a library")
    show(progress.with_percent("tuning", 4, 10, "expected loss 0.1 dB"))
    show("int8: " + progress.with_percent("tuning", 1, 2, "expected loss 0.1 dB"))
    common.notice("tuned")
    show("measuring")
common.print_line("end")
"""
LINES = ["note 0", "result 0", "note 1", "result 1", "note 2", "result 2", "WARNING: of a library", "tuned", "end"]


def test_on_a_terminal_every_line_stands_alone_and_no_bar_stays() -> None:
    code, got, _ = on_terminal([sys.executable, "-c", WORK])
    assert code == 0
    assert stays(got) == LINES
    for shown in ("first part", "which takes about ten seconds", "tuning: expected loss 0.1 dB", "50%"):
        assert shown in got


def test_the_result_is_not_drawn_by_the_bar_of_standard_error() -> None:
    code, got, result = on_terminal([sys.executable, "-c", WORK], pipe_result=True)
    assert code == 0
    assert result.splitlines() == [line for line in LINES if line.startswith(("result", "end"))]
    assert stays(got) == [line for line in LINES if not line.startswith(("result", "end"))]


def test_in_a_pipe_there_are_only_lines() -> None:
    ended = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, env=environment(), check=True)
    assert ended.stdout.splitlines() == ["result 0", "result 1", "result 2", "end"]
    assert ended.stderr.splitlines() == [
        "note 0", "note 1", "note 2", "calibrating, which takes 5 % longer",
        "converting, which takes about ten seconds to start", "WARNING: of a library", "tuned", "measuring",
    ]  # fmt: skip


BARS = """
import threading
from ecbsr_mobile.cli import common
from ecbsr_mobile.utils import progress
with progress.bars() as update:
    def work(name):
        for done in range(50):
            update(name, f"{name} [bold]at[/bold] {done}", done, 50)
            if done % 10 == 0:
                common.notice(f"{name} {done}")
    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for item in progress.bar([1], "inside"):
        common.notice("last")
"""


def test_several_threads_share_the_terminal() -> None:
    code, got, _ = on_terminal([sys.executable, "-c", BARS])
    assert code == 0
    expected = [f"{name} {done}" for name in ("one", "two") for done in range(0, 50, 10)]
    assert sorted(stays(got)) == sorted([*expected, "last"])


def test_an_interrupted_bar_leaves_the_terminal_as_it_was() -> None:
    code = """
import sys
from ecbsr_mobile.cli import common
from ecbsr_mobile.utils import progress
def main(_argv):
    for number in progress.bar(range(3), "part"):
        raise KeyboardInterrupt
sys.argv[0] = "ecbsr-test"
common.run(main)
"""
    ended, got, _ = on_terminal([sys.executable, "-c", code])
    assert ended == 130
    assert stays(got) == ["ecbsr-test: interrupted by SIGINT"]
    assert got.rindex("\x1b[?25h") > got.rindex("\x1b[?25l"), "the cursor is hidden"


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_plain_terminals_get_no_color(name: str) -> None:
    program = f"import os; os.environ[{name!r}] = {'dumb' if name == 'TERM' else '1'!r}\n{WORK}"
    code, got, _ = on_terminal([sys.executable, "-c", program])
    assert code == 0
    assert "\x1b[3" not in got and "\x1b[9" not in got
