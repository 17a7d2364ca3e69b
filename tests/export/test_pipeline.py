from __future__ import annotations

import json
import resource
import signal
import subprocess
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import psutil
import pytest

import ecbsr_mobile
from ecbsr_mobile import Picture, checkpoint, images, tflite, zoo
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.tflite import recipe as recipes
from export import ExportOptions, pipeline
from export.convert import onnx_to_tflite
from export.convert.direct import direct_graph
from export.pipeline import export
from tests.helpers import commands, networks
from tests.helpers.gpu import adapter
from tests.helpers.litert import run
from tests.helpers.networks import net, use_graph
from tests.helpers.shared import made_once

pytestmark = pytest.mark.filterwarnings("ignore:the network gives")  # random weights are worse than bicubic


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of the small luma network use its graph, which is converted once in a run of the tests."""
    use_graph(monkeypatch, networks.graph(1, 2, "prelu"))


def environment(temporary: Path) -> dict[str, str]:
    return {**commands.environment(), "TMPDIR": str(temporary)}


@pytest.fixture(scope="module")
def exported() -> tuple[Path, dict]:
    """All formats written by one run of the command: its working folder, and the document that it prints."""

    def run(path: Path) -> None:
        folder, temporary = path / "work", path / "tmp"
        folder.mkdir(parents=True), temporary.mkdir()
        flags = ("--onnx", "--fp32", "--fp16", "--int8", "--size", "97x55,33x20", "--out", "made", "--json")
        command = commands.argv("ecbsr-export", *flags)
        result = subprocess.run(command, cwd=folder, env=environment(temporary), capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert [path.name for path in folder.iterdir()] == ["made"]
        assert not list(temporary.iterdir())
        (path / "printed.json").write_text(result.stdout)

    path = made_once("exported", run)
    return path / "work", json.loads((path / "printed.json").read_text())


@pytest.mark.slow
def test_the_command_prints_what_it_wrote(exported: tuple[Path, dict]) -> None:
    folder, document = exported
    assert document["schema"] == 1
    assert document["model"] == {
        "name": "ecbsr-m4c16-x2", "blocks": 4, "channels": 16, "scale": 2, "colors": 1, "activation": "prelu",
        "parameters": ecbsr_mobile.load(zoo.DEFAULT).parameters_count,
    }  # fmt: skip
    names = {path.name for path in (folder / "made").iterdir()}
    assert names == {Path(file["path"]).name for file in document["files"]}
    assert names == {
        "ecbsr-m4c16-x2.onnx",
        *(
            f"ecbsr-m4c16-x2-{kind}-{size}.tflite"
            for kind in ("fp32", "fp16", "int8-cpu")
            for size in ("97x55", "33x20")
        ),
    }
    for file in document["files"]:
        assert file["bytes"] == (folder / file["path"]).stat().st_size


@pytest.mark.slow
def test_written_files_give_the_result_of_onnxruntime(exported: tuple[Path, dict], random) -> None:
    folder, document = exported
    session = onnxruntime.InferenceSession(folder / "made" / "ecbsr-m4c16-x2.onnx")
    from ai_edge_litert.interpreter import Interpreter

    for file in document["files"]:
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
def test_loss_audit_and_recipe_of_the_files(exported: tuple[Path, dict]) -> None:
    folder, document = exported
    for file in document["files"][1:]:
        data = (folder / file["path"]).read_bytes()
        recipe = recipes.read(tflite.read(data))
        assert recipe["schema"] == 1
        assert recipe["model"] == document["model"]
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
@pytest.mark.parametrize("finetune", [0, 4])
def test_same_input_gives_same_bytes(ready, finetune: int, tmp_path: Path) -> None:
    images.write(Picture(images.read(zoo.pictures()[0]).rgb()[:128, :160]), tmp_path / "images" / "crop.png")
    options = ExportOptions(sizes=["40x30"], finetune=finetune, max_drop=5, calibration=tmp_path / "images")
    first, second = (export(net(1, 2, "prelu"), tmp_path / name, options) for name in ("a", "b"))
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]
    recipe = recipes.read(tflite.read(first.files[1].path))
    assert ("finetune" in recipe["calibration"]) == (finetune > 0)
    assert recipe["calibration"]["pictures"] == ["crop.png"]


@pytest.mark.slow
def test_other_targets_and_io_dtypes(ready, tmp_path: Path) -> None:
    for target, io_dtype in (("gpu", "uint8"), ("npu", "float32")):
        options = ExportOptions(
            precisions=["int8"], sizes=["40x30"], target=target, io_dtype=io_dtype, finetune=1, max_drop=5
        )
        (file,) = export(net(1, 2, "prelu"), tmp_path, options).files
        recipe = recipes.read(tflite.read(file.path))
        assert recipe["calibration"]["pictures"] == [path.name for path in (*zoo.pictures(), *zoo.drawings())]
        assert recipe["loss"]["pictures"] == len(zoo.pictures())
        assert (recipe["target"], recipe["io"]) == (target, io_dtype)
        assert file.path.name == f"ecbsr-m2c8-x2-int8-{target}-40x30.tflite"
        assert file.operators["PRELU"] == 3
        assert file.input["dtype"] == io_dtype


@pytest.mark.slow
@pytest.mark.parametrize("io_dtype", ["int8", "uint8", "float32"])
def test_a_file_for_one_size_gives_the_same_bytes(ready, tmp_path: Path, io_dtype: str) -> None:
    options = {"precisions": ["int8"], "sizes": ["40x30"], "finetune": 0, "max_drop": 100, "io_dtype": io_dtype}
    plain, fixed = (
        export(net(1, 2, "prelu"), tmp_path, fixed_size=fixed_size, **options).files[0] for fixed_size in (False, True)
    )
    assert [file.path.name for file in (plain, fixed)] == [
        "ecbsr-m2c8-x2-int8-cpu-40x30.tflite", "ecbsr-m2c8-x2-int8-cpu-fixed-40x30.tflite"
    ]  # fmt: skip
    graph = tflite.read(fixed.path)
    assert [n.options.blockSize for n in graph.nodes if n.operator == "DEPTH_TO_SPACE"] == [4]
    assert recipes.read(graph)["fixed_size"] is True
    assert fixed.operators == plain.operators
    assert fixed.loss == plain.loss
    np.testing.assert_array_equal(run(fixed.path.read_bytes()), run(plain.path.read_bytes()))


def test_a_network_that_gains_nothing_by_one_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fixed_size gains nothing for ecbsr-m4c16-x4, only for luma at x2"):
        export("ecbsr-m4c16-x4", tmp_path, precisions=["int8"], fixed_size=True)


@pytest.mark.slow
def test_16_bit_activations(ready, tmp_path: Path) -> None:
    images.write(Picture(images.read(zoo.pictures()[0]).rgb()[:128, :160]), tmp_path / "images" / "crop.png")
    options = ExportOptions(
        precisions=["int8"], sizes=["40x30"], target="npu", activations=16, calibration=tmp_path / "images"
    )
    (file,) = export(net(1, 2, "prelu"), tmp_path, options).files
    assert (file.path.name, file.precision) == ("ecbsr-m2c8-x2-int16x8-npu-40x30.tflite", "int16x8")
    assert file.operators == {"QUANTIZE": 2, "CONV_2D": 5, "MUL": 3, "MAXIMUM": 3, "ADD": 1, "DEPTH_TO_SPACE": 1}
    assert file.input == file.output == {"dtype": "int8", "scale": pytest.approx(1 / 255), "zero_point": -128}
    assert file.audit.invariants == () and file.loss.fidelity_db > 50
    recipe = recipes.read(tflite.read(file.path))
    assert (recipe["precision"], recipe["target"], recipe["io"]) == ("int16x8", "npu", "int8")
    assert recipe["calibration"]["pictures"] == ["crop.png"]
    (again,) = export(net(1, 2, "prelu"), tmp_path / "again", replace(options, io_dtype="float32")).files
    assert again.input["dtype"] == again.output["dtype"] == "float32"
    uneven = deepcopy(net(1, 2, "prelu"))  # the same function
    for conv, following in pairwise(uneven.convolutions):
        conv.weight[3] *= 1e4
        conv.bias[3] *= 1e4
        following.weight[:, 3] /= 1e4
    (other,) = export(uneven, tmp_path / "uneven", options).files
    assert other.loss.fidelity_db > file.loss.fidelity_db - 1
    small = images.read(zoo.pictures()[1]).rgb()[:30, :40]
    assert ecbsr_mobile.upscale(small, file.path).shape == (60, 80, 3)
    np.testing.assert_array_equal(ecbsr_mobile.upscale(small, file.path), ecbsr_mobile.upscale(small, again.path))
    expected = ecbsr_mobile.upscale(small, net(1, 2, "prelu")).astype(int)
    assert np.sqrt(np.mean((ecbsr_mobile.upscale(small, file.path) - expected) ** 2)) < 1


@pytest.mark.parametrize(
    ("kind", "asked", "passed_on"),
    [("trained", None, None), ("trained", 7, 7), (zoo.DEFAULT, None, 0), ("random", None, 0), ("random", 7, 7)],
)
def test_a_network_that_is_worse_than_bicubic_is_not_finetuned_unasked_nor_is_a_bundled_one(
    kind: str, asked: int | None, passed_on: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Compares the number of steps that an export passes on to `int8_graph`, which is replaced and ends the export."""
    found: list[int | None] = []

    def stop(*arguments: object) -> None:
        found.append(arguments[4])
        raise EcbsrError("stopped by the test")

    exported = deepcopy(net(1, 2, "prelu")) if kind == "random" else ecbsr_mobile.load(zoo.DEFAULT)
    use_graph(monkeypatch, direct_graph(exported, networks.SIZE))
    monkeypatch.setattr(pipeline, "int8_graph", stop)
    warned = pytest.warns(UserWarning, match="bicubic") if kind == "random" else nullcontext()
    with warned, pytest.raises(EcbsrError, match="stopped by the test"):
        export(kind if kind == zoo.DEFAULT else exported, tmp_path, precisions=["int8"], finetune=asked)
    assert found == [passed_on]


