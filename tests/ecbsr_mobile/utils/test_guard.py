"""What a killed process leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.helpers.commands import environment
from tests.helpers.waiting import wait_for_end, wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only POSIX systems have process groups")

# Holds everything that is guarded, prints its process ids, and ends by {end}.
CODE = """
import os, subprocess, sys, threading
from ecbsr_mobile.utils import guard, subprocess_runner
from ecbsr_mobile.utils.files import atomic_write
endless = "import threading; threading.Event().wait()"
nested = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {endless!r}]); print(child.pid, flush=True); child.wait()"
with guard.TemporaryFolder("ecbsr-test-") as folder, atomic_write("out.bin") as temporary:
    open(os.path.join(folder, "file"), "w").close()
    temporary.write_bytes(b"half")
    with subprocess_runner.started([sys.executable, "-c", nested]) as process:
        print(process.pid, int(process.stdout.readline()), guard._worker.pid, flush=True)
        sys.stdin.readline()
"""  # noqa: E501


@pytest.mark.parametrize("number", [signal.SIGKILL, None])
def test_programs_end_and_temporary_files_go_with_their_process(tmp_path: Path, number: int | None) -> None:
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=tmp_path / "work", env={**environment(), "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 3 and all(map(psutil.pid_exists, pids))
    assert len(list((tmp_path / "tmp").iterdir())) == len(list((tmp_path / "work").iterdir())) == 1
    if number is not None:
        process.send_signal(number)
    process.communicate("end\n")
    for pid in pids:  # the guard as well
        wait_for_end(pid)
    left = [path.name for name in ("work", "tmp") for path in (tmp_path / name).iterdir()]
    assert left == ([] if number is not None else ["out.bin"])


# Starts a program, and is interrupted before anything else knows of it.
INTERRUPTED = """
import os, signal, sys
def interrupt(event, arguments):
    if event == "subprocess.Popen" and "guard_worker" in str(arguments):
        os.kill(os.getpid(), signal.SIGTERM)
sys.addaudithook(interrupt)
from ecbsr_mobile.cli import common
from ecbsr_mobile.utils import subprocess_runner
def main(argv):
    endless = "import threading; threading.Event().wait()"
    with subprocess_runner.started([sys.executable, "-c", endless, *argv]):
        return 0
common.run(main, sys.argv[1:])
"""


def test_a_program_ends_that_was_just_started_when_an_interrupt_came(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert result.returncode == 128 + signal.SIGTERM and "interrupted by SIGTERM" in result.stderr
    wait_until(lambda: not _running(str(tmp_path)), "the program to end")


def _running(argument: str) -> list[psutil.Process]:
    """The processes that were started with an argument."""
    return [each for each in psutil.process_iter(["cmdline"]) if argument in (each.info["cmdline"] or [])]
