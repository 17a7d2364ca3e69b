"""What every command line shares: exit codes, one-sentence errors, and where output goes.

Standard output carries only the result: a table, or one JSON document with `--json`. Progress, notices and errors go
to standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import shutil
import signal
import sys
import textwrap
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ..architecture import ACTIVATIONS
from ..errors import EcbsrError, OptionError
from ..utils import verbosity
from ..utils.extras import extra_of, how_to_install
from ..utils.progress import cleared
from ..utils.signals import INTERRUPTS
from ..utils.text import printable, to_utf8
from .parser import Parser, versions
from .scripts import typed_name

SCHEMA = 1
"""Version of the JSON documents that commands print or write; it rises when a key changes its meaning."""

DONE, FAILED = 0, 1

_RETRY_SECONDS = 0.02

_MAX_NAMED = 3  # files in a command that is printed

_NO_MEMORY = "not enough memory for this input; use a smaller one"
_EXHAUSTED = {
    "allocate memory": _NO_MEMORY,
    "Resource temporarily unavailable": "the system starts no more threads (ulimit -u); end other programs first",
}
"""What native libraries say, as a `RuntimeError`, of a machine that has nothing left."""


def run(main: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> NoReturn:
    """Call `main(argv)` and end the process with its exit code.

    An `EcbsrError` becomes one line on standard error and the error's exit code; so does running out of memory or
    disk space. Any other exception is a defect, and also becomes one line; `--verbose` adds its traceback. `INTERRUPTS`
    unwind the stack, so that context managers clean up, and end the process with 128 + the signal's number; in an
    import or a finalizer they take effect after it. When the reader of a pipe closes it early, the process ends without
    a message.
    """
    interrupts = [each for each in INTERRUPTS if signal.getsignal(each) != signal.SIG_IGN]
    for each in interrupts:
        signal.signal(each, _interrupt)
    sys.unraisablehook = _unraisable
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal or pipe cannot encode becomes a question mark.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    verbosity.set_level("normal")
    show_warnings_as_notices()
    program, start = typed_name(), time.monotonic()
    lines: list[str] = []
    try:
        code = main(argv) or DONE
        sys.stdout.flush()
        _notice_versions_and_cost(program, time.monotonic() - start)
    except EcbsrError as error:
        code, lines = error.exit_code, [error.with_flags() if isinstance(error, OptionError) else str(error)]
    except ModuleNotFoundError as error:
        code, lines = FAILED, _missing_module(error)
    except MemoryError:
        code, lines = FAILED, [_NO_MEMORY]
    except BrokenPipeError:
        code = FAILED
    except OSError as error:
        code, lines = FAILED, [os_error_message(error)]
    except KeyboardInterrupt as interrupt:
        number = int(interrupt.args[0]) if interrupt.args else int(signal.SIGINT)
        code, lines = 128 + number, [f"interrupted by {signal.Signals(number).name}"]
    except Exception as error:
        code, lines = FAILED, _exhausted(error) or _defect(error)
    for each in interrupts:
        signal.signal(each, lambda number, _frame: os._exit(128 + number))  # nothing is left to clean up
    if lines:
        lines[-1] = f"{program}: {lines[-1]}"
    for line in lines:
        problem(line)
    _give_up_unwritable_output()
    sys.exit(code)


def os_error_message(error: OSError) -> str:
    """The operating system's message for a failed file operation, with the file's name."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def notice(message: str) -> None:
    """Print one line for the user on standard error: a note or a sign of progress, which `--quiet` leaves out."""
    if not verbosity.is_quiet():
        problem(message)


def detail(message: str) -> None:
    """Print one line for the user on standard error with `--verbose`."""
    if verbosity.is_verbose():
        problem(message)


def problem(message: str) -> None:
    """Print one line for the user on standard error, also with `--quiet`: what failed, and why."""
    with suppress(OSError), cleared():  # a full disk, a reader or terminal that is gone must not end the work
        print(printable(message), file=sys.stderr, flush=True)


def print_line(text: str = "") -> None:
    """Print one or several lines on standard output, with `?` for control characters."""
    with cleared():
        print("\n".join(printable(line) for line in text.split("\n")), flush=True)


def print_wrapped(text: str, indent: str = "    ") -> None:
    """Print one line on standard output; on a terminal, its continuation lines are indented."""
    if sys.stdout.isatty():
        text = textwrap.fill(
            printable(text), shutil.get_terminal_size().columns, subsequent_indent=indent, break_on_hyphens=False,
            break_long_words=False,
        )  # fmt: skip
    print_line(text)


def command_line(command: str, *arguments: object) -> str:
    """A command of this project for a shell, as the running one was typed: `ecbsr-bench 'a model.tflite'`."""
    prefix, space, _ = typed_name().rpartition(" ")
    words = [f"./{text}" if text.startswith("-") and os.path.exists(text) else text for text in map(str, arguments)]
    return f"{prefix} {command} {shlex.join(words)}" if space else f"ecbsr-{command} {shlex.join(words)}"


def how_to_time(files: Sequence[str]) -> str:
    """The command that times `.tflite` files on this machine; of many files, one."""
    several = len(files) > _MAX_NAMED
    what = "one of them" if several else "them" if len(files) > 1 else "it"
    return f"time {what} here: {command_line('bench', *(files[:1] if several else files))}"


def report_failures(failures: Sequence[str], kind: str = "image") -> int:
    """List the files that could not be used, at the end of a command, and return its exit code."""
    if failures:
        problem(f"{len(failures)} {kind}{'s' * (len(failures) > 1)} could not be used:")
    for failure in failures:
        problem(f"  {failure}")
    return FAILED if failures else DONE