def with_wrong_bias(graph: tflite.Graph) -> tflite.Graph:
    tensors = list(graph.tensors)
    first = next(node for node in graph.nodes if node.operator == "CONV_2D" and tensors[node.inputs[1]].shape[1] == 3)
    bias = tensors[first.inputs[2]]
    tensors[first.inputs[2]] = replace(bias, data=bias.data + np.float32(1e-3))
    return replace(graph, tensors=tuple(tensors))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["weights", "a shape"])
def test_an_error_in_a_further_size_is_detected(ready, kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at_size = tflite.at_size

    def wrong(graph: tflite.Graph, width: int, height: int) -> tflite.Graph:
        sized = at_size(graph, width, height)
        if (width, height) != (50, 30):
            return sized
        if kind == "weights":
            return with_wrong_bias(sized)
        middle = sized.nodes[2].outputs[0]
        tensors = list(sized.tensors)
        tensors[middle] = replace(tensors[middle], shape=(1, 30, 51, 8))
        return replace(sized, tensors=tuple(tensors))

    monkeypatch.setattr(tflite, "at_size", wrong)
    with pytest.raises(EcbsrError, match=r"fp32-50x30.*so nothing was written"):
        export(net(1, 2, "prelu"), tmp_path / "out", precisions=["fp32"], sizes=["40x30", "50x30"])
    assert not list(tmp_path.iterdir())


def test_a_loss_above_the_limit_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_graph(monkeypatch, tflite.at_size(tflite.read(zoo.tflite(zoo.DEFAULT, "fp32")), *networks.SIZE))
    refused = r"m4c16-x2 in int8 loses \d\.\d\d dB .* more than the 0.001 dB allowed"
    advice = r".*fine-tune it .*float16 weights \(--fp16, which lose -?0\.00 dB\).*\(--calibration\)"
    with pytest.raises(EcbsrError, match=refused + advice):
        export(zoo.DEFAULT, tmp_path / "out", precisions=["int8"], sizes=["33x20"], max_drop=0.001)
    assert not list(tmp_path.iterdir())


def test_onnx_alone_needs_no_tensorflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def converter():
        raise AssertionError("the converter was started")

    monkeypatch.setattr(onnx_to_tflite, "converter", converter)
    done = export(net(3, 4, "relu"), tmp_path, precisions=[], onnx=True)
    assert [path.name for path in tmp_path.iterdir()] == ["ecbsr-m2c8-rgb-relu-x4.onnx"]
    assert done.files[0].size is None and done.files[0].max_abs_error < 1e-5


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
    done = export(tmp_path / "mine.safetensors", tmp_path / "out", precisions=[], onnx=True)
    assert done.model["activation"] == "leaky"
    with pytest.raises(UsageError, match="value_range"):
        export(tmp_path / "mine.safetensors", tmp_path / "out", precisions=[], onnx=True, value_range=255)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    work, temporary = tmp_path / "work", tmp_path / "tmp"
    work.mkdir(), temporary.mkdir()
    command = commands.argv("ecbsr-export", "--int8", "--out", "made")
    process = subprocess.Popen(command, cwd=work, env=environment(temporary), stderr=subprocess.PIPE, text=True)
    assert "converting" in process.stderr.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    messages = process.stderr.read()
    if number == signal.SIGKILL:
        assert (process.wait(60), messages) == (-number, "")
    else:
        assert process.wait(60) == 128 + number
        assert (
            f"interrupted by {number.name}" in messages
            and "Traceback" not in messages
            and "unexpected error" not in messages
        )
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert not list(work.iterdir()) and not list(temporary.iterdir())


def test_a_full_disk_is_reported_in_one_sentence(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    result = subprocess.run(
        commands.argv("ecbsr-export", "--onnx", "--out", "made"),
        cwd=tmp_path, env={**environment(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}, preexec_fn=limit,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (1, "")
    assert (
        "cannot write made/ecbsr-m4c16-x2.onnx" in result.stderr
        and "Traceback" not in result.stderr
        and "unexpected error" not in result.stderr
    )
    assert not list((tmp_path / "made").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("onnxruntime_qnn") is None, reason="the extra [qualcomm] is not installed")
def test_the_report_of_the_npu_compiler_is_in_the_recipe(ready, tmp_path: Path) -> None:
    messages: list[str] = []
    options = ExportOptions(precisions=["int8"], sizes=["40x30"], target="npu", finetune=0, npu="qualcomm:SM8650")
    for name in ("a", "b"):
        exported = export(net(1, 2, "prelu"), tmp_path / name, options, progress=messages.append)
    (file,) = exported.files
    recipe = recipes.read(tflite.read(file.path))
    report = json.loads(json.dumps(file.to_json()))["npu"]["qualcomm"]["SM8650"]
    nodes = sum(file.operators.values())
    assert (report["status"], report["taken"], report["total"]) == ("ok", nodes, nodes)
    assert recipe["npu"]["qualcomm"]["SM8650"] == {
        key: value for key, value in report.items() if key not in ("seconds", "emulated")
    }
    assert any("license" in message for message in messages)
    first, second = ((tmp_path / name / file.path.name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_without_the_npu_compiler_nothing_is_converted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from export.npu import qualcomm_sdk

    monkeypatch.setattr(qualcomm_sdk, "package_folder", lambda name: None)
    with pytest.raises(EcbsrError, match="NPU compiler is not installed"):
        export(net(1, 2, "relu"), tmp_path / "out", npu="qualcomm")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_report_of_the_gpu_delegate_is_in_the_recipe(ready, tmp_path: Path) -> None:
    found = adapter()
    options = ExportOptions(precisions=["fp16", "int8"], sizes=["40x30"], target="gpu", finetune=0, gpu=True)
    for name in ("a", "b"):
        exported = export(net(1, 2, "prelu"), tmp_path / name, options)
    assert len(exported.files) == 2
    for file in exported.files:
        report = json.loads(json.dumps(file.to_json()))["gpu"]
        assert (report["status"], report["taken"], report["partitions"]) == ("ok", report["total"], 1)
        assert report["adapter"] == found.name and report["refused"] == []
        recipe = recipes.read(tflite.read(file.path))
        assert recipe["gpu"].items() <= report.items() and {"status", "taken", "total"} <= set(recipe["gpu"])
        first, second = ((tmp_path / name / file.path.name).read_bytes() for name in ("a", "b"))
        assert first == second


def test_without_an_adapter_nothing_is_converted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from export.gpu import accelerator

    monkeypatch.setattr(accelerator, "find_adapter", lambda: "no Vulkan device")
    with pytest.raises(EcbsrError, match=r"the GPU delegate cannot be asked: no Vulkan device; .*apt install chromium"):
        export(net(1, 2, "relu"), tmp_path / "out", gpu=True)
    assert not list(tmp_path.iterdir())
