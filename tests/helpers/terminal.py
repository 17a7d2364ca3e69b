"""Commands on a pseudo terminal, as a user sees them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence

from tests.helpers.commands import environment

_PIECES = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|[\r\n])|([^\x1b\r\n]+)")
"""A control sequence, or text: the terminal turns a line end of a program into CR and LF."""


def on_terminal(command: Sequence[str], columns: int = 80, *, pipe_result: bool = False) -> tuple[int, str, str]:
    """Run a command with a terminal as its standard error and, unless `pipe_result`, its standard output.

    Returns the exit code, everything that the terminal got, and the standard output if that was a pipe.
    """
    device, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {name: value for name, value in environment().items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if pipe_result else terminal,
        stderr=terminal,
        env={**env, "TERM": "xterm"},
    )
    os.close(terminal)
    got = b""
    while True:
        try:
            part = os.read(device, 65536)
        except OSError:  # the last writer closed it
            break
        if not part:
            break
        got += part
    os.close(device)
    result = process.stdout.read().decode() if process.stdout else ""
    return process.wait(), got.decode(), result


def stays(got: str) -> list[str]:
    """The lines that stay on a terminal of any height, without those that are blank."""
    lines, row, column = [""], 0, 0
    for control, text in _PIECES.findall(got):
        if text:
            lines[row] = lines[row].ljust(column)[:column] + text + lines[row][column + len(text) :]
            column += len(text)
        elif control == "\r":
            column = 0
        elif control == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif control == "\x1b[2K":
            lines[row] = ""
        elif control.endswith("A"):
            row -= int(control[2:-1])
    return [line.rstrip() for line in lines if line.strip()]
