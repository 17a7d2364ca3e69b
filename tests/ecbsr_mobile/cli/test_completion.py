"""What Tab completes, asked of a real bash."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecbsr_mobile import zoo
from ecbsr_mobile.cli.scripts import MODULES
from tests.helpers.commands import environment

BASH = shutil.which("bash")
ZSH = shutil.which("zsh")

# Calls the function that `complete` has registered for a command, as bash does when Tab is pressed.
ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
registered=$(complete -p "$1"); registered=${registered##*-F }
${registered%% *} "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell: str) -> str:
    call = "import sys; sys.argv[:1] = ['ecbsr']; from ecbsr_mobile.cli.scripts import ecbsr; ecbsr()"
    command = [sys.executable, "-c", call, "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=True).stdout


@pytest.fixture(scope="module")
def completion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if BASH is None:
        pytest.skip("there is no bash")
    path = tmp_path_factory.mktemp("completion") / "ecbsr.bash"
    path.write_text(script("bash"))
    return path


def completed(completion: Path, folder: Path, *words: str) -> list[str]:
    command = [str(BASH), "--norc", "-c", ASK, "bash", str(completion), *words]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    return result.stdout.split("\n")[:-1]


def test_commands_options_and_choices(completion: Path, tmp_path: Path) -> None:
    assert completed(completion, tmp_path, "ecbsr", "") == list(MODULES)
    assert completed(completion, tmp_path, "ecbsr", "up") == ["upscale"]
    assert completed(completion, tmp_path, "ecbsr", "export", "--tar") == ["--target"]
    assert completed(completion, tmp_path, "ecbsr", "export", "--target", "n") == ["nnapi", "npu"]
    assert completed(completion, tmp_path, "ecbsr", "bench", "--qu") == ["--quiet"]
    assert completed(completion, tmp_path, "ecbsr", "completion", "") == ["bash", "zsh"]


def test_models_and_files(completion: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.tflite").touch()
    (tmp_path / "folder").mkdir()
    assert completed(completion, tmp_path, "ecbsr", "models", "ecbsr-m4c16-rgb") == [
        name for name in zoo.names() if name.startswith("ecbsr-m4c16-rgb")
    ]
    assert completed(completion, tmp_path, "ecbsr", "upscale", "--model", "mi") == ["mine.tflite"]
    assert "ecbsr-m4c8-x2-int8" in completed(completion, tmp_path, "ecbsr", "upscale", "--model", "ecbsr-m4c8")
    tools = completed(completion, tmp_path, "ecbsr", "bench", "--tool", "")
    assert tools == ["tflite", "litert", "folder", "mine.tflite"]
    assert completed(completion, tmp_path, "ecbsr", "eval", "--data", "") == ["folder"]


def test_the_commands_with_a_dash(completion: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.tflite").touch()
    assert completed(completion, tmp_path, "ecbsr-export", "--target", "n") == ["nnapi", "npu"]
    assert completed(completion, tmp_path, "ecbsr-audit", "mi") == ["mine.tflite"]


@pytest.mark.skipif(ZSH is None, reason="zsh is not installed: its script is not read")
def test_zsh_reads_its_script() -> None:
    code = f"autoload -Uz compinit; compinit -u -D; eval {shlex.quote(script('zsh'))}; print $_comps[ecbsr]"
    result = subprocess.run([str(ZSH), "-f", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "_shtab_ecbsr"
