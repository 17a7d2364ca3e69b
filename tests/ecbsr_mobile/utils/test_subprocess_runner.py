from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from ecbsr_mobile.utils.subprocess_runner import Canceled, Completed, TimedOut, run
from tests.helpers.waiting import wait_for_end, wait_until

# Starts a child, writes both process ids to a file, and never ends.
ENDLESS = """
import os, subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
print("started", flush=True)
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
threading.Event().wait()
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_output_and_exit_code() -> None:
    code = "import os, sys; print(os.environ['NAME']); print('problem', file=sys.stderr); sys.exit(3)"
    completed = run(python(code), 300, threading.Event(), {**os.environ, "NAME": "value"})
    assert completed == Completed(3, b"value\n", b"problem\n")
    assert run(python("import os; os.abort()"), 300, threading.Event()).code == -6


def test_standard_input_that_is_read_late_arrives_whole() -> None:
    code = "import sys, time; time.sleep(0.5); print(len(sys.stdin.buffer.read()))"  # longer than the first poll
    assert run(python(code), 300, threading.Event(), content=bytes(10**6)).out == b"1000000\n"


def test_a_program_that_is_canceled_ends_with_its_children(tmp_path: Path) -> None:
    pids, stop = tmp_path / "pids", threading.Event()

    def cancel_once_started() -> None:
        wait_until(pids.exists, "the program to start")
        stop.set()

    thread = threading.Thread(target=cancel_once_started)
    thread.start()
    with pytest.raises(Canceled):
        run(python(ENDLESS, str(pids)), 300, stop)
    thread.join()
    for pid in map(int, pids.read_text().split()):
        wait_for_end(pid)
    with pytest.raises(Canceled):
        run(python("raise SystemExit"), 300, stop)


def test_a_program_over_its_limit_ends_and_its_output_is_kept() -> None:
    code = "import sys, threading; print('started', flush=True); threading.Event().wait()"
    with pytest.raises(TimedOut) as caught:
        run(python(code), 5, threading.Event())
    assert caught.value.out in (b"started\n", b"")  # nothing yet, on a machine that takes 5 s to start Python


def test_a_missing_program_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        run(["/no-such-program"], 300, threading.Event())
