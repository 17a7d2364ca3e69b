from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import psutil
import pytest

import ecbsr_mobile
from ecbsr_mobile import Picture, checkpoint, images, zoo
from ecbsr_mobile.errors import EcbsrError, UsageError
from export import recipe as recipes
from export import tflite
from export.convert import onnx_to_tflite
from export.pipeline import export
from export.validation import sample_images
from tests.helpers import networks
from tests.helpers.networks import net, use_graph
from tests.helpers.paths import ROOT


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of the small luma network take the graph that TensorFlow made of it before."""
    use_graph(monkeypatch, networks.graph(1, 2, "prelu"))


def command(*arguments: object, **options: object) -> list[str]:
    code = "import sys; sys.argv[0] = 'ecbsr-export'; from export.cli.export import script; script()"
    return [sys.executable, "-c", code, *map(str, arguments)]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """What a user gets of all formats, from an empty folder."""
    folder, temporary = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("tmp")
    asked = ("--onnx", "--fp32", "--fp16", "--int8", "--size", "97x55,33x20", "--out", "made", "--json")
    result = subprocess.run(command(*asked), cwd=folder, env=environment(temporary), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in folder.iterdir()] == ["made"]
    assert not list(temporary.iterdir())
    return folder, json.loads(result.stdout)


@pytest.mark.slow
def test_command_says_what_it_wrote(exported: tuple[Path, dict]) -> None:
    folder, told = exported
    assert told["model"] == {
        "name": "ecbsr-m4c16-x2", "blocks": 4, "channels": 16, "scale": 2, "colors": 1, "activation": "prelu",
        "parameters": ecbsr_mobile.load(zoo.DEFAULT).parameters_count,
    }  # fmt: skip
    names = {path.name for path in (folder / "made").iterdir()}
    assert names == {Path(file["path"]).name for file in told["files"]}
    assert names == {
        "ecbsr-m4c16-x2.onnx",
        *(
            f"ecbsr-m4c16-x2-{kind}-{size}.tflite"
            for kind in ("fp32", "fp16", "int8-cpu")
            for size in ("97x55", "33x20")
        ),
    }
    for file in told["files"]:
        assert file["bytes"] == (folder / file["path"]).stat().st_size


@pytest.mark.slow
def test_written_files_give_what_onnxruntime_gives(exported: tuple[Path, dict], random) -> None:
    folder, told = exported
    session = onnxruntime.InferenceSession(folder / "made" / "ecbsr-m4c16-x2.onnx")
    from ai_edge_litert.interpreter import Interpreter

    for file in told["files"]:
        if file["format"] != "tflite":
            continue
        width, height = file["size"]
        pixels = images.luma(images.read(zoo.pictures()[0]).rgb())[:height, :width].round().astype(np.uint8)
        expected = session.run(None, {"image": pixels[None, None].astype(np.float32) / 255})[0][0, 0]
        runner = Interpreter(str(folder / file["path"])).get_signature_runner("serving_default")
        if file["precision"] == "int8":
            result = runner(image=(pixels ^ 0x80).view(np.int8)[None, :, :, None])["upscaled"][0, :, :, 0]
            error = ((result.view(np.uint8) ^ 0x80) / 255.0) - np.clip(expected, 0, 1)
            assert np.sqrt(np.mean(error**2)) < 2.5 / 255
        else:
            error = runner(image=pixels[None, :, :, None].astype(np.float32) / 255)["upscaled"][0, :, :, 0] - expected
            assert np.abs(error).max() < (1e-5 if file["precision"] == "fp32" else 2e-3)


@pytest.mark.slow
def test_loss_audit_and_recipe(exported: tuple[Path, dict]) -> None:
    folder, told = exported
    for file in told["files"][1:]:
        data = (folder / file["path"]).read_bytes()
        recipe = recipes.read(tflite.read(data))
        assert recipe["model"] == told["model"]
        assert recipe["size"] == file["size"]
        assert recipe["precision"] == file["precision"]
        assert recipe["loss"]["psnr_drop_db"] == file["psnr_drop_db"] <= 0.3
        assert recipe["versions"]["onnx2tf"]
        assert len(recipe["weights"]["sha256"]) == 64
        xnnpack = file["audit"]["xnnpack"]
        assert (xnnpack["taken"], xnnpack["partitions"], xnnpack["refused"]) == (xnnpack["total"], 1, [])
        assert file["invariants"] == []
        allowed = {"CONV_2D", "ADD", "DEPTH_TO_SPACE"}
        allowed |= {"int8": {"DEPTHWISE_CONV_2D"}, "fp16": {"PRELU", "DEQUANTIZE"}}.get(file["precision"], {"PRELU"})
        assert set(file["operators"]) == allowed
        if file["precision"] == "int8":
            assert recipe["calibration"]["method"] == "learned in training"
            assert file["input"] == file["output"]
            assert file["input"]["dtype"] == "int8" and file["input"]["zero_point"] == -128
            assert file["fidelity_db"] > 45


@pytest.mark.slow
def test_same_input_gives_same_bytes(ready, tmp_path: Path) -> None:
    first, second = (export(net(1, 2, "prelu"), tmp_path / name, sizes=["40x30"], refine=0) for name in ("a", "b"))
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]


@pytest.mark.slow
def test_every_target_and_edge(ready, tmp_path: Path) -> None:
    for target, io in (("gpu", "uint8"), ("npu", "float32")):
        done = export(net(1, 2, "prelu"), tmp_path, ["int8"], ["40x30"], target, io=io, refine=0)
        recipe = recipes.read(tflite.read(done.files[0].path.read_bytes()))
        assert recipe["calibration"]["pictures"] == [path.name for path in zoo.pictures()]
        assert done.files[0].path.name == f"ecbsr-m2c8-x2-int8-{target}-40x30.tflite"
        assert done.files[0].operators["PRELU"] == 3
        assert done.files[0].input["dtype"] == io


def without(graph: tflite.Graph, kind: str) -> tflite.Graph:
    """A graph with one thing wrong, as converters have got it wrong."""
    tensors = list(graph.tensors)
    first = next(node for node in graph.nodes if node.operator == "CONV_2D" and tensors[node.inputs[1]].shape[1] == 3)
    last = graph.nodes[-2].inputs[0]
    if kind == "a bias":
        tensors[first.inputs[2]] = replace(
            tensors[first.inputs[2]], data=tensors[first.inputs[2]].data + np.float32(1e-3)
        )
    elif kind == "the order of sub-pixels":
        node = next(node for node in graph.nodes if last in node.outputs)
        for index in node.inputs[1:]:
            tensors[index] = replace(tensors[index], data=np.ascontiguousarray(tensors[index].data[::-1]))
    else:
        return replace(graph, nodes=graph.nodes[:-1], outputs=graph.nodes[-1].inputs[:1], signature=None)
    return replace(graph, tensors=tuple(tensors))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a bias", "the order of sub-pixels", "the shuffle"])
def test_a_converter_that_is_wrong_is_caught(kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_graph(monkeypatch, without(networks.graph(1, 2, "prelu"), kind))
    with pytest.raises(EcbsrError, match="the conversion went wrong, so nothing was written"):
        export(net(1, 2, "prelu"), tmp_path / "out", ["fp32"], ["40x30"])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["weights", "a shape"])
def test_a_further_size_that_is_wrong_is_caught(ready, kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stamp = tflite.at_size

    def wrong(graph: tflite.Graph, width: int, height: int) -> tflite.Graph:
        stamped = stamp(graph, width, height)
        if (width, height) != (50, 30):
            return stamped
        if kind == "weights":
            return without(stamped, "a bias")
        middle = stamped.nodes[2].outputs[0]
        tensors = list(stamped.tensors)
        tensors[middle] = replace(tensors[middle], shape=(1, 30, 51, 8))
        return replace(stamped, tensors=tuple(tensors))

    monkeypatch.setattr(tflite, "at_size", wrong)
    with pytest.raises(EcbsrError, match=r"fp32-50x30.*so nothing was written"):
        export(net(1, 2, "prelu"), tmp_path / "out", ["fp32"], ["40x30", "50x30"])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_loss_above_the_limit_leaves_nothing(tmp_path: Path) -> None:
    asked = ("--int8", "--max-drop", "0.001", "--size", "33x20", "--out", "made", "--json")
    result = subprocess.run(command(*asked), cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.search(r"ecbsr-m4c16-x2 in int8 loses \d\.\d\d dB .* more than the 0.001 dB allowed", result.stderr)
    assert not list(tmp_path.iterdir())


def test_onnx_alone_needs_no_tensorflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def converter():
        raise AssertionError("the converter was started")

    monkeypatch.setattr(onnx_to_tflite, "converter", converter)
    done = export(net(3, 4, "relu"), tmp_path, [], onnx=True)
    assert [path.name for path in tmp_path.iterdir()] == ["ecbsr-m2c8-rgb-relu-x4.onnx"]
    assert done.files[0].size is None and done.files[0].max_abs_error < 1e-5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"precisions": ["int4"]}, "precision 'int4' is not known"),
        ({"precisions": []}, "nothing to write"),
        ({"sizes": ["0x5"]}, "size '0x5' is not known"),
        ({"sizes": ["540"]}, "size '540' is not known"),
        ({"sizes": []}, "no size was asked for"),
        ({"target": "tpu"}, "target 'tpu' is not known"),
        ({"io": "int16"}, "io 'int16' is not known"),
        ({"refine": -1}, "-1 seconds of refining make no sense"),
        ({"max_drop": -1}, "a largest drop of -1 dB makes no sense"),
        ({"max_drop": float("nan")}, "a largest drop of nan dB makes no sense"),
        ({"value_range": 255}, "belong to a weights file"),
    ],
)
def test_misuse(arguments: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        export(net(1, 2, "relu"), tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["missing", "empty", "damaged", "tiny"])
def test_calibration_pictures_that_cannot_be_used(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    if kind != "missing":
        folder.mkdir()
    if kind == "damaged":
        (folder / "a.png").write_bytes(zoo.pictures()[0].read_bytes()[:200])
    if kind == "tiny":
        images.write(Picture(np.zeros((20, 90, 3), np.uint8)), folder / "a.png")
    said = {"missing": "no such folder", "empty": "contains no image", "damaged": "a.png", "tiny": "at least 64x64"}[
        kind
    ]
    with pytest.raises(EcbsrError, match=said):
        sample_images.samples(folder, 2, 1)


def test_grey_deep_and_large_pictures_become_samples(tmp_path: Path, random) -> None:
    images.write(Picture(random.integers(0, 256, (70, 101, 1), np.uint8)), tmp_path / "grey.png")
    images.write(Picture(random.integers(0, 65536, (64, 64, 3), np.uint16)), tmp_path / "deep.png")
    images.write(Picture(random.integers(0, 256, (900, 1400, 3), np.uint8)), tmp_path / "large.png")
    for colors in (1, 3):
        found = sample_images.samples(tmp_path, 3, colors)
        assert [sample.name for sample in found] == ["deep.png", "grey.png", "large.png"]
        assert [sample.lr.shape for sample in found] == [(21, 21, colors), (23, 33, colors), (256, 256, colors)]
        assert [sample.hr_luma.shape for sample in found] == [(63, 63), (69, 99), (768, 768)]


def test_bad_weights_and_folders_end_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "file").write_text("")
    with pytest.raises(EcbsrError, match="empty"):
        export(tmp_path / "empty.pth", tmp_path)
    with pytest.raises(EcbsrError, match="no such file"):
        export(tmp_path / "none.pth", tmp_path)
    with pytest.raises(EcbsrError, match="is a file; choose another folder"):
        export(net(1, 2, "relu"), tmp_path / "file" / "out")


def test_weights_file_options_reach_the_loader(tmp_path: Path) -> None:
    checkpoint.save(net(1, 3, "leaky"), tmp_path / "mine.safetensors")
    done = export(tmp_path / "mine.safetensors", tmp_path / "out", [], onnx=True)
    assert done.model["activation"] == "leaky"
    with pytest.raises(UsageError, match="value_range"):
        export(tmp_path / "mine.safetensors", tmp_path / "out", [], onnx=True, value_range=255)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    work, temporary = tmp_path / "work", tmp_path / "tmp"
    work.mkdir(), temporary.mkdir()
    process = subprocess.Popen(
        command("--int8", "--out", "made"), cwd=work, env=environment(temporary), stderr=subprocess.PIPE, text=True
    )
    said = process.stderr.readline()
    assert "converting" in said
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    rest = process.stderr.read()
    assert process.wait(60) == 128 + number
    assert f"interrupted by {number.name}" in rest and "Traceback" not in rest
    deadline = time.monotonic() + 20
    while any(child.is_running() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(child.is_running() for child in children)
    assert not list(work.iterdir()) and not list(temporary.iterdir())


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    result = subprocess.run(
        command("--onnx", "--out", "made"),
        cwd=tmp_path, env={**environment(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}, preexec_fn=limit,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (1, "")
    assert "cannot write made/ecbsr-m4c16-x2.onnx" in result.stderr and "Traceback" not in result.stderr
    assert not list((tmp_path / "made").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("onnxruntime_qnn") is None, reason="the extra [qualcomm] is not installed")
def test_the_npu_compilers_word_is_in_the_recipe(ready, tmp_path: Path) -> None:
    said: list[str] = []
    for name in ("a", "b"):
        done = export(
            net(1, 2, "prelu"), tmp_path / name, ["int8"], ["40x30"], "npu",
            refine=0, npu="qualcomm:SM8650", progress=said.append,
        )  # fmt: skip
    recipe = recipes.read(tflite.read(done.files[0].path))
    told = done.files[0].to_json()["npu"]["qualcomm"]["SM8650"]
    nodes = sum(done.files[0].operators.values())
    assert (told["status"], told["taken"], told["total"]) == ("ok", nodes, nodes)
    assert recipe["npu"]["qualcomm"]["SM8650"] == {
        key: value for key, value in told.items() if key not in ("seconds", "emulated")
    }
    assert any("license" in line for line in said)
    written = [(tmp_path / name / done.files[0].path.name).read_bytes() for name in ("a", "b")]
    assert written[0] == written[1]


def test_without_the_npu_compiler_nothing_is_converted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from export.npu import qualcomm_sdk

    monkeypatch.setattr(qualcomm_sdk, "find_spec", lambda name: None)
    with pytest.raises(EcbsrError, match="NPU compiler is not installed"):
        export(net(1, 2, "relu"), tmp_path / "out", npu="qualcomm")
    assert not list(tmp_path.iterdir())
