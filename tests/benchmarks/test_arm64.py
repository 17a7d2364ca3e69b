"""`benchmarks/arm64`: the emulated cores against the TFLite interpreter of this machine, and failed installations."""

from __future__ import annotations

import functools
import hashlib
import http.server
import lzma
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from ecbsr_mobile import images, tflite, zoo
from ecbsr_mobile.errors import EcbsrError, UsageError

SIZE = (97, 61)  # odd, so that the remainder loops of the kernels run, too
ON_LINUX = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the emulator runs on Linux x86-64"
)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is served in place of Debian's archive."""
    import userland

    folder = tmp_path / "archive"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(userland, "ARCHIVE", f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()


@pytest.mark.slow
def test_an_int8_model_gives_the_same_bytes_on_an_emulated_core_with_dotprod() -> None:
    import emulator
    import userland

    if not userland.installed():
        pytest.skip("the emulated arm64 is not installed: python benchmarks/arm64/userland.py")
    width, height = SIZE
    model = tflite.write(tflite.at_size(tflite.read(zoo.tflite(zoo.DEFAULT)), width, height))
    cat = next(path for path in zoo.pictures() if path.stem == "chelsea")
    luma = images.round_to(images.luma(images.read(cat).rgb()), np.uint8)[20 : 20 + height, 30 : 30 + width]
    pixels = (luma ^ 0x80).view(np.int8)[None, :, :, None]
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    (result,) = emulator.run(emulator.CORES["A76"], [emulator.Job(model, np.stack([pixels, pixels]))])

    assert len(np.unique(expected)) > 50
    assert [output.tobytes() for output in result.outputs] == [expected.tobytes()] * 2
    first, second = result.instructions
    assert abs(first - second) < 0.001 * first  # twice the same work
    # SDOT, the widest multiplication of an A76, computes 16 products per instruction.
    assert first > _products(tflite.read(model)) / 16


@pytest.fixture
def sign(
    archive: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Lists the archive's index in a file that is signed by a key of the test."""
    import userland

    if not shutil.which("gpg") or not shutil.which("gpgv"):
        pytest.skip("needs gpg and gpgv")
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--yes", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-generate-key", "test@example.org", "ed25519", "sign"], check=True)
    subprocess.run([*gpg, "--output", str(home / "keyring.gpg"), "--export"], check=True)
    monkeypatch.setattr(userland, "KEYRING", home / "keyring.gpg")

    def signed() -> None:
        suite = archive / "dists" / userland.SUITE
        names = [path.relative_to(suite) for path in suite.rglob("Packages.xz")]
        lines = [f" {hashlib.sha256((suite / name).read_bytes()).hexdigest()} 1 {name}" for name in names]
        (home / "Release").write_text("SHA256:\n" + "\n".join(lines) + "\n")
        subprocess.run([*gpg, "--output", str(suite / "InRelease"), "--clearsign", str(home / "Release")], check=True)

    return signed


@ON_LINUX
def test_a_list_without_the_signature_of_debian_is_refused(
    archive: Path, sign: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import userland

    index = archive / "dists" / userland.SUITE / "main" / "binary-amd64" / "Packages.xz"
    index.parent.mkdir(parents=True)
    index.write_bytes(lzma.compress(b""))
    sign()
    index.write_bytes(lzma.compress(b"Package: qemu-user\n"))
    with pytest.raises(EcbsrError, match=r"Packages\.xz is not the file that Debian's signed list names"):
        userland.install(lambda _: None, tmp_path / "userland")
    release = index.parents[2] / "InRelease"
    release.write_text(release.read_text().replace("Packages", "packages"))
    with pytest.raises(EcbsrError, match="gpgv failed"):
        userland.install(lambda _: None, tmp_path / "userland")
    monkeypatch.setattr(userland, "KEYRING", tmp_path / "none")
    with pytest.raises(EcbsrError, match="apt-get install gpgv debian-archive-keyring"):
        userland.install(lambda _: None, tmp_path / "userland")


@ON_LINUX
def test_a_damaged_package_is_named_and_leaves_no_files(
    archive: Path, sign: Callable[[], None], tmp_path: Path
) -> None:
    import userland

    names = userland.PACKAGES["amd64"].split()
    index = archive / "dists" / userland.SUITE / "main" / "binary-amd64" / "Packages.xz"
    index.parent.mkdir(parents=True)
    stanzas = [f"Package: {name}\nVersion: 1\nFilename: some.deb\nSHA256: {'0' * 64}\n" for name in names]
    index.write_bytes(lzma.compress("\n".join(stanzas).encode()))
    (archive / "some.deb").write_bytes(b"!<arch>\n")
    sign()
    with pytest.raises(EcbsrError, match="qemu-user arrived damaged"):
        userland.install(lambda _: None, tmp_path / "userland")
    index.write_bytes(b"no index")
    sign()
    with pytest.raises(EcbsrError, match=r"Packages\.xz arrived damaged"):
        userland.install(lambda _: None, tmp_path / "userland")
    index.unlink()
    with pytest.raises(EcbsrError, match=r"cannot fetch http.*Packages\.xz"):
        userland.install(lambda _: None, tmp_path / "userland")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_an_unknown_core_or_model_is_refused() -> None:
    import measure

    with pytest.raises(UsageError, match="core 'A99' is not known; use one of A53, A55, A76, A710"):
        measure.main(["--core", "A99"])
    with pytest.raises(UsageError, match="model 'none' is not known; use one of ecbsr-m10c16-x2"):
        measure.main(["--model", "none"])


def _products(graph: tflite.Graph) -> int:
    """The number of multiplications in the graph's CONV_2D nodes."""
    nodes = [node for node in graph.nodes if node.operator == "CONV_2D"]
    shapes = [(graph.tensors[node.inputs[1]].shape, graph.tensors[node.outputs[0]].shape) for node in nodes]
    return sum(int(np.prod(weight)) * output[1] * output[2] for weight, output in shapes)
