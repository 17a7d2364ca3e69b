"""The emulated arm64 of `benchmarks/arm64`, where it is set up, against the TFLite interpreter of this machine."""

from __future__ import annotations

import functools
import http.server
import lzma
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from ecbsr_mobile import images, zoo
from ecbsr_mobile.errors import EcbsrError
from export import tflite
from tests.helpers.paths import ROOT

SIZE = (97, 61)  # odd: the kernels' remainders are compared, too
ON_LINUX = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the emulator runs on Linux x86-64"
)


@pytest.fixture
def userland(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "arm64")
    import userland

    return userland


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, userland: ModuleType) -> Iterator[Path]:
    """A folder that is served in place of Debian's archive."""
    folder = tmp_path / "archive"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(userland, "ARCHIVE", f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()


@pytest.mark.slow
def test_an_int8_model_gives_the_same_bytes_on_an_emulated_core_with_dotprod(userland: ModuleType) -> None:
    if not userland.ready():
        pytest.skip("the emulated arm64 is not set up: python benchmarks/arm64/userland.py")
    width, height = SIZE
    model = tflite.write(tflite.at_size(tflite.read(zoo.tflite(zoo.DEFAULT)), width, height))
    cat = next(path for path in zoo.pictures() if path.stem == "chelsea")
    luma = images.round_to(images.luma(images.read(cat).rgb()), np.uint8)[20 : 20 + height, 30 : 30 + width]
    pixels = (luma ^ 0x80).view(np.int8)[None, :, :, None]
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    here = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    (result,) = userland.run(userland.CORES["A76"], [userland.Job(model, np.stack([pixels, pixels]))])

    assert len(np.unique(here)) > 50
    assert [there.tobytes() for there in result.outputs] == [here.tobytes()] * 2
    first, second = result.instructions
    assert abs(first - second) < 0.001 * first  # the same work twice
    # SDOT, the most that an A76 multiplies with one instruction, takes sixteen pairs of bytes.
    assert first > _products(tflite.read(model)) / 16


@ON_LINUX
def test_a_damaged_package_is_named_and_leaves_nothing(userland: ModuleType, archive: Path, tmp_path: Path) -> None:
    names = userland.PACKAGES["amd64"].split()
    index = archive / "dists" / userland.SUITE / "main" / "binary-amd64" / "Packages.xz"
    index.parent.mkdir(parents=True)
    stanzas = [f"Package: {name}\nVersion: 1\nFilename: some.deb\nSHA256: {'0' * 64}\n" for name in names]
    index.write_bytes(lzma.compress("\n".join(stanzas).encode()))
    (archive / "some.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(EcbsrError, match="qemu-user arrived damaged"):
        userland.set_up(lambda _: None, tmp_path / "userland")
    index.write_bytes(b"no index")
    with pytest.raises(EcbsrError, match=r"Packages\.xz arrived damaged"):
        userland.set_up(lambda _: None, tmp_path / "userland")
    index.unlink()
    with pytest.raises(EcbsrError, match=r"cannot fetch http.*Packages\.xz"):
        userland.set_up(lambda _: None, tmp_path / "userland")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_the_command_says_what_it_does_not_know() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "arm64" / "measure.py"), "--core", "A99"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "measure.py: core 'A99' is not known; use one of A53, A55, A76, A710\n"


def _products(graph: tflite.Graph) -> int:
    """How many multiplications the graph's plain convolutions hold."""
    nodes = [node for node in graph.nodes if node.operator == "CONV_2D"]
    shapes = [(graph.tensors[node.inputs[1]].shape, graph.tensors[node.outputs[0]].shape) for node in nodes]
    return sum(int(np.prod(weight)) * result[1] * result[2] for weight, result in shapes)
