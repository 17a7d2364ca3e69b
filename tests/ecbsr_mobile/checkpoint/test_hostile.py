"""Files that are no weights, lie about their sizes, or were mutated: one sentence, at once, in little memory."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import subprocess
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ecbsr_mobile import EcbsrError, load, zoo
from ecbsr_mobile.checkpoint import pickles
from export.convert.onnx_builder import onnx_model
from tests.helpers.checkpoints import corpus, hostile, mutated, saved, some_net
from tests.helpers.paths import ROOT


def archive(names: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as written:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in names.items():
            written.writestr(name, data)
            if "twice" in name:
                written.writestr(name, data)
    return file.getvalue()


def torch_script() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(1, 4, 3), nn.PReLU())), file)
    return file.getvalue()


def quantized() -> bytes:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant, self.conv3x3 = torch.ao.quantization.QuantStub(), nn.Conv2d(1, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv3x3(self.quant(x))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao is deprecated
        net = Net().eval()
        net.qconfig = torch.ao.quantization.get_default_qconfig("fbgemm")
        torch.ao.quantization.prepare(net, inplace=True)(torch.rand(1, 1, 8, 8))
        return saved(torch.ao.quantization.convert(net).state_dict())


def legacy_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as written:
        for name in ("sys_info", "pickle", "tensors"):
            written.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


OTHERS = {
    "TorchScript": (torch_script, "TorchScript.*torch.jit.load"),
    "torch.ao": (quantized, "torch.ao quantized"),
    "ONNX": (lambda: onnx_model(some_net().collapse()).SerializeToString(), "ONNX model"),
    "ONNX of another producer": (
        lambda: onnx.helper.make_model(onnx.GraphProto(), producer_name="pytorch").SerializeToString(), "ONNX model",
    ),
    "TFLite": (lambda: zoo.tflite("ecbsr-m4c16-x2").read_bytes(), "TFLite model"),
    "Keras": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "Keras or HDF5"),
    "Keras 3": (lambda: archive({"config.json": b"{}", "model.weights.h5": b""}), "Keras model"),
    "NumPy": (npy, "NumPy array"),
    "NumPy archive": (lambda: archive({"a.npy": npy()}), "NumPy arrays"),
    "safetensors of another network": (
        lambda: zoo.weights("ecbsr-m4c16-x2").read_bytes().replace(b'"convs.1.weight', b'"layer.1.norm_w'),
        "layer.*known layout",
    ),
    "old tar": (legacy_tar, "before 0.2"),
    "LFS": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
    "web page": (lambda: b"\n<!DOCTYPE html><html><title>404</title></html>", "web page"),
    "message": (lambda: b'{"error": "quota"}', "web page"),
    "text": (lambda: b"Access denied. Log in first.\n" * 9, "text file"),
    "gzip": (lambda: gzip.compress(saved({})), "gzip"),
    "zip of weights": (lambda: archive({"w.pth": saved({})}), "did not write"),
    "two files of a name": (lambda: archive({"w/data.pkl": b"N.", "w/twice": b""}), "same name"),
    "bzip2 inside": (lambda: archive({"w/data.pkl": b"N." * 9}, zipfile.ZIP_BZIP2), "compressed in a way"),
    "zeros": (lambda: bytes(5000), "begins with zeros"),
    "empty": (lambda: b"", "is empty"),
    "a pickled model": (lambda: saved(nn.Conv2d(1, 1, 1)), r"holds a torch.nn.modules.conv.Conv2d and no state dict"),
    "a model by name": (lambda: saved({"model": nn.Conv2d(1, 1, 1)}), r"holds a torch.nn.modules.conv.Conv2d and no"),
    "a damaged archive": (lambda: b"PK\x03\x04nothing", "damaged or truncated"),
    "a damaged pickle": (lambda: b"\x80\x02junk", "damaged or truncated"),
    "plain pickle": (lambda: b"\x80\x02}X\x01\0\0\0aK\x01s.", "torch.save did not write"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(OTHERS))
def test_it_is_called_what_it_is(tmp_path: Path, kind: str) -> None:
    make, message = OTHERS[kind]
    (tmp_path / "w.pth").write_bytes(make())
    with pytest.raises(EcbsrError, match=message) as raised:
        load(tmp_path / "w.pth")
    sentence = str(raised.value)
    assert "\n" not in sentence and sentence.isprintable() and len(sentence) < 400


def test_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(EcbsrError, match="no regular file"):
            load(path)


HOSTILE = hostile()


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_hostile_files_are_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "w.pth").write_bytes(HOSTILE[kind]())
    with pytest.raises(EcbsrError) as raised:
        load(tmp_path / "w.pth")
    sentence = str(raised.value)
    assert "\n" not in sentence and sentence.isprintable() and len(sentence) < 400


_LOAD_ALL = """
import re, sys
from pathlib import Path
from ecbsr_mobile import EcbsrError, load
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        load(path)
    except EcbsrError:
        pass
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory that a process took is read from /proc")
def test_hostile_files_take_little_memory(tmp_path: Path) -> None:
    for number, make in enumerate(HOSTILE.values()):
        (tmp_path / f"{number}.pth").write_bytes(make())
    done = subprocess.run([sys.executable, "-c", _LOAD_ALL, tmp_path], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1_000_000  # kilobytes, PyTorch included


FILES = list(corpus().items())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(file=st.sampled_from(FILES), seed=st.integers(0, 2**32))
def test_mutated_files_give_a_network_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[str, bytes], seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.pth"
    path.write_bytes(mutated(file[1], seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            load(path)
        except EcbsrError as error:
            assert str(error).isprintable()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.binary(max_size=60))
def test_any_bytes_as_a_pickle(data: bytes) -> None:
    with contextlib.suppress(EcbsrError):
        list(pickles.walk(pickles.decode(io.BytesIO(data))))


def test_reported_files(cases: Path) -> None:
    for name in ("selfref.pth", "stride0_1e9.pth", "meta.pth", "br_zero.safetensors", "bigindex5000.safetensors"):
        with pytest.raises(EcbsrError):
            load(cases / "hostile" / name)
