"""The NPU check with Qualcomm's own compiler and emulator, where the extra [qualcomm] is installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from ecbsr_mobile import zoo
from export import tflite
from export.npu import compiled_model, compiler_log, runner, socs
from export.npu.results import CompileReport
from export.validation.sample_crop import show
from tests.helpers.npu_models import negations, only_negation, several_reasons
from tests.helpers.paths import ROOT
from tests.helpers.tflite_models import plain_network

GENERATIONS = ("SM8350", "SM8550", "SM8850")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("onnxruntime_qnn") is None, reason="the extra [qualcomm] is not installed: no NPU compiler is asked"
    ),
]


def small(path: Path) -> bytes:
    return runner.sized(path.read_bytes(), (96, 64))


@pytest.fixture(scope="module")
def verdicts() -> dict[str, dict[str, CompileReport]]:
    """Every model of these tests for three generations, those of ours emulated."""
    models = {
        "int8": small(zoo.tflite(zoo.DEFAULT)),
        "float": small(zoo.tflite(zoo.DEFAULT, "fp32")),
        "reasons": tflite.write(several_reasons()),
        "negations": tflite.write(negations()),
        "nothing": tflite.write(only_negation()),
    }
    shown = {name: show(models[name]) for name in ("int8", "float")}
    notices: list[str] = []
    found = runner.compile_models(models, GENERATIONS, shown, notice=notices.append)
    assert len(notices) == 1 and "Qualcomm" in notices[0] and "license" in notices[0]
    return {name: dict(one) for name, one in found.items()}


@pytest.mark.parametrize("soc", GENERATIONS)
def test_our_int8_file_is_taken_whole(verdicts: dict[str, dict[str, CompileReport]], soc: str) -> None:
    verdict = verdicts["int8"][soc]
    nodes = len(tflite.read(zoo.tflite(zoo.DEFAULT)).nodes)
    assert (verdict.status, verdict.taken, verdict.total, verdict.partitions) == ("ok", nodes, nodes, 1), verdict.note
    assert (verdict.arithmetic, verdict.refused, verdict.size) == ("integer", (), (96, 64))
    # At least the image is read and the result is written.
    assert verdict.read_mb >= 96 * 64 / 1e6 and verdict.write_mb >= 4 * 96 * 64 / 1e6 and verdict.spill_mb >= 0
    assert verdict.seconds > 0


@pytest.mark.parametrize("soc", GENERATIONS)
def test_the_emulation_computes_nearly_what_this_machine_does(
    verdicts: dict[str, dict[str, CompileReport]], soc: str
) -> None:
    for name, least in (("int8", 40), ("float", 55)):
        emulated = verdicts[name][soc].emulated
        assert emulated is not None and emulated.cpu is not None and emulated.fp32 is not None, emulated
        assert emulated.cpu.psnr_db is None or emulated.cpu.psnr_db > least
        assert emulated.cpu.max_abs_diff < 20
        assert emulated.size == (96, 64)


def test_a_float_file_is_taken_and_said_to_be_float(verdicts: dict[str, dict[str, CompileReport]]) -> None:
    for verdict in verdicts["float"].values():
        assert (verdict.status, verdict.arithmetic) == ("ok", "float")


def test_refused_operators_come_with_the_compilers_reason(verdicts: dict[str, dict[str, CompileReport]]) -> None:
    for verdict in verdicts["reasons"].values():
        assert (verdict.status, verdict.taken, verdict.total, verdict.partitions) == ("partial", 3, 7, 3)
        assert [(left.node, left.operator) for left in verdict.refused] == [
            (1, "RESHAPE"), (2, "TRANSPOSE"), (3, "RESHAPE"), (5, "BITCAST"),
        ]  # fmt: skip
        assert [left.reason for left in verdict.refused] == ["has incorrect Rank 6."] * 3 + [compiler_log.UNMAPPED]
    for verdict in verdicts["nothing"].values():
        assert (verdict.status, verdict.taken, verdict.total, verdict.partitions) == ("refused", 0, 1, 0)
        assert [left.operator for left in verdict.refused] == ["NEG"]


def test_several_partitions_are_counted_and_not_emulated(verdicts: dict[str, dict[str, CompileReport]]) -> None:
    for verdict in verdicts["negations"].values():
        assert (verdict.status, verdict.taken, verdict.total, verdict.partitions) == ("partial", 3, 5, 3)
        assert [left.node for left in verdict.refused] == [1, 3]
        assert verdict.read_mb is not None and verdict.emulated is None


def test_fidelity_is_the_same_from_run_to_run(verdicts: dict[str, dict[str, CompileReport]]) -> None:
    model = small(zoo.tflite(zoo.DEFAULT))
    again = runner.compile_models({"int8": model}, GENERATIONS[1:2], {"int8": show(model)})["int8"][GENERATIONS[1]]
    first = verdicts["int8"][GENERATIONS[1]]
    assert again.emulated == first.emulated
    assert (again.read_mb, again.write_mb, again.spill_mb) == (first.read_mb, first.write_mb, first.spill_mb)


def test_the_compiler_knows_the_chips_that_we_name() -> None:
    from ai_edge_litert.aot.vendors.qualcomm.target import SocModel

    assert set(socs.SOCS) == {model.value for model in SocModel} - {"ALL"}


# The command, as a user meets it.


def argv(*arguments: object) -> list[str]:
    code = "import sys; sys.argv[0] = 'ecbsr-audit'; from export.cli.audit import script; script()"
    return [sys.executable, "-c", code, *map(str, arguments)]


def environment(temporary: Path) -> dict[str, str]:
    temporary.mkdir()
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}


def test_the_command_tells_a_person_and_a_machine_the_same(tmp_path: Path) -> None:
    """Folders with a comma, a colon and a space in their names, which the compiler's own flags would split."""
    folder, temporary = tmp_path / "a, b:c", tmp_path / "tmp, a:b"
    folder.mkdir()
    (folder / "mine.tflite").write_bytes(tflite.write(plain_network("int8", size=(40, 24))))
    (folder / "broken.tflite").write_bytes((folder / "mine.tflite").read_bytes()[:-900])
    asked_for = (folder, "--npu", "qualcomm:SM8650", "--emulate", "--size", "32x20", "--keep", folder / "kept")
    told = subprocess.run(argv(*asked_for, "--json"), capture_output=True, text=True, env=environment(temporary))
    assert told.returncode == 1, told.stderr
    assert "Traceback" not in told.stderr and "broken.tflite" in told.stderr and "license" in told.stderr
    document = json.loads(told.stdout)
    assert [Path(error["path"]).name for error in document["errors"]] == ["broken.tflite"]
    npu = document["files"][0]["npu"]
    assert npu["mediatek"] == npu["google_tensor"] == npu["samsung"] == npu["intel"] == "not checked"
    one: dict[str, Any] = npu["qualcomm"]["SM8650"]
    assert (one["status"], one["size"], one["emulated"]["size"]) == ("ok", [32, 20], [96, 64])
    assert one["emulated"]["source"] == "vendor emulator, not a device"
    assert one["emulated"]["fp32"] is None  # no float file of these weights is at hand
    kept = folder / "kept" / "mine-SM8650.tflite"
    assert [node.operator for node in tflite.read(kept).nodes] == [compiled_model.DISPATCH]
    assert list(temporary.iterdir()) == []
    shown = subprocess.run(
        argv(*asked_for), capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    row = next(line.split() for line in shown.stdout.splitlines() if line.startswith("SM8650"))
    assert row[1:4] == [one["status"], f"{one['taken']}/{one['total']}", str(one["partitions"])]
    assert row[4] == f"{one['read_mb']:.2f}"
    for words in ("compiler, static", "vendor emulator, not a device", "Not checked: mediatek"):
        assert words in shown.stdout
    assert " ms" not in shown.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_file(number: signal.Signals, tmp_path: Path) -> None:
    asked_for = (zoo.tflite(zoo.DEFAULT), "--npu", "qualcomm", "--size", "1080p", "--keep", tmp_path / "kept")
    process = subprocess.Popen(
        argv(*asked_for), env=environment(tmp_path / "tmp"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    me, children, end = psutil.Process(process.pid), [], time.monotonic() + 120
    while time.monotonic() < end and not children:
        children = [one for one in me.children(recursive=True) if "apply_plugin" in one.name()]
        time.sleep(0.01)
    assert children, "the compiler was never started"
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number and out == ""
    assert f"interrupted by {number.name}" in errors and "Traceback" not in errors
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    assert list((tmp_path / "tmp").iterdir()) == [] and not list(tmp_path.glob("kept/*"))