def show_warnings_as_notices() -> None:
    """Print each `UserWarning` of the library once, as a plain line on standard error."""
    warnings.simplefilter("always", UserWarning)  # "once" begins anew after each `catch_warnings`
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # our own sentences name the file
    shown: set[str] = set()

    def show(message: Warning | str, *_args: object, **_kwargs: object) -> None:
        text = " ".join(str(message).split())
        if text not in shown:
            shown.add(text)
            notice(f"note: {text}")

    warnings.showwarning = show


def print_json(document: Any) -> None:
    """Print one JSON object on standard output, with the key `schema` first.

    `document` is a mapping or a dataclass. Nested dataclasses become objects, paths become strings, and numbers that
    are not finite become null.
    """
    import msgspec

    fields = msgspec.json.decode(msgspec.json.encode(_utf8(msgspec.to_builtins(document, enc_hook=_plain))))
    with cleared():
        print(json.dumps({"schema": SCHEMA, **fields}, indent=2))


def parser(program: str, description: str, **options: Any) -> Parser:
    """The argument parser of a command (see `Parser`); the `type` of an argument that names a file is a `PathKind`."""
    return Parser(program, description, **options)


def add_weights_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for what a weights file does not record (see `checkpoint.load`)."""
    group = parser.add_argument_group("for files of other projects, which do not record this")
    group.add_argument("--identity", action=argparse.BooleanOptionalAction, default=None,
                       help="the blocks have an identity branch (default: as the answer to gray shows)")  # fmt: skip
    group.add_argument(
        "--range",
        type=int,
        choices=(1, 255, -1),
        help="the network's values are in [0, RANGE], or for -1 (.tflite only) in [-1, 1] (default: as the answer to "
        "gray shows, else by layout; .tflite: what gives the best image)",
    )
    group.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        help="activation of a file without slopes (default: relu, unless its answers show another)",
    )
    group.add_argument("--slope", type=float, help="slope of a fixed LeakyReLU, which has no weights (default: relu)")
    group.add_argument("--skip", dest="residual", action=argparse.BooleanOptionalAction, default=None,
                       help="the image is added to the result (default: as the answer to gray shows)")  # fmt: skip


def weights_options(options: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of `checkpoint.load` from the options of `add_weights_options`."""
    return {
        "identity": options.identity, "value_range": options.range, "activation": options.activation,
        "residual": options.residual, "slope": options.slope,
    }  # fmt: skip


def add_overwrite_option(parser: argparse._ActionsContainer) -> None:
    """Add `--overwrite` (see `files.check_outputs`)."""
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def _missing_module(error: ModuleNotFoundError) -> list[str]:
    extra = extra_of(error.name or "")
    return [f"needs {error.name}, which is not installed: {how_to_install(extra)}"] if extra else _defect(error)


def _defect(error: Exception) -> list[str]:
    """The lines about an exception that no user should see: its traceback where details are wanted, and a message."""
    lines = []
    if verbosity.is_verbose():
        lines = [versions(), *"".join(traceback.format_exception(error)).rstrip().split("\n")]
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = "" if verbosity.is_verbose() else "; --verbose shows where"
    return [*lines, f"unexpected error, a defect of this program ({' '.join(reason.split())}){hint}"]


def _notice_versions_and_cost(program: str, seconds: float) -> None:
    """With `--verbose`: what ran, how long, and how much memory this process took at most."""
    if not verbosity.is_verbose():
        return
    detail(versions())
    memory = ""
    with suppress(ImportError):  # Windows does not have it
        import resource

        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
        memory = f", {kilobytes / 1024:.0f} MB of memory at most"
    detail(f"{program}: {seconds:.1f} s{memory}")


def _open_closed_streams() -> None:
    """Let the null device stand for each standard stream that the caller closed (`>&-`).

    Otherwise the next file that is opened would become standard output, for this process and its children.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null == number:
                os.set_inheritable(null, True)
            else:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _give_up_unwritable_output() -> None:
    """Leave what cannot be written to a full disk or a closed pipe: Python would try again at exit, and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _exhausted(error: Exception) -> list[str]:
    """What the machine has none of, in a line; no line for another error."""
    return [said for sign, said in _EXHAUSTED.items() if isinstance(error, RuntimeError) and sign in str(error)]


def _utf8(value: Any) -> Any:
    """A document with the names of files as `to_utf8` writes them."""
    if isinstance(value, str):
        return to_utf8(value)
    if isinstance(value, dict):
        return {_utf8(key): _utf8(item) for key, item in value.items()}
    return [_utf8(item) for item in value] if isinstance(value, list | tuple) else value


def _plain(value: object) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):  # a subclass, such as NumPy's
        return float(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Inside an import, Python prints or drops some exceptions, and packages turn others into errors of their own.
    if _imports(frame):
        _interrupt_later(number)
        return
    raise KeyboardInterrupt(number)


def _interrupt_later(number: int) -> None:
    again = threading.Timer(_RETRY_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _unraisable(event: sys.UnraisableHookArgs) -> None:
    """Send an interrupt again that Python drops, because it came in a finalizer; others are shown as usual."""
    if isinstance(event.exc_value, KeyboardInterrupt):
        _interrupt_later(*event.exc_value.args or (signal.SIGINT,))
    else:
        sys.__unraisablehook__(event)


def _imports(frame: FrameType | None) -> bool:
    """Whether a frame is part of an import that the command has begun."""
    while frame is not None and frame.f_code is not run.__code__:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
