"""The entry points of all commands: Ctrl-C while their modules are imported ends them without a traceback."""

from __future__ import annotations

import os
import signal
from functools import partial
from importlib import import_module


def _start(module: str) -> None:
    """Import the module of a command, which takes a moment, and call its `script`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else Ctrl-C is ignored: it stays so
        signal.signal(signal.SIGINT, lambda number, _frame: os._exit(128 + number))
    import_module(module).script()


train = partial(_start, "ecbsr_mobile.cli.train")
evaluate = partial(_start, "ecbsr_mobile.cli.evaluate")
upscale = partial(_start, "ecbsr_mobile.cli.upscale")
export = partial(_start, "export.cli.export")
audit = partial(_start, "export.cli.audit")
bench = partial(_start, "android_bench.cli")
