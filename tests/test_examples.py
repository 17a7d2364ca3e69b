"""The example of a gate in CI, whose commands run here; and the Dockerfile, which is read but not built."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecbsr_mobile import zoo
from tests.helpers.commands import DEFECT, environment
from tests.helpers.paths import ROOT

EXAMPLE = ROOT / "examples" / "github-actions.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the example is not read")
    document: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return document


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository as the example expects it, with `ecbsr` on its PATH in bin/."""
    shutil.copy(zoo.weights("ecbsr-m4c8-x2"), tmp_path / "weights.safetensors")
    (tmp_path / "test-images").mkdir()
    shutil.copy(next(path for path in zoo.pictures() if path.stem == "text"), tmp_path / "test-images")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ecbsr"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ecbsr_mobile "$@"\n')
    program.chmod(0o755)
    return tmp_path


def steps(workflow: dict[str, Any]) -> list[str]:
    (job,) = workflow["jobs"].values()
    return [step["run"] for step in job["steps"] if step.get("run", "").startswith("ecbsr ")]


def run(line: str, repository: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = f"{repository / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = environment() | variables | {"PATH": path}
    return subprocess.run(["bash", "-e", "-c", line], cwd=repository, env=env, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash: the example's commands are not run")
def test_the_commands_of_the_gate_run(workflow: dict[str, Any], repository: Path) -> None:
    lines = steps(workflow)
    assert [line.split()[1] for line in lines] == ["export", "audit", "eval", "bench"]
    for line in lines:
        result = run(line, repository, workflow["env"] | {"MIN_PSNR": "15"})
        assert result.returncode == 0 and not DEFECT.search(result.stderr), (line, result.stderr)
    for name in ("export.json", "audit.json", "eval.json", "bench/results.json"):
        assert json.loads((repository / name).read_text())["schema"] == 1
    assert "<html" in (repository / "audit.html").read_text()
    # What the gate refuses: too little quality.
    refused = run(lines[2], repository, workflow["env"] | {"MIN_PSNR": "99"})
    assert refused.returncode == 1 and "less than --min-psnr 99" in refused.stderr


def test_the_dockerfile_copies_what_there_is_and_starts_a_command() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    (entry,) = re.findall(r'^ENTRYPOINT \["(\S+)"\]$', text, re.MULTILINE)
    assert f"{entry} = " in parsed["options.entry_points"]["console_scripts"]
    (extra,) = re.findall(r"^ARG EXTRA=(\S+)$", text, re.MULTILINE)
    assert extra in parsed["options.extras_require"]
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for name in line.split()]
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"setup.cfg", "setup.py", "ecbsr_mobile", "export", "android_bench"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists() and f"!{name}" in kept
    (uv,) = re.findall(r"uv==(\S+)", text)
    assert f"uv=={uv}" in (ROOT / "Makefile").read_text(encoding="utf-8")
