"""The entry points of all commands: Ctrl-C while their modules are imported ends them without a traceback."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

MODULES = {
    "export": "export.cli.export",
    "audit": "export.cli.audit",
    "bench": "android_bench.cli",
    "page": "android_bench.web_page.cli",
    "upscale": "ecbsr_mobile.cli.upscale",
    "eval": "ecbsr_mobile.cli.evaluate",
    "train": "ecbsr_mobile.cli.train",
    "models": "ecbsr_mobile.cli.models",
    "completion": "ecbsr_mobile.cli.completion",
}
"""The subcommands of `ecbsr`, in the order of its help, and the module of each, with `main`, `parser` and `script`."""

SCRIPTS = ("export", "audit", "bench", "upscale", "eval", "train")
"""Those that are also commands of their own, `ecbsr-export` and so on."""

UMBRELLA = "ecbsr_mobile.cli.umbrella"
PYTHON_MODULE = "python -m ecbsr_mobile"


def typed_name() -> str:
    """The command as it was typed: `ecbsr-upscale`, `ecbsr upscale` or `python -m ecbsr_mobile upscale`."""
    name = os.path.basename(sys.argv[0])
    return PYTHON_MODULE if name == "__main__.py" else name.removesuffix(".exe")


def _start(module: str) -> None:
    """Import the module of a command, which takes a moment, and call its `script`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else Ctrl-C is ignored: it stays so
        signal.signal(signal.SIGINT, lambda number, _frame: os._exit(128 + number))
    _import_packages_beside()
    import_module(module).script()


def _import_packages_beside() -> None:
    """Import our packages that have common names: `PYTHONPATH`, or `python -m` in a folder, may put others first."""
    for name in ("export", "android_bench"):
        spec = PathFinder.find_spec(name, [str(Path(__file__).parents[2])])
        if name not in sys.modules and spec is not None and spec.loader is not None:
            sys.modules[name] = module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])


def ecbsr() -> None:
    """`ecbsr COMMAND …`: what the command of that name does, under the name that was typed."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command not in MODULES:
        _start(UMBRELLA)
        return
    sys.argv[:2] = [f"{typed_name()} {command}"]
    _start(MODULES[command])


train = partial(_start, MODULES["train"])
evaluate = partial(_start, MODULES["eval"])
upscale = partial(_start, MODULES["upscale"])
export = partial(_start, MODULES["export"])
audit = partial(_start, MODULES["audit"])
bench = partial(_start, MODULES["bench"])
