"""A short run of the chaos, and that it would find what it looks for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests import chaos
from tests.helpers import chaos_phones, mishaps
from tests.helpers.bench import needs_linux
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


@pytest.mark.skipif(mishaps.clock_library() is None, reason="needs Linux and a C compiler")
@pytest.mark.parametrize(("at", "jump"), [(0, mishaps.DAY), (1e9, 0)])
def test_the_wall_clock_jumps_back_and_the_monotonic_clock_stays(at: float, jump: int) -> None:
    code = "import datetime, time; print(time.time(), datetime.datetime.now().timestamp(), time.monotonic())"
    environ = {**environment(), **mishaps.clock_back(at)}
    before = time.time(), time.time(), time.monotonic()
    printed = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    after = time.time(), time.time(), time.monotonic()
    shown = [float(text) for text in printed.stdout.split()]
    for first, value, last, back in zip(before, shown, after, (jump, jump, 0), strict=True):
        assert first - 1 <= value + back <= last + 1


@pytest.mark.skipif(bool(why := mishaps.read_only_problem()), reason=why or "possible")
def test_nothing_changes_in_a_read_only_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with mishaps.read_only(tmp_path):
        for change in (tmp_path.joinpath("new").touch, tmp_path.joinpath("file").unlink):
            with pytest.raises(OSError, match=r"Read-only|Permission"):
                change()
    (tmp_path / "file").unlink()


@needs_linux
@pytest.mark.slow
def test_six_phones_with_a_fault_each_keep_their_results(tmp_path: Path) -> None:
    for name in ("work", "tmp", "home"):
        (tmp_path / name).mkdir()
    assert chaos_phones.run(tmp_path, {"TMPDIR": str(tmp_path / "tmp")}, Random(0), chaos.LIMIT) == []


def test_a_phone_that_is_lost_is_found(tmp_path: Path) -> None:
    phones = [type("Phone", (), {"serial": name})() for name in "abcd"]
    rows = [
        {"device": "a", "status": "ok", "runs": 2, "median_ms": 10.0, "note": ""},
        {"device": "b", "status": "ok", "runs": 2, "median_ms": 10.0, "note": ""},  # the time of the first
        {"device": "c", "status": "lost", "runs": 0, "median_ms": None, "note": ""},
    ]
    path = tmp_path / "results.json"
    assert chaos_phones._lost(path, [], []) == ["phone lost: all; there is no results.json"]
    path.write_text(json.dumps({"results": rows}))
    assert chaos_phones._lost(path, phones, ["noisy", "noisy", "full", "noisy"]) == [
        "phone lost: noisy has 2 runs with 10.0 ms",
        "phone lost: full without a reason",
        "phone lost: noisy has 0 rows",
    ]
