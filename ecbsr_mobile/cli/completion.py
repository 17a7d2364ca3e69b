"""`ecbsr completion`: what Tab completes in a shell, written by shtab from the parsers of all commands."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from .. import __version__
from . import common
from .paths import PathKind
from .scripts import MODULES, SCRIPTS
from .umbrella import SUMMARIES

SHELLS = ("bash", "zsh")

# Names, then files. shtab knows by `_file` in the name of a function that it completes paths.
_NAMES_OR_FILES = {
    "bash": '_ecbsr_{number}_or_file() {{ compgen -W "{names}" -- "$1"; compgen -f -- "$1"; }}',
    "zsh": "_ecbsr_{number}_or_file() {{ compadd {names}; _files; }}",
}
# ecbsr-export is completed as ecbsr export.
_BASH_SCRIPTS = """
_ecbsr_script() {{
  COMP_WORDS=(ecbsr "${{COMP_WORDS[0]##*/ecbsr-}}" "${{COMP_WORDS[@]:1}}")
  COMP_WORDS[1]="${{COMP_WORDS[1]#ecbsr-}}"
  COMP_CWORD=$((COMP_CWORD + 1))
  _shtab_ecbsr
}}
complete -o bashdefault -F _ecbsr_script {scripts}
"""


def main(argv: list[str] | None = None) -> int:
    """Print the completion script."""
    options = parser().parse_args(argv)
    common.print_line(completion(options.shell).rstrip())
    return common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    result = common.parser(
        "ecbsr-completion",
        "Print the completion script of a shell, for `ecbsr` (and, in bash, for the commands `ecbsr-…`).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='bash: eval "$(ecbsr completion bash)" in ~/.bashrc\n'
        'zsh:  eval "$(ecbsr completion zsh)" in ~/.zshrc, after compinit',
    )
    result.add_argument("shell", choices=SHELLS, help="the shell")
    return result


def completion(shell: str) -> str:
    """The completion script of a shell.

    Raises:
        ModuleNotFoundError: shtab is not installed.
    """
    import shtab

    root = argparse.ArgumentParser("ecbsr")
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers()
    lists: dict[tuple[str, ...], int] = {}
    for name, module in MODULES.items():
        own = import_module(module).parser()
        for action in own._actions:
            _set_completion(action, lists)
        commands.add_parser(name, parents=[own], add_help=False, help=SUMMARIES[name])
    functions = [_NAMES_OR_FILES[shell].format(number=number, names=" ".join(names)) for names, number in lists.items()]
    preamble: Any = {shell: "\n".join(functions)}
    text: str = shtab.complete(root, shell, preamble=preamble)
    if shell == "bash":
        text += _BASH_SCRIPTS.format(scripts=" ".join(f"ecbsr-{name}" for name in SCRIPTS))
    return text


def _set_completion(action: argparse.Action, lists: dict[tuple[str, ...], int]) -> None:
    """Let the shell complete the value of an argument that names a file or a folder; `lists` numbers lists of names."""
    import shtab

    kind = action.type
    if not isinstance(kind, PathKind):
        return
    if names := kind.names():
        function = f"_ecbsr_{lists.setdefault(names, len(lists))}_or_file"
        action.complete = dict.fromkeys(SHELLS, function)  # type: ignore[attr-defined]
    else:
        action.complete = shtab.FILE if kind.file else shtab.DIRECTORY  # type: ignore[attr-defined]
