"""`ecbsr-export`: what it prints at its end, and its gate for CI."""

from __future__ import annotations

import json
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.helpers.commands import argv, call_here
from tests.helpers.terminal import on_terminal, stays

pytestmark = pytest.mark.slow


def test_it_ends_with_the_loss_the_verdicts_and_a_command_that_works(tmp_path: Path) -> None:
    out, junit, markdown = tmp_path / "a folder", tmp_path / "j.xml", tmp_path / "m.md"
    arguments = ["ecbsr-m4c8-x2", "--fp16", "--int8", "--target", "gpu", "--size", "48x32,64x40", "--out", out]
    result = call_here("ecbsr-export", *arguments, "--junit", junit, "--markdown", markdown)
    assert result.returncode == 0, result.stderr
    assert "INFO" not in result.stderr and "-0.000" not in result.stdout
    header, _, *rows = [line.split() for line in result.stdout.splitlines()[1:]]
    assert header[-4:] == ["nodes", "pieces", "GPU", "nodes"]
    assert [row[-1] for row in rows] == ["33/33", "33/33", "14/14", "14/14"], "the GPU's column"
    for sentence in (
        "fp16: no loss",
        "int8 for gpu: loses",
        "◐ CPU: slow: 9 of 14 operators in 6 pieces, because of PRELU x5 (measured here)",
        "● GPU (ML Drift): good",
    ):
        assert sentence in result.stderr
    command = result.stderr.splitlines()[-1].partition(": ")[2]
    name, *files = shlex.split(command)
    timed = call_here(name, *files, "--rounds", "1", "--runs", "1", "--json")
    assert timed.returncode == 0 and len(json.loads(timed.stdout)["results"]) == len(files)
    (suite,) = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("4", "0")
    assert "14/14" in markdown.read_text()


def test_a_refused_file_is_a_failure_in_junit(tmp_path: Path) -> None:
    junit = tmp_path / "j.xml"
    arguments = ["ecbsr-m4c8-x2", "--int8", "--size", "48x32", "--out", tmp_path / "out", "--max-drop", "0"]
    result = call_here("ecbsr-export", *arguments, "--junit", junit)
    assert result.returncode == 1 and "more than the 0 dB allowed" in result.stderr
    (suite,) = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    (tmp_path / "broken.pth").write_bytes(b"x")
    result = call_here("ecbsr-export", tmp_path / "broken.pth", "--out", tmp_path, "--junit", junit, "--overwrite")
    assert result.returncode == 1
    (suite,) = ET.parse(junit).getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")


def test_on_a_terminal_messages_and_lines_do_not_touch(tmp_path: Path) -> None:
    arguments = ["ecbsr-m4c8-x2", "--fp32", "--size", "48x32", "--out", tmp_path / "out"]
    code, got, _ = on_terminal(argv("ecbsr-export", *arguments))
    assert code == 0
    assert "about ten seconds to start" in got, "the bar says what takes long"
    shown = stays(got)
    assert shown[0].startswith("ecbsr-m4c8-x2, ")
    assert not [line for line in shown if "INFO" in line or "seconds to start" in line]
