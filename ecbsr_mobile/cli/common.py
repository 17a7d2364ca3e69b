"""What every command line shares: exit codes, sentences instead of tracebacks, and where output goes.

Standard output carries the result alone (a table, or one JSON document with ``--json``); progress,
notices and errors go to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from ..errors import EcbsrError

# What each extra of setup.cfg installs that a command may miss.
_EXTRAS = {
    **dict.fromkeys(("torch", "safetensors", "cv2", "matplotlib", "tensorboardX", "pytorch_optimizer"), "train"),
    **dict.fromkeys(("onnx", "onnxruntime", "onnx2tf", "tensorflow", "tf_keras"), "export"),
}

DONE, FAILED, MISUSE = 0, 1, 2


def run(main: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> NoReturn:
    """Call ``main(argv)`` and leave the process with its exit code.

    An `EcbsrError` becomes one line on standard error and its exit code; running out of memory or of
    disk does too. An interrupt (Ctrl-C, SIGTERM) unwinds the stack, so that context managers clean
    up, then ends with 128 + the signal's number. A reader that closes the pipe early ends the process
    quietly.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that cannot show a character gets a question mark, not an error.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    program = os.path.basename(sys.argv[0])
    try:
        code = main(argv) or DONE
        sys.stdout.flush()
    except EcbsrError as error:
        code = _say(program, str(error), error.exit_code)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        code = _say(program, f"needs {error.name}, which is not installed: pip install 'ecbsr-mobile[{extra}]'", FAILED)
    except MemoryError:
        code = _say(program, "not enough memory for this input; use a smaller one", FAILED)
    except BrokenPipeError:
        # Python would complain again when it flushes standard output on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except OSError as error:
        code = _say(program, os_sentence(error), FAILED)
    except KeyboardInterrupt as interrupt:
        number = int(interrupt.args[0]) if interrupt.args else int(signal.SIGINT)
        code = _say(program, f"interrupted by {signal.Signals(number).name}", 128 + number)
    sys.exit(code)


def os_sentence(error: OSError) -> str:
    """The system's own words for a failed file operation, with the file's name."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def notice(message: str) -> None:
    """One line to the person at the terminal, on standard error."""
    print(message, file=sys.stderr, flush=True)


def show_warnings_as_notices() -> None:
    """Let a library's `warnings.warn` reach a command's user as a plain line, each once."""
    warnings.simplefilter("once", UserWarning)
    warnings.showwarning = lambda message, *_args, **_kwargs: notice(f"note: {message}")


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(header: Iterable[str], rows: Iterable[Iterable[object]], title: str = "") -> None:
    """A text table on standard output; the first column is left-aligned, the others right-aligned.

    Cells may hold any text: nothing in them is read as mark-up. Lines are never folded, so that the
    output of a pipe can be searched.
    """
    head = [str(cell) for cell in header]
    body = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [head, *body]) for column in range(len(head))]

    def line(cells: list[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return "  ".join([first, *rest]).rstrip()

    if title:
        print(title)
    print(line(head))
    print("  ".join("-" * width for width in widths))
    for cells in body:
        print(line(cells))


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """An argument parser in the style of all our commands (exit code 2 on misuse is argparse's own)."""
    return argparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)


def add_weights_options(parser: argparse.ArgumentParser) -> None:
    """Add what a weights file does not say of itself (see `checkpoint.load`)."""
    group = parser.add_argument_group("what weights files of others do not say")
    group.add_argument("--identity", action=argparse.BooleanOptionalAction, default=None,
                       help="blocks add their input (default: no)")  # fmt: skip
    group.add_argument("--range", type=int, choices=(1, 255), help="values that the network works on (by layout)")
    group.add_argument("--activation", choices=("prelu", "relu", "leaky"), help="where the file holds no slopes (relu)")


def weights_options(options: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of `checkpoint.load` from the options of `add_weights_options`."""
    return {"identity": options.identity, "value_range": options.range, "activation": options.activation}


def _say(program: str, message: str, code: int) -> int:
    print(f"{program}: {message}", file=sys.stderr, flush=True)
    return code


def _interrupt(number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt(number)
