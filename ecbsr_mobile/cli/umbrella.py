"""`ecbsr`: all commands under one name."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from ..utils.text import did_you_mean
from . import common
from .scripts import MODULES

SUMMARIES = {
    "export": "convert weights to ONNX and TFLite: fp32, fp16, int8",
    "audit": "show which nodes of a .tflite each delegate supports",
    "bench": "time .tflite files on this machine and on Android phones",
    "page": "write a web page that runs .tflite files in any browser",
    "upscale": "enlarge pictures",
    "eval": "measure PSNR and SSIM of a model on folders of images",
    "train": "train a network on a folder of images",
    "models": "list the bundled models, or show the card of one",
    "completion": "print the completion script of a shell",
}
"""What each subcommand does, in one line."""


def main(argv: list[str] | None = None) -> int:
    """Print the list of commands; refuse a command that does not exist.

    Raises:
        UsageError: there is no such command.
    """
    command_parser = parser()
    options = command_parser.parse_args(argv)
    if options.command:
        hint = did_you_mean(options.command[0], MODULES)
        raise UsageError(f"no command is named {options.command[0]!r}; use one of {', '.join(MODULES)}{hint}")
    common.print_line(command_parser.format_help().rstrip())
    return common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def parser() -> argparse.ArgumentParser:
    """The command's parser; the options of a subcommand are those of its own parser."""
    commands = "\n".join(f"  {name:<{max(map(len, MODULES))}}  {SUMMARIES[name]}" for name in MODULES)
    result = common.parser(
        "ecbsr",
        "Super-resolution networks: from trained weights to milliseconds on a phone.",
        levels=False,
        usage="%(prog)s COMMAND …",
        epilog=f"commands:\n{commands}\n\n%(prog)s COMMAND --help lists the options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return result
