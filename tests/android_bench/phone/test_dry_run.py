"""The commands of a dry run."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from android_bench import cli
from android_bench.phone import adb
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import run_adb
from tests.helpers.standin_tool import elf


def test_commands_of_a_dry_run_can_be_pasted_into_a_shell(
    device: Device, model: Path, tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    serial = 'it\'s "a" $erial'
    arguments = [
        str(model),
        "--device",
        serial,
        "--size",
        "24x16",
        "--delegate",
        "cpu,gpu",
        "--tool",
        tool,
        "--cores=c",
    ]
    assert cli.main([*arguments, "--dry-run"]) == 0
    commands = [shlex.split(line) for line in "\n".join(_joined(capsys.readouterr().out)).split("\n\0\n")]
    assert all(command[:3] == ["adb", "-s", serial] for command in commands)
    assert device.shells == []
    pushed = [command for command in commands if command[3] == "push"]
    assert [Path(command[4]).exists() for command in pushed] == [True, True]
    assert sum("--use_gpu=true" in command[-1] for command in commands) == 1
    # The same commands, with the stand-in's serial, do what they say.
    run_adb("connect", device.serial)
    for command in commands:
        subprocess.run(
            [adb.adb_path(), "-s", device.serial, *command[3:]], check=True, capture_output=True, timeout=300
        )
    assert len(device.runs()) == 2
    device.assert_clean()


def test_a_dry_run_with_a_tool_that_is_not_downloaded(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = [str(model), "--device", "R58M", "--size", "24x16", "--dry-run"]
    assert cli.main([*arguments, "--json"]) == 0
    fetch, *commands = json.loads(capsys.readouterr().out)["commands"]
    (push,) = (command for command in commands if command[3] == "push" and command[5].endswith("benchmark_model"))
    assert fetch[0] == "curl" and fetch[-1].startswith("https://") and fetch[-2] == push[4]
    assert not (tmp_path / "cache").exists()
    with pytest.raises(EcbsrError, match="no such file or folder, nor a tool that is downloaded"):
        cli.main([*arguments, "--tool", str(tmp_path / "nowhere")])


def test_the_check_of_a_dry_run_names_its_files(
    model: Path, tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(model), "--device", "R58M", "--size", "24x16", "--dry-run", "--check", "--json", "--tool"]
    assert cli.main([*arguments, tool]) == 0
    commands = json.loads(capsys.readouterr().out)["commands"]
    assert any("--output_filepath=" in command[-1] for command in commands)
    assert any(command[3] == "pull" for command in commands)
    (tmp_path / "benchmark_model").write_bytes(elf(extra=b"litert/tools/benchmark_litert_model.h\0"))
    (tmp_path / "run_model").write_bytes(elf(program="standin_run_model.py"))
    assert cli.main([*arguments, str(tmp_path)]) == 0
    commands = json.loads(capsys.readouterr().out)["commands"]
    assert any("--accelerator=cpu --input_dir=" in command[-1] for command in commands)


def _joined(text: str) -> list[str]:
    """Shell commands may hold line ends inside quotes: gather each whole command, then a mark."""
    gathered, parts = [], list[str]()
    for line in text.splitlines():
        parts.append(line)
        try:
            shlex.split("\n".join(parts))
        except ValueError:
            continue
        gathered += [*parts, "\0"]
        parts = []
    return gathered[:-1]
