"""What native code writes to file descriptor 2: information is dropped, everything else is passed on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ecbsr_mobile import tflite
from tests.helpers.commands import environment
from tests.helpers.terminal import on_terminal, stays
from tests.helpers.tflite_models import plain_network

INFO = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."

LOAD = """
import sys
import numpy as np
from ecbsr_mobile import tflite
from ecbsr_mobile.tflite import interpreter
from ecbsr_mobile.utils import progress
from ai_edge_litert.interpreter import Interpreter
data = open(sys.argv[1], "rb").read()
image = np.zeros((32, 48, 1), np.float32)
if len(sys.argv) > 2:
    Interpreter(model_content=data).allocate_tensors()
for _ in progress.bar([1, 2], "working"):
    interpreter.run(tflite.read(data), image)
"""

LINES = """
import os
from ecbsr_mobile.utils import native_messages
with native_messages.without_info():
    os.write(2, b"INFO: one\\nERROR: two\\nI0000 00:00:1788 1 file.cc:1] three\\nWARNING: four\\nno end")
os.write(2, b"\\nfive\\n")
"""

THREADS = """
import os, re, threading
from ecbsr_mobile.images import native
from ecbsr_mobile.utils import native_messages
begun, ended = threading.Event(), threading.Event()
def decode():
    with native.messages(re.compile(b"damaged\\n")):
        begun.set()
        os.write(2, b"damaged\\n")
        ended.wait(0.2)  # the other one waits for this, or ends meanwhile
decoding = threading.Thread(target=decode)
decoding.start()
begun.wait()
with native_messages.without_info():
    os.write(2, b"INFO: one\\n")
    ended.set()
    decoding.join(0.2)
decoding.join()
os.write(2, b"still there\\n")
"""


def model(folder: Path) -> str:
    path = folder / "model.tflite"
    path.write_bytes(tflite.write(plain_network("float32")))
    return str(path)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment(), check=True)


def test_the_runtime_is_quiet_in_a_pipe_and_on_a_terminal(tmp_path: Path) -> None:
    path = model(tmp_path)
    assert INFO in run("-c", LOAD, path, "unguarded").stderr, "the runtime no longer prints it: drop the filter"
    assert run("-c", LOAD, path).stderr == ""
    code, got, _ = on_terminal([sys.executable, "-c", LOAD, path])
    assert code == 0 and "INFO" not in got and stays(got) == []


def test_errors_and_warnings_are_passed_on() -> None:
    assert run("-c", LINES).stderr == "ERROR: two\nWARNING: four\nno end\nfive\n"


def test_what_two_threads_hold_back_at_once_leaves_standard_error_in_place() -> None:
    assert run("-c", THREADS).stderr == "still there\n"


def test_a_closed_standard_error_is_no_error() -> None:
    closed = "import os\nos.close(2)\n" + LINES.rpartition("os.write")[0]
    assert run("-c", closed).returncode == 0
