from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.lock import NAME, locked
from tests.helpers.commands import environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only POSIX systems have the lock")

HOLD = """
import sys
from ecbsr_mobile.utils.lock import locked
with locked(sys.argv[1], "training"):
    print("locked", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the lock of a folder until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "locked\n"
    return process


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    first = holder(tmp_path)
    with pytest.raises(EcbsrError) as refused, locked(tmp_path, "training"):
        pass
    owner = rf"in use by the training of .+@.+ \(process {first.pid}, since [0-9: +-]+\); wait for it"
    assert re.search(owner, str(refused.value))
    first.communicate()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path, "training"):
        assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_the_lock_of_a_killed_process_does_not_block(tmp_path: Path) -> None:
    first = holder(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert (tmp_path / NAME).exists()
    with locked(tmp_path, "training"):
        assert str(os.getpid()) in (tmp_path / NAME).read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_created_and_removed_if_nothing_came_into_it(tmp_path: Path) -> None:
    with locked(tmp_path / "a" / "b", "training"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "a" / "b", "training"):
        (tmp_path / "a" / "file").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EcbsrError, match="is a file; choose another folder"), locked(tmp_path / "file", "training"):
        pass
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EcbsrError, match="cannot write into"), locked(tmp_path, "training"):
        pass
    assert not (tmp_path / "elsewhere").exists()
