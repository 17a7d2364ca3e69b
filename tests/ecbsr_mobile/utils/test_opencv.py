"""An interrupt while OpenCV is imported, in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.helpers.commands import environment

CODE = """
import signal, sys
signal.signal({number}, signal.default_int_handler)
class InterruptsTheImport:
    def find_spec(self, name, path=None, target=None):
        if name == "cv2.version":
            print("importing", flush=True)
            signal.raise_signal({number})
sys.meta_path.insert(0, InterruptsTheImport())
try:
    {load}
except KeyboardInterrupt:
    print("interrupted")
"""


def output(load: str, number: signal.Signals) -> list[str]:
    code = CODE.format(load=load, number=int(number))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    return result.stdout.split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_during_the_import_is_not_lost(number: signal.Signals) -> None:
    assert output("from ecbsr_mobile.utils.opencv import opencv; opencv()", number) == ["importing", "interrupted"]


def test_opencv_itself_drops_an_interrupt() -> None:
    """If this fails, OpenCV has changed, and `opencv` can import it directly."""
    assert output("import cv2", signal.SIGINT) == ["importing"]
