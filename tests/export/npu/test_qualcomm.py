"""Qualcomm's compiler and emulator, where the extra [qualcomm] is installed."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from ecbsr_mobile import tflite, zoo
from export.npu import compiled_model, compiler_log, runner
from export.npu.results import CompileReport
from export.resolutions import sized
from export.validation.sample_crop import run_sample_crop
from tests.helpers.commands import DEFECT, argv, environment
from tests.helpers.delegates import reasons
from tests.helpers.int16_models import int16_node, int16x8_network
from tests.helpers.networks import photo
from tests.helpers.npu_models import negations, only_negation, several_reasons
from tests.helpers.tflite_models import plain_network
from tests.helpers.waiting import wait_until

GENERATIONS = ("SM8350", "SM8550", "SM8850")

INT16_OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MUL", "MAXIMUM", "LEAKY_RELU", "QUANTIZE", "DEPTH_TO_SPACE")
INT16_NODES = [*((name, "int8") for name in INT16_OPERATORS), ("PRELU", "int8"), ("PRELU", "int16")]
"""Operators, and the type of PRELU's slopes, that the compiler is asked about with int16 activations."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("onnxruntime_qnn") is None, reason="the extra [qualcomm] is not installed: no NPU compiler runs"
    ),
]


def small(path: Path) -> bytes:
    return sized(path.read_bytes(), (96, 64))


@pytest.fixture(scope="module")
def reports() -> dict[str, dict[str, CompileReport]]:
    """Reports on every model of these tests for three generations of SoCs; the bundled models are emulated."""
    models = {
        "int8": small(zoo.tflite(zoo.DEFAULT)),
        "float": small(zoo.tflite(zoo.DEFAULT, "fp32")),
        "reasons": tflite.write(several_reasons()),
        "negations": tflite.write(negations()),
        "nothing": tflite.write(only_negation()),
        "int16x8": sized(tflite.write(int16x8_network(photo(1))), (96, 64)),
    }
    models |= {f"{name} {slope}": tflite.write(int16_node(name, slope)) for name, slope in INT16_NODES}
    crops = {name: run_sample_crop(models[name]) for name in ("int8", "float", "int16x8")}
    notices: list[str] = []
    compiled = runner.compile_models(models, GENERATIONS, crops, notice=notices.append)
    assert len(notices) == 1 and "Qualcomm" in notices[0] and "license" in notices[0]
    return {name: dict(by_soc) for name, by_soc in compiled.items()}


@pytest.mark.parametrize("soc", GENERATIONS)
def test_a_bundled_int8_file_is_supported_whole(reports: dict[str, dict[str, CompileReport]], soc: str) -> None:
    report = reports["int8"][soc]
    nodes = len(tflite.read(zoo.tflite(zoo.DEFAULT)).nodes)
    assert (report.status, report.taken, report.total, report.partitions) == ("ok", nodes, nodes, 1), report.note
    assert (report.arithmetic, report.refused, report.size) == ("integer", (), (96, 64))
    # At least the image is read and the result is written.
    assert report.read_mb >= 96 * 64 / 1e6 and report.write_mb >= 4 * 96 * 64 / 1e6 and report.spill_mb >= 0
    assert report.seconds > 0


@pytest.mark.parametrize("soc", GENERATIONS)
def test_the_emulator_agrees_with_this_machine(reports: dict[str, dict[str, CompileReport]], soc: str) -> None:
    for name, least in (("int8", 40), ("float", 55)):
        emulated = reports[name][soc].emulated
        assert emulated is not None and emulated.cpu is not None and emulated.fp32 is not None, emulated
        assert emulated.cpu.psnr_db is None or emulated.cpu.psnr_db > least
        assert emulated.cpu.max_abs_diff < 20
        assert emulated.size == (96, 64)


@pytest.mark.parametrize("soc", GENERATIONS)
def test_16_bit_activations_are_supported_whole_and_computed_alike(
    reports: dict[str, dict[str, CompileReport]], soc: str
) -> None:
    report = reports["int16x8"][soc]
    assert (report.status, report.partitions, report.arithmetic) == ("ok", 1, "integer"), report.refused
    assert report.emulated is not None and report.emulated.cpu is not None, report.emulated
    assert report.emulated.cpu.psnr_db is None or report.emulated.cpu.psnr_db > 45
    assert report.emulated.cpu.max_abs_diff < 10


@pytest.mark.parametrize(("operator", "slope"), INT16_NODES)
def test_the_table_agrees_with_the_compiler_on_int16(
    reports: dict[str, dict[str, CompileReport]], operator: str, slope: str
) -> None:
    for report in reports[f"{operator} {slope}"].values():
        assert (report.status == "ok") == (reasons(int16_node(operator, slope), "qnn") == {}), report
        for rejected in report.refused:
            assert "Unsupported input/output datatypes" in rejected.reason


def test_a_float_file_is_supported_and_reported_as_float(reports: dict[str, dict[str, CompileReport]]) -> None:
    for report in reports["float"].values():
        assert (report.status, report.arithmetic) == ("ok", "float")


