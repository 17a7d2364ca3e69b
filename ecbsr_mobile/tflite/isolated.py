"""Run a model on this machine in a process of its own, which a damaged model can crash.

What goes in and comes out are the bytes of the tensors; see `image_io` for what they mean.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from ..errors import EcbsrError
from ..utils import subprocess_runner

WORKER = Path(__file__).with_name("isolated_worker.py")


def run(model: Path, values: bytes, folder: Path, limit: float, stop: threading.Event) -> bytes:
    """The output of a model for the stored input `values`; both are raw bytes. Temporary files go to `folder`.

    Raises:
        EcbsrError: the runtime fails on the model, or takes longer than `limit` seconds.
        Canceled: `stop` was set meanwhile.
    """
    source, target = folder / "isolated-input.bin", folder / "isolated-output.bin"
    source.write_bytes(values)
    command = [sys.executable, "-P", str(WORKER), str(model), str(source), str(target)]
    try:
        completed = subprocess_runner.run(command, limit, stop)
    except subprocess_runner.TimedOut:
        raise EcbsrError(f"the runtime of this machine did not run the model within {limit:g} s") from None
    if completed.code:
        raise EcbsrError("the runtime of this machine cannot run the model")
    return target.read_bytes()
