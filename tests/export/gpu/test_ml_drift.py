"""ML Drift on the adapter of this machine, SwiftShader for example."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.tflite import Graph
from export.gpu.results import GpuReport, for_recipe
from export.gpu.runner import CUT, query_models
from export.resolutions import sized
from export.validation.sample_crop import SampleCrop, run_sample_crop
from tests.helpers.commands import argv, environment
from tests.helpers.delegates import audited
from tests.helpers.gpu import adapter
from tests.helpers.npu_models import several_reasons
from tests.helpers.paths import REFERENCE
from tests.helpers.tflite_models import GraphBuilder

SHAPE = (1, 8, 8, 4)


def one_concatenation() -> Graph:
    """Its program for the GPU is invalid, but it opens and runs."""
    make = GraphBuilder()
    options = schema.ConcatenationOptionsT(3, 0)
    return make.graph(make.node("CONCATENATION", [make.input(SHAPE)], SHAPE, options=options))


def fp16_convolutions() -> Graph:
    """Float16 weights and, between two convolutions, an operator that the delegate does not know."""
    make = GraphBuilder()

    def stored(values: np.ndarray) -> int:
        constant = make.constant(values.astype(np.float16))
        return make.node("DEQUANTIZE", [constant], values.shape, options=schema.DequantizeOptionsT())

    def conv(source: int) -> int:
        weights, bias = stored(np.full((4, 3, 3, 4), 0.1)), stored(np.zeros(4))
        return make.node("CONV_2D", [source, weights, bias], SHAPE, options=schema.Conv2DOptionsT(0, 1, 1, 0, 1, 1))

    y = make.unary("RELU_0_TO_1", make.unary("TANH", conv(make.input(SHAPE))))
    return make.graph(conv(y))


@pytest.fixture(scope="module")
def reports() -> dict[str, GpuReport]:
    """Reports on every model of these tests; the bundled models are run, too."""
    found = adapter()
    models = {
        "float": sized(zoo.tflite(zoo.DEFAULT, "fp32").read_bytes(), (96, 64)),
        "int8": sized(zoo.tflite(zoo.DEFAULT).read_bytes(), (96, 64)),
        "reasons": tflite.write(several_reasons()),
        "invalid": tflite.write(one_concatenation()),
        "fp16 weights": tflite.write(fp16_convolutions()),
    }
    crops: dict[str, SampleCrop | str] = {name: run_sample_crop(models[name]) for name in ("float", "int8")}
    crops["reasons"] = "it is not an image"
    return query_models(models, crops=crops, adapter=found)


def test_bundled_models_are_taken_whole_and_computed_alike(reports: dict[str, GpuReport]) -> None:
    for name, to_cpu in (("float", 100.0), ("int8", 50.0)):
        report = reports[name]
        assert (report.status, report.taken, report.partitions) == ("ok", report.total, 1), report.note
        assert report.cpu is not None and report.fp32 is not None
        assert report.cpu.psnr_db is None or report.cpu.psnr_db > to_cpu
        assert report.cpu.max_abs_diff <= 2
        assert report.size == report.crop_size == (96, 64)
        assert report.adapter and report.software is adapter().software


def test_refused_operators_have_the_delegates_reason(reports: dict[str, GpuReport]) -> None:
    """A convolution, a pixel shuffle of rank 6 in three operators, and three operators that are taken."""
    report = reports["reasons"]
    assert (report.status, report.taken, report.total, report.partitions) == ("partial", 3, 7, 1)
    assert report.note == "no crop was run: it is not an image"
    reasons = {op.node: op.reason for op in report.refused}
    assert set(reasons) == {0, 1, 2, 3}
    assert all("has bad input dims size: 6" in reasons[node] for node in (1, 2, 3))
    assert reasons[0] == CUT
    assert [op.operator for op in report.refused] == ["CONV_2D", "RESHAPE", "TRANSPOSE", "RESHAPE"]


def test_a_model_whose_program_is_invalid_has_failed(reports: dict[str, GpuReport]) -> None:
    report = reports["invalid"]
    assert (report.status, report.taken, report.cpu) == ("failed", None, None)
    assert "unresolved value" in report.note


def test_constants_in_float16_are_not_refused_for_themselves(reports: dict[str, GpuReport]) -> None:
    report = reports["fp16 weights"]
    assert (report.status, report.taken, report.total) == ("partial", 2, 8)
    assert {op.operator for op in report.refused} == {"DEQUANTIZE", "RELU_0_TO_1", "CONV_2D"}


def test_a_recipe_has_what_is_taken_and_no_figure_of_the_adapter(reports: dict[str, GpuReport]) -> None:
    entry = json.loads(json.dumps(for_recipe(reports["int8"])))
    assert entry["status"] == "ok" and entry["taken"] == entry["total"]
    assert not {"max_abs_diff", "psnr_db", "fp32"} & set(entry)


def test_a_software_adapter_without_16_bits_says_so() -> None:
    found = adapter()
    if found.fp16:
        pytest.skip(f"{found.name} computes in 16 bits")
    model = sized(zoo.tflite(zoo.DEFAULT).read_bytes(), (96, 64))
    report = query_models({"a": model}, "fp16", adapter=found)["a"]
    assert (report.status, report.adapter) == ("no_fp16", found.name)


@pytest.mark.slow
def test_the_text_the_json_and_the_page_agree(tmp_path: Path) -> None:
    adapter()
    model = tmp_path / "mine.tflite"
    model.write_bytes(tflite.write(several_reasons()))
    arguments = (model, "--gpu", "--html", tmp_path / "page.html")
    as_json = subprocess.run(argv("ecbsr-audit", *arguments, "--json"), capture_output=True, text=True,
                             env=environment())  # fmt: skip
    assert as_json.returncode == 0, as_json.stderr
    report = json.loads(as_json.stdout)["files"][0]["gpu"]
    assert (report["status"], report["taken"], report["total"], report["precision"]) == ("partial", 3, 7, "fp32")
    assert set(report["refused"][0]) == {"node", "operator", "tensor", "reason"}
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert report["adapter"] in page and "has bad input dims size: 6" in page
    assert 'data-at="/files/0/gpu/taken" value="3"' in page
    as_text = subprocess.run(argv("ecbsr-audit", model, "--gpu"), capture_output=True, text=True, env=environment())
    assert report["adapter"] in as_text.stdout and "3/7" in as_text.stdout
    assert all(refused["reason"] in as_text.stdout for refused in report["refused"])
    assert "The CPU was measured, the GPU delegate was asked on this machine; the others are rule tables" in (
        as_text.stdout
    )
    assert " ms" not in as_text.stdout


def test_the_table_takes_what_ml_drift_takes_of_files_of_others() -> None:
    found = adapter()
    files = sorted((REFERENCE / "cases").rglob("*.tflite"))
    if not files:
        pytest.skip("there is no folder shared/ beside the repository")
    models = {path.name: sized(path.read_bytes()) for path in files}
    reports = query_models(models, adapter=found)
    for name, report in reports.items():
        tabled = audited(tflite.read(models[name]), "gpu_ml_drift")
        assert (report.taken, report.total) == (tabled.taken, tabled.total), name
    assert {name for name, report in reports.items() if report.status != "ok"} == {
        "rank6_and_cumsum.tflite",
        "reshape6d.tflite",
    }
    reasons = {op.reason for op in reports["rank6_and_cumsum.tflite"].refused}
    assert 'Tensor "functional_1/lambda_1/Reshape" has bad input dims size: 6.' in reasons
