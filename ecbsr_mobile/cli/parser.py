"""The argument parser of every command.

A mistyped option, choice or path is refused with what was probably meant, before anything heavy is imported.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__
from ..errors import UsageError
from ..utils import verbosity
from ..utils.text import did_you_mean, printable
from .paths import PathKind
from .scripts import PYTHON_MODULE, typed_name


class Parser(argparse.ArgumentParser):
    """A parser with `--version`, `--quiet` and `--verbose`; options cannot be abbreviated.

    Misuse exits with code 2.
    """

    def __init__(self, program: str, description: str, *, levels: bool = True, **options: Any) -> None:
        """A parser without arguments of its own.

        Args:
            program: the name of the command, such as `ecbsr-upscale`; it is shown as it was typed.
            description: what the command does.
            levels: whether it has `--quiet` and `--verbose`.
            **options: those of `argparse.ArgumentParser`.
        """
        if typed_name().replace(PYTHON_MODULE, "ecbsr").replace(" ", "-") == program:
            program = typed_name()
        super().__init__(prog=program, description=description, allow_abbrev=False, **options)
        self._typed: list[str] = []
        self.add_argument("--version", action="version", version=f"{program} {__version__}")
        if not levels:
            return
        group = self.add_mutually_exclusive_group()
        group.add_argument("--quiet", action="store_true", help="no notes and no progress: errors and the result alone")
        group.add_argument("--verbose", action="store_true",
                           help="say more: versions, time, memory; the traceback of an unexpected error")  # fmt: skip

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """See `argparse`; sets the verbosity of the process, and refuses paths that do not exist.

        Raises:
            UsageError: a value is empty; see also `PathKind.check`.
            EcbsrError: see `PathKind.check`.
        """
        self._typed = list(sys.argv[1:] if args is None else args)
        options = super().parse_args(args, namespace)
        if hasattr(options, "quiet"):
            verbosity.set_level("quiet" if options.quiet else "verbose" if options.verbose else "normal")
        for action in self._actions:
            value = getattr(options, action.dest, None)
            texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
            # Such as that of a shell's variable that is not set: "" would be this folder.
            if "" in texts and value != action.default:
                name = action.option_strings[-1] if action.option_strings else action.metavar
                raise UsageError(f"{name} is empty; give it a value, or leave it out")
            if isinstance(action.type, PathKind):
                for text in texts:
                    action.type.check(text)
        return options

    def error(self, message: str) -> NoReturn:
        """Exit with code 2; an option that does not exist is shown with the one that was probably meant."""
        known = [option for option in self._option_string_actions if option.startswith("--")]
        options = self._typed[: self._typed.index("--")] if "--" in self._typed else self._typed
        names = [text.partition("=")[0] for text in options if text.startswith("--")]
        hints = []
        for name in dict.fromkeys(names):
            if name not in known and (hint := did_you_mean(name, known)):
                hints.append(hint if name in message else f"; {name} is not an option{hint}")
        super().error(printable(message + "".join(hints)))

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:  # `--help` or `--version`: argparse would not tell that it cannot be written
            file.write(message)
            file.flush()
        else:
            super()._print_message(message, file)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if value == []:  # nargs="*" without an argument
            return
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            hint = did_you_mean(str(value), [str(choice) for choice in action.choices or ()])
            raise argparse.ArgumentError(action, f"{error.message}{hint}") from None


class Joined(argparse.Action):
    """A list with commas that may be given in parts: `--size 270p --size 540p` is `--size 270p,540p`.

    Its default is None, or suppressed.
    """

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
        option_string: str | None = None,
    ) -> None:  # fmt: skip
        """See `argparse`."""
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, values if before is None else f"{before},{values}")


def versions() -> str:
    """The versions of this package, Python, the system, and those packages that are installed, on one line."""
    from importlib import metadata

    packages = []
    for package in ("ai-edge-litert", "numpy", "torch", "tensorflow"):
        try:
            packages.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    system = f"{platform.system()} {platform.machine()}"
    return ", ".join([f"ecbsr-mobile {__version__}", f"Python {platform.python_version()}", system, *packages])
