"""`ecbsr COMMAND`: the list of commands, and every command under the name that was typed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from ecbsr_mobile import __version__, zoo
from ecbsr_mobile.cli import scripts, umbrella
from tests.helpers.commands import COMMANDS, HEAVY, environment, refused
from tests.helpers.paths import ROOT

CODE = "import sys; sys.argv[0] = '/usr/bin/ecbsr'; from ecbsr_mobile.cli.scripts import ecbsr; ecbsr()"
"""What the script of the command does."""


def ecbsr(*arguments: object, as_module: bool = False) -> subprocess.CompletedProcess[str]:
    start = ["-m", "ecbsr_mobile"] if as_module else ["-c", CODE]
    command = [sys.executable, *start, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment())


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_commands_are_listed_with_a_line_each(arguments: tuple[str, ...]) -> None:
    result = ecbsr(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.split(None, 1) for line in result.stdout.splitlines() if line.startswith("  ")]
    listed = {line[0]: line[1] for line in lines if len(line) == 2}
    assert listed.items() >= umbrella.SUMMARIES.items()
    assert list(umbrella.SUMMARIES) == list(scripts.MODULES)
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_list_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['ecbsr']\nfrom ecbsr_mobile.cli.scripts import ecbsr\ntry:\n    ecbsr()\n"
        f"except SystemExit:\n    print(sorted({{*{HEAVY!r}, 'numpy', 'PIL'}} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_every_command_of_its_own_is_also_a_subcommand() -> None:
    own = {name.removeprefix("ecbsr-") for name in COMMANDS if name != "ecbsr"}
    assert own == set(scripts.SCRIPTS) <= set(scripts.MODULES)
    for name in own:
        function = {"eval": "evaluate"}.get(name, name)
        assert getattr(scripts, function).args == (scripts.MODULES[name],)


@pytest.mark.parametrize("command", scripts.MODULES)
def test_every_subcommand_has_help_and_a_version_under_the_typed_name(command: str) -> None:
    assert ecbsr(command, "--help").stdout.startswith(f"usage: ecbsr {command} ")
    assert ecbsr(command, "--version").stdout == f"ecbsr {command} {__version__}\n"
    refused(ecbsr(command, "--no-such-option"), 2, f"usage: ecbsr {command} ", f"ecbsr {command}: error: ")


def test_errors_begin_with_the_typed_name() -> None:
    missing = "none.tflite: no such file"
    refused(ecbsr("audit", "none.tflite"), 1, f"ecbsr audit: {missing}")
    refused(ecbsr("audit", "none.tflite", as_module=True), 1, f"python -m ecbsr_mobile audit: {missing}")
    assert ecbsr("--version", as_module=True).stdout == f"python -m ecbsr_mobile {__version__}\n"


@pytest.mark.parametrize(("typed", "meant"), [("upscal", "upscale"), ("quantize", ""), ("Bench", "bench")])
def test_an_unknown_subcommand(typed: str, meant: str) -> None:
    result = ecbsr(typed, "--size", "540p")
    refused(result, 2, f"no command is named {typed!r}")
    assert ("did you mean" in result.stderr, f"; did you mean {meant}?" in result.stderr) == (bool(meant), bool(meant))


@pytest.mark.parametrize("command", ["audit", "completion"])
def test_packages_of_the_caller_do_not_take_the_place_of_ours(tmp_path: Path, command: str) -> None:
    """`python -m` puts the working folder first, and many projects have an `export`."""
    for name in ("export.py", "android_bench.py"):
        (tmp_path / name).write_text("raise SystemExit('not ours')")
    own = environment()
    for start, path in ((["-m", "ecbsr_mobile"], ROOT), (["-c", CODE], f"{tmp_path}{os.pathsep}{ROOT}")):
        arguments = [sys.executable, *start, command, "--version"]
        result = subprocess.run(
            arguments, capture_output=True, text=True, cwd=tmp_path, env={**own, "PYTHONPATH": str(path)}
        )
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.endswith(f" {command} {__version__}\n")


def test_the_result_is_that_of_the_command() -> None:
    result = ecbsr("audit", zoo.tflite(zoo.DEFAULT), "--json")
    assert result.returncode == 0 and '"schema": 1' in result.stdout


def test_every_module_has_what_the_umbrella_and_completion_need() -> None:
    for name in scripts.MODULES.values():
        module = import_module(name)
        assert callable(module.main) and callable(module.script)
        assert {"--version", "--quiet", "--verbose"} <= set(module.parser()._option_string_actions)
