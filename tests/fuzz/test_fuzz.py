"""A short run of the fuzzing, and that it would find what it looks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ecbsr_mobile.errors import EcbsrError
from tests.fuzz import __main__ as fuzz
from tests.fuzz.inputs import Kind
from tests.helpers.commands import environment
from tests.helpers.paths import ROOT


@pytest.mark.slow
def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", "140", "--keep", str(tmp_path / "found")]
    result = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "seed 0: 140 inputs" in result.stdout
    assert result.stdout.splitlines()[-1] == "exception 0; hang 0; memory 0; file outside 0"
    assert not (tmp_path / "found").exists()


def test_what_must_not_happen_is_found() -> None:
    def refuse(_path: Path) -> None:
        raise EcbsrError("no model")

    def outcome(read: object) -> str:
        return fuzz.read(Kind(lambda _generator: b"", read, ".bin"), b"")  # type: ignore[arg-type]

    assert outcome(lambda path: path.read_bytes()) == "read"
    assert outcome(refuse) == "refused"
    assert outcome(lambda _path: 1 // 0).startswith("exception: ZeroDivisionError")
    assert outcome(lambda path: path.with_name("other").touch()) == "file outside: ['other']"
