"""The command lines, called in a process of their own or, where that makes no difference, in the test's."""

from __future__ import annotations

import configparser
import importlib
import io
import os
import re
import signal
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from ecbsr_mobile.cli import common, scripts
from ecbsr_mobile.utils.signals import INTERRUPTS
from tests.helpers.paths import ROOT

HEAVY = ("torch", "tensorflow", "onnx", "onnxruntime", "onnx2tf", "cv2", "ai_edge_litert", "rich", "adbutils",
         "matplotlib", "av", "tensorboardX", "scipy", "jinja2", "msgspec")  # fmt: skip
"""What `--help` must not import."""


DEFECT = re.compile("Traceback|unexpected error")
"""What a command prints on standard error only if it has a defect."""


def entry_points() -> dict[str, str]:
    """Command → "module:function", from setup.cfg."""
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    lines = parsed["options.entry_points"]["console_scripts"].strip().splitlines()
    return dict(re.split(r"\s*=\s*", line) for line in lines)


COMMANDS = entry_points()


def module(command: str) -> str:
    """The module of a command."""
    if command == "ecbsr":
        return scripts.UMBRELLA
    if command.startswith("ecbsr "):
        return scripts.MODULES[command.removeprefix("ecbsr ")]
    return getattr(scripts, COMMANDS[command].partition(":")[2]).args[0]


def call(
    command: str, *arguments: object, cwd: Path | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `options` are those of `subprocess.run`."""
    return subprocess.run(
        argv(command, *arguments), capture_output=True, text=True, cwd=cwd, env=environment(), **options,  # type: ignore[call-overload]
    )  # fmt: skip


def call_here(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Like `call`, but in this process, which saves the imports."""
    main = importlib.import_module(module(command)).main
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    args = [*map(str, arguments)]
    try:
        with (
            patch.object(sys, "argv", [command]),
            warnings.catch_warnings(),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            common.run(main, args)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess([command, *args], int(ended.value.code or 0), out.getvalue(), err.getvalue())


def argv(command: str, *arguments: object, before: str = "") -> list[str]:
    """The argument list of a command as a process, with the Python of the tests, which runs the code `before` first."""
    place, function = COMMANDS[command].split(":")
    code = f"{before}import sys; sys.argv[0] = {command!r}; from {place} import {function}; {function}()"
    return [sys.executable, "-c", code, *map(str, arguments)]


def environment() -> dict[str, str]:
    """The environment of a process that imports the packages of this repository and computes on one thread."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def refused(result: subprocess.CompletedProcess[str], code: int, *messages: str) -> None:
    """Assert that a command ended with this exit code and these messages, without a result or a traceback."""
    assert result.returncode == code, result.stderr
    assert not DEFECT.search(result.stderr), result.stderr
    assert result.stdout == ""
    for message in messages:
        assert message in result.stderr
