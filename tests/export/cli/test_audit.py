"""`ecbsr-audit`: text, JSON, errors. Called in this process, but once as a program."""

from __future__ import annotations

import json
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.tflite import with_metadata, write
from export.audit.delegates import DELEGATES
from export.cli.audit import main
from tests.helpers import upscalers
from tests.helpers.audit_cases import SHAPE, shuffle
from tests.helpers.commands import argv, call
from tests.helpers.terminal import on_terminal, stays
from tests.helpers.tflite_models import GraphBuilder, plain_network

Output = pytest.CaptureFixture[str]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    recipe = with_metadata(plain_network("int8"), "ecbsr_mobile.recipe", b'{"model": "ecbsr-m1c8-x2", "loss": 0.1}')
    models = {
        "ours": write(recipe),
        "foreign": write(plain_network("float32")),
        "fails": write(shuffle("int8", 2, (1 / 100, 0))),
        "damaged": write(plain_network())[:1000],
        "onnx": b"\x08\x08\x12\x07pytorch",
    }
    paths = {name: tmp_path / f"{name}.{'onnx' if name == 'onnx' else 'tflite'}" for name in models}
    for name, content in models.items():
        paths[name].write_bytes(content)
    return paths


def run(capsys: Output, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_the_json_document(files: dict[str, Path]) -> None:
    result = call("ecbsr-audit", files["ours"], files["foreign"], "--json")
    assert (result.returncode, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["schema"] == 1
    ours, foreign = document["files"]
    assert (ours["path"], ours["bytes"]) == (str(files["ours"]), files["ours"].stat().st_size)
    assert ours["operators"] == {"CONV_2D": 4, "PRELU": 2, "ADD": 1, "DEPTH_TO_SPACE": 1}
    assert ours["invariants"] == []
    assert ours["recipe"] == {"model": "ecbsr-m1c8-x2", "loss": 0.1}
    assert foreign["recipe"] is None
    xnnpack: dict[str, Any] = ours["audit"]["xnnpack"]
    assert (xnnpack["taken"], xnnpack["total"], xnnpack["partitions"]) == (6, 8, 3)
    assert [(item["node"], item["operator"]) for item in xnnpack["refused"]] == [(1, "PRELU"), (3, "PRELU")]
    assert all(item["reason"] for item in xnnpack["refused"])
    measured = xnnpack["measured"]
    assert (measured["taken"], measured["total"], measured["partitions"], measured["loads"]) == (6, 8, 3, True)
    assert list(ours["audit"]) == [delegate.name for delegate in DELEGATES]
    assert "npu" not in ours and "errors" not in document


def test_the_text(files: dict[str, Path], capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["ecbsr-audit"])
    monkeypatch.setattr("ecbsr_mobile.utils.verbosity._level", "normal")  # restored at the end
    code, out, err = run(capsys, files["ours"], files["foreign"], files["fails"])
    assert code == 0
    assert "CPU: slow: 6 of 8 operators in 3 pieces, because of PRELU x2 (measured here): export its weights" in out
    assert out.index("CPU: slow") < out.index("XNNPACK (CPU)"), "the verdict comes first"
    assert "Recipe" not in out and "PRELU (nodes" not in out
    *_, hint = err.splitlines()
    words = shlex.split(hint.partition(": ")[2])
    assert words == ["ecbsr-bench", *(str(files[name]) for name in ("ours", "foreign", "fails"))]
    code, out, _ = run(capsys, files["ours"], files["foreign"], files["fails"], "--recipe", "--verbose")
    assert '"model": "ecbsr-m1c8-x2"' in out
    assert "Recipe: none" in out
    assert "PRELU (nodes 1, 3) supports FLOAT32, not INT8" in out
    assert "does not load the model: failed to delegate DEPTH_TO_SPACE" in out
    assert "Integer invariants: 1 broken" in out


def test_a_required_target_is_a_gate(files: dict[str, Path], tmp_path: Path, capsys: Output) -> None:
    reports = ["--junit", tmp_path / "j.xml", "--markdown", tmp_path / "m.md"]
    required = ["--require", "cpu", "--require", "gpu"]  # the same as --require cpu,gpu
    code, out, err = run(capsys, files["ours"], files["foreign"], *required, "--json", *reports)
    assert code == 1
    missed = [{"path": str(files["ours"]), "target": "cpu", "title": "CPU"}]
    document = json.loads(out)
    assert document["required"] == {"targets": ["cpu", "gpu"], "missed": missed}
    assert f"{files['ours']}: required of cpu: CPU: slow" in err
    (suite,) = ET.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("8", "1", "0")
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert (failed.get("classname"), failed.get("name")) == (str(files["ours"]), "CPU")
    assert "1 of the required targets" in (tmp_path / "m.md").read_text()
    words = {each["title"]: each["word"] for each in document["files"][0]["verdicts"]}
    assert (words["CPU"], words["GPU (ML Drift)"], words["Google Tensor"]) == ("slow", "good", "not known")
    code, out, _ = run(capsys, files["foreign"], "--require", "cpu", "--json", *reports, "--overwrite")
    assert (code, json.loads(out)["required"]["missed"]) == (0, [])
    code, _, _ = run(capsys, files["foreign"], files["damaged"], *reports, "--overwrite")
    assert code == 1
    (suite,) = ET.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")


def test_on_a_terminal_no_table_is_wider_than_it(files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(files["ours"].read_bytes())
    code, got, _ = on_terminal(argv("ecbsr-audit", path))
    assert code == 0
    lines = stays(got)
    (verdict,) = [line for line in lines if line.startswith("◐ CPU: slow: 6 of 8")]
    assert lines.index(verdict) < next(number for number, line in enumerate(lines) if line.startswith("delegate"))
    result = [line for line in lines if str(path) not in line and not line.startswith(("reasons", "left out"))]
    assert max(map(len, result)) <= 80


def test_files_that_cannot_be_read_are_errors_and_the_others_are_audited(
    files: dict[str, Path], tmp_path: Path, capsys: Output
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    code, out, err = run(capsys, files["foreign"], files["damaged"], files["onnx"], empty, "--json")
    assert code == 1
    document = json.loads(out)
    assert [item["path"] for item in document["files"]] == [str(files["foreign"])]
    assert len(document["errors"]) == len(err.splitlines()) == 3
    for reason in ("an ONNX model", "contains no .tflite file"):
        assert reason in err
    with pytest.raises(EcbsrError, match=r"missing\.tflite: no such file"):  # a mistyped name
        run(capsys, files["foreign"], tmp_path / "missing.tflite")


def test_names_in_a_file_cannot_control_the_terminal(tmp_path: Path, capsys: Output) -> None:
    make = GraphBuilder()
    output = make.node("\x1b[31mred\nline", [make.input(SHAPE)], SHAPE, custom=True)
    path = tmp_path / "odd.tflite"
    path.write_bytes(write(make.graph(output)))
    code, out, err = run(capsys, path)
    assert code == 0
    assert "1 ?[31mred?line" in out
    assert "\x1b" not in out + err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--npu", "apple"], "is not known"),
        (["--npu", "qualcomm:"], "SoC '' is not known"),
        (["--emulate"], "add --npu qualcomm"),
        (["--emulate", "--npu", "mediatek"], "add qualcomm to --npu"),
        (["--keep", "somewhere"], "add --npu qualcomm"),
        (["--npu", "qualcomm", "--size", "0x4"], "size '0x4' is not known"),
        (["--require", "cpu,tpu"], "target 'tpu' is not known; choose from cpu"),
        (["--require", ""], "--require is empty"),
    ],
)
def test_misuse(files: dict[str, Path], capsys: Output, arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        main([str(files["ours"]), *arguments])
    assert capsys.readouterr().out == ""


def test_a_file_is_required(capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "FILE" in capsys.readouterr().err


def test_the_range_of_floats_is_for_the_crop(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(write(upscalers.bundled_in_0_255()))
    with pytest.raises(UsageError, match="add --html, --gpu or --emulate"):
        main([str(path), "--range", "255"])
    page = tmp_path / "page.html"
    assert main([str(path), "--range", "255", "--html", str(page)]) == 0
    assert "are assumed" not in page.read_text()
    assert main([str(path), "--html", str(page), "--overwrite"]) == 0
    assert "values in [0, 255] are assumed" in page.read_text()
    with pytest.raises(UsageError, match="leave out the range 255"):
        main([str(zoo.tflite(zoo.DEFAULT)), "--range", "255", "--html", str(tmp_path / "other.html")])
