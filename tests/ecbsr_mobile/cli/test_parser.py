"""Mistyped options, choices and paths are refused with what was meant, before anything heavy is imported."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from ecbsr_mobile import zoo
from ecbsr_mobile.cli.paths import PathKind
from ecbsr_mobile.cli.scripts import MODULES
from tests.helpers.commands import HEAVY, call_here, environment, refused

REQUIRED = {"eval": ["--data", "."], "train": ["--data", ".", "--val", ".", "--out", "out"], "upscale": [".", "out"],
            "audit": ["."], "completion": ["bash"], "page": ["ecbsr-m4c8-x2", "--out", "out"]}  # fmt: skip
"""For each command, arguments without which it is misused; every path in them exists."""


def path_arguments() -> list[tuple[str, str]]:
    """(command, option or position) of every argument that names what must exist."""
    found = []
    for name, module in MODULES.items():
        for action in import_module(module).parser()._actions:
            if isinstance(action.type, PathKind) and action.type.exists:
                found.append((name, action.option_strings[0] if action.option_strings else action.dest))
    return [*found, ("upscale", "inputs")]


def test_every_argument_that_reads_a_path_says_so() -> None:
    """Those of which the help speaks as of a file or a folder; outputs are named, too, for the shells."""
    for name, module in MODULES.items():
        for action in import_module(module).parser()._actions:
            if str(action.metavar) in ("FILE", "DIR", "IN", "OUT", "MODEL", "WEIGHTS", "TOOL"):
                assert isinstance(action.type, PathKind), (name, action.dest)
    assert len(path_arguments()) >= 13


def with_a_mistyped_path(command: str, argument: str) -> list[str]:
    """Arguments of a command, of which one names a path that does not exist."""
    arguments = list(REQUIRED.get(command, []))
    if argument in arguments:
        arguments[arguments.index(argument) + 1] = "no such path"
    elif argument.startswith("--"):
        arguments += [argument, "no such path"]
    elif command == "eval":
        arguments.insert(0, "no such path")
    else:
        arguments[:1] = ["no such path"]
    return arguments


@pytest.mark.parametrize("command", sorted({command for command, _ in path_arguments()}))
def test_a_mistyped_path_is_refused_before_anything_heavy_is_imported(command: str) -> None:
    calls = [with_a_mistyped_path(*found) for found in path_arguments() if found[0] == command]
    code = (
        f"import sys\nfrom {MODULES[command]} import main\nfor arguments in {calls!r}:\n"
        "    try:\n        main(arguments)\n    except Exception as error:\n        print(error)\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    *messages, heavy = result.stdout.splitlines()
    assert len(messages) == len(calls) and all(message.startswith("no such path: no such ") for message in messages)
    assert heavy == "[]"


def test_a_mistyped_path_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"x")
    (tmp_path / "pictures").mkdir()
    meant = f"; did you mean {tmp_path / 'photo.png'}?"
    refused(call_here("ecbsr-upscale", tmp_path / "phto.png", tmp_path / "o.png"), 1, "no such file or folder", meant)
    meant = f"; did you mean {tmp_path / 'pictures'}?"
    refused(call_here("ecbsr-eval", "--data", tmp_path / "picture"), 1, "no such folder", meant)
    result = call_here("ecbsr-eval", "--data", tmp_path / "nowhere" / "pictures")
    refused(result, 1, f"no such folder: there is no folder {tmp_path / 'nowhere'}")
    refused(call_here("ecbsr-eval", "--data", tmp_path / "photo.png"), 1, "photo.png: is a file; give a folder")
    refused(call_here("ecbsr-bench", tmp_path), 1, f"{tmp_path}: is a folder; give a file in it")
    (tmp_path / "link.png").symlink_to("gone.png")
    refused(
        call_here("ecbsr-export", tmp_path / "link.png"), 1, "link.png: is a link to gone.png, which does not exist"
    )
    (tmp_path / "link.png").unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "pictures"]


@pytest.mark.parametrize(
    ("command", "arguments", "code", "meant"),
    [
        ("export", ["--szie", "540p"], 2, "--size"),
        ("eval", ["--dta=x"], 2, "--data"),
        ("export", ["--target", "cpuu"], 2, "cpu"),
        ("export", ["--npu", "qualcom"], 2, "qualcomm"),
        ("export", ["--npu", "qualcomm:SM8650P"], 2, "SM8650"),
        ("export", ["--size", "504p"], 2, "540p"),
        ("export", ["ecbsr-m4c16x2"], 1, "ecbsr-m4c16-x2"),
        ("upscale", [".", "o", "--model", "ecbsr-m6c16-lekay-x2"], 1, "ecbsr-m6c16-leaky-x2"),
        ("upscale", [".", "o", "--model", "ecbsr-m4c16-x2-in8"], 1, "ecbsr-m4c16-x2-int8"),
        ("bench", ["--delegate", "gpuu"], 2, "gpu"),
        ("bench", ["--cores", "bigg"], 2, "big"),
        ("bench", ["--tool", "tflte"], 1, "tflite"),
        ("models", ["ecbsr-m4c8-x3"], 2, "ecbsr-m4c8-x2"),
        ("audit", ["ecbsr-m4c16-x2"], 1, "ecbsr-m4c16-x2-fp32 or ecbsr-m4c16-x2-int8"),
        ("completion", ["bsh"], 2, "bash"),
    ],
)
def test_did_you_mean(
    command: str, arguments: list[str], code: int, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call_here(f"ecbsr {command}", *arguments)
    refused(result, code, meant if "did you mean" in meant else f"did you mean {meant}?")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", sorted(MODULES))
def test_no_value_is_empty_and_no_file_is_a_stream(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a shell's variable that is not set: "" would be the current folder, or no gate."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()  # of `REQUIRED`
    found = 0
    for action in import_module(MODULES[command]).parser()._actions:
        if action.nargs == 0 or not (action.type in (None, str) or isinstance(action.type, PathKind)):
            continue
        if action.choices or isinstance(action, argparse.BooleanOptionalAction):
            continue
        for value, message in (("", " is empty; "), ("-", "-: standard input and output are not for files")):
            if value == "-" and not isinstance(action.type, PathKind):
                continue
            required = REQUIRED.get(command, [])
            arguments = [*required, action.option_strings[0], value] if action.option_strings else [value, *required]
            refused(call_here(f"ecbsr {command}", *arguments), 2, message)
            found += 1
    assert found or command in ("completion", "models")
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


def test_what_is_far_from_everything_gets_no_guess() -> None:
    result = call_here("ecbsr-upscale", ".", "o", "--zzzz")
    refused(result, 2, "unrecognized arguments: --zzzz")
    assert "did you mean" not in result.stderr


def test_a_pipe_is_a_file_that_exists() -> None:
    kind = PathKind(file=True)
    kind.check("/dev/null" if Path("/dev/null").exists() else str(zoo.FIGURES))
