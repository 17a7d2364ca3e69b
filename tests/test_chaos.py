"""A short run of the chaos, and that it would find what it looks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import chaos
from tests.helpers.commands import environment
from tests.helpers.paths import ROOT


@pytest.mark.slow
def test_a_short_run_finds_nothing() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--events", "3", "--seed", "1"]
    result = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "seed 1: 3 events" in result.stdout


def test_what_is_left_is_found(tmp_path: Path) -> None:
    for path in ("work/out/a.png", "work/out/b.json", "work/out/c.html", "work/.part", "tmp/folder/file"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"{")
    half = [f"half file: {name}" for name in ("a.png", "b.json", "c.html")]
    assert sorted(chaos._half(tmp_path / "work" / "out")) == half
    environ = {**environment(), "TMPDIR": str(tmp_path / "tmp")}
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environ)
    left = chaos._left(tmp_path)
    process.communicate()
    assert left == [f"process left: {process.pid}", "file left: folder", "file left: .part"]
