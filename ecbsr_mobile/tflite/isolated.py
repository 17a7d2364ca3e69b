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


def run(model: bytes, values: bytes, limit: float, stop: threading.Event) -> bytes:
    """The output of a `.tflite` for the stored input `values`; both are raw bytes.

    Raises:
        EcbsrError: the runtime fails on the model, or takes longer than `limit` seconds.
        Canceled: `stop` was set meanwhile.
    """
    command = [sys.executable, "-P", str(WORKER), str(len(model))]
    try:
        completed = subprocess_runner.run(command, limit, stop, content=model + values)
    except subprocess_runner.TimedOut:
        raise EcbsrError(f"the runtime of this machine did not run the model within {limit:g} s") from None
    if completed.code:
        raise EcbsrError("the runtime of this machine cannot run the model")
    return completed.out