def test_rejected_operators_have_the_compilers_reason(reports: dict[str, dict[str, CompileReport]]) -> None:
    for report in reports["reasons"].values():
        assert (report.status, report.taken, report.total, report.partitions) == ("partial", 3, 7, 3)
        assert [(rejected.node, rejected.operator) for rejected in report.refused] == [
            (1, "RESHAPE"), (2, "TRANSPOSE"), (3, "RESHAPE"), (5, "BITCAST"),
        ]  # fmt: skip
        assert [rejected.reason for rejected in report.refused] == ["has incorrect Rank 6."] * 3 + [
            compiler_log.UNMAPPED
        ]
    for report in reports["nothing"].values():
        assert (report.status, report.taken, report.total, report.partitions) == ("refused", 0, 1, 0)
        assert [rejected.operator for rejected in report.refused] == ["NEG"]


def test_several_partitions_are_not_emulated(reports: dict[str, dict[str, CompileReport]]) -> None:
    for report in reports["negations"].values():
        assert (report.status, report.taken, report.total, report.partitions) == ("partial", 3, 5, 3)
        assert [rejected.node for rejected in report.refused] == [1, 3]
        assert report.read_mb is not None and report.emulated is None


def test_emulation_and_traffic_are_reproducible(reports: dict[str, dict[str, CompileReport]]) -> None:
    model = small(zoo.tflite(zoo.DEFAULT))
    crops = {"int8": run_sample_crop(model)}
    again = runner.compile_models({"int8": model}, GENERATIONS[1:2], crops)["int8"][GENERATIONS[1]]
    first = reports["int8"][GENERATIONS[1]]
    assert again.emulated == first.emulated
    assert (again.read_mb, again.write_mb, again.spill_mb) == (first.read_mb, first.write_mb, first.spill_mb)


def with_temporary_folder(folder: Path) -> dict[str, str]:
    folder.mkdir()
    return {**environment(), "TMPDIR": str(folder)}


def test_the_text_and_the_json_agree(tmp_path: Path) -> None:
    """In folders whose names have a comma, a colon and a space, at which the compiler would split its flags."""
    folder, temporary = tmp_path / "a, b:c", tmp_path / "tmp, a:b"
    folder.mkdir()
    (folder / "mine.tflite").write_bytes(tflite.write(plain_network("int8", size=(40, 24))))
    (folder / "broken.tflite").write_bytes((folder / "mine.tflite").read_bytes()[:-900])
    arguments = (folder, "--npu", "qualcomm:SM8650", "--emulate", "--size", "32x20", "--keep", folder / "kept")
    as_json = subprocess.run(
        argv("ecbsr-audit", *arguments, "--json"), capture_output=True, text=True, env=with_temporary_folder(temporary)
    )
    assert as_json.returncode == 1, as_json.stderr
    assert (
        "Traceback" not in as_json.stderr
        and "unexpected error" not in as_json.stderr
        and "broken.tflite" in as_json.stderr
        and "license" in as_json.stderr
    )
    document = json.loads(as_json.stdout)
    assert [Path(error["path"]).name for error in document["errors"]] == ["broken.tflite"]
    npu = document["files"][0]["npu"]
    assert npu["mediatek"] == npu["google_tensor"] == npu["samsung"] == npu["intel"] == "not checked"
    report: dict[str, Any] = npu["qualcomm"]["SM8650"]
    assert (report["status"], report["size"], report["emulated"]["size"]) == ("ok", [32, 20], [96, 64])
    assert report["emulated"]["source"] == "vendor emulator, not a device"
    assert report["emulated"]["fp32"] is None  # there is no float file of these weights
    kept = folder / "kept" / "mine-SM8650.tflite"
    assert [node.operator for node in tflite.read(kept).nodes] == [compiled_model.DISPATCH]
    assert list(temporary.iterdir()) == []
    again = argv("ecbsr-audit", *arguments, "--overwrite")
    as_text = subprocess.run(again, capture_output=True, text=True, env=environment())
    row = next(line.split() for line in as_text.stdout.splitlines() if line.startswith("SM8650"))
    assert row[1:4] == [report["status"], f"{report['taken']}/{report['total']}", str(report["partitions"])]
    assert row[4] == f"{report['read_mb']:.2f}"
    for words in ("compiler, static", "vendor emulator, not a device", "Not checked: mediatek"):
        assert words in as_text.stdout
    assert " ms" not in as_text.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_file(number: signal.Signals, tmp_path: Path) -> None:
    arguments = (zoo.tflite(zoo.DEFAULT), "--npu", "qualcomm", "--size", "1080p", "--keep", tmp_path / "kept")
    process = subprocess.Popen(
        argv("ecbsr-audit", *arguments),
        env=with_temporary_folder(tmp_path / "tmp"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    children: list[psutil.Process] = []

    def compiler_has_started() -> bool:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # a short-lived one ends between the list and its name
                if "apply_plugin" in child.name():
                    children.append(child)
        return bool(children)

    wait_until(compiler_has_started, "the compiler to start")
    process.send_signal(number)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number and out == ""
    assert f"interrupted by {number.name}" in errors and not DEFECT.search(errors)
    _, alive = psutil.wait_procs(children, timeout=120)
    assert not alive
    assert list((tmp_path / "tmp").iterdir()) == [] and not list(tmp_path.glob("kept/*"))
