"""The audit page in a real browser: every figure is that of the JSON document, and it fits every screen."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from PIL import Image

from ecbsr_mobile import tflite, zoo
from export.audit import page as audit_page
from export.audit.batch import Audits, audit_all
from export.audit.graph_svg import MAX_NODES
from export.audit.model_audit import audit
from export.npu.results import STATUSES, CompileReport, EmulationResult, RefusedOp
from export.validation.difference import Difference
from export.validation.sample_crop import run_sample_crop
from tests.helpers.npu_models import negations, several_reasons
from tests.helpers.pages import (
    EVIL,
    LONG,
    assert_figures_are_those_of_the_file,
    assert_nothing_is_cut_off,
    opened,
    tags,
)
from tests.helpers.tflite_models import GraphBuilder, plain_network


def reports_of_every_status(pixels: np.ndarray) -> dict[str, CompileReport]:
    """Compile reports with and without an emulation, by SoC."""
    reports = {}
    for number, status in enumerate(STATUSES):
        known = status in ("ok", "partial")
        refused = (RefusedOp(1, "NEG", EVIL),) if status == "partial" else ()
        report = CompileReport(status, (960, 540), "integer", number / 7, refused=refused, note="" if known else EVIL)
        if known:
            to_cpu, to_fp32 = Difference(3 / 7, 50 / 3), Difference(0.0, None)
            emulated = EmulationResult((20, 12), to_cpu, to_fp32, pixels=pixels + number)
            counts = {"taken": 7 - number, "total": 7, "partitions": 1 + number}
            report = replace(report, **counts, read_mb=1 / 3, write_mb=2.5, spill_mb=0.0, emulated=emulated)
        reports[f"SM{number}"] = report
    reports["SM9"] = replace(reports["SM0"], emulated=EmulationResult(note="why not"))
    return reports


@pytest.fixture(scope="module")
def audits() -> Audits:
    models = {
        f"a/{EVIL}.tflite": tflite.write(tflite.with_metadata(plain_network("int8"), "ecbsr_mobile.recipe", json.dumps(
            {"model": EVIL, "loss": {"psnr_drop_db": 0.067}, "sizes": [[960, 540]], "a/b~c": 1}).encode())),
        f"{LONG}.tflite": tflite.write(negations()),
        "rank6.tflite": tflite.write(several_reasons()),
    }  # fmt: skip
    first, second, _ = models
    crop = run_sample_crop(models[first])
    by_path = {path: audit(model) for path, model in models.items()}
    for path in (first, second):
        by_path[path] = replace(by_path[path], npu=reports_of_every_status(crop.result))
    return Audits(by_path, {"x": f"{EVIL} is truncated"}, models, {first: crop, second: "no <image> input"})


def test_the_page_is_well_formed_and_self_contained(audits: Audits) -> None:
    page = audit_page.html(audits)
    elements = tags(page)
    assert not [tag for tag, _ in elements if tag in ("script", "iframe", "object", "base", "form")]
    links = {attrs.get(name) for _, attrs in elements for name in ("href", "src", "action") if attrs.get(name)}
    ids = {f"#{attrs['id']}" for _, attrs in elements if "id" in attrs}
    assert all(link is not None and (link.startswith("data:") or link in ids) for link in links)
    assert sum(link is not None and link.startswith("#") for link in links) > len(audits.by_path)
    assert "url(" not in page and "@import" not in page and "<script" not in page
    assert "is truncated" in page and "Not checked: mediatek" in page
    assert "compiler, static" in page and "vendor emulator, not a device" in page
    assert " ms" not in page


def test_the_answer_and_the_lights_come_before_every_table_and_graph(audits: Audits) -> None:
    page = audit_page.html(audits)
    answer = page.index('class="answer"')
    assert page.index("Of 3 models, these are taken whole: CPU") > answer
    for path, found in audits.by_path.items():
        for verdict in found.verdicts:
            assert escape(verdict.text) in page, (path, verdict)
    assert answer < page.index('class="lights"') < page.index("<svg") < page.index("rule table")
    assert "gpu_ml_drift" not in re.sub("<[^>]*>", "", page)
    one = audit_page.html(Audits({"b.tflite": audit(zoo.tflite("ecbsr-m4c8-x2", "int8"))}, {},
                                 {"b.tflite": zoo.tflite("ecbsr-m4c8-x2", "int8").read_bytes()}, {}))  # fmt: skip
    assert "b.tflite: taken whole by CPU, GPU (ML Drift), GPU (classic)" in one


def test_a_phone_shows_the_answer_before_four_screens_and_cells_for_fingers(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "audit.html"
    model = tflite.write(plain_network("int8"))
    path.write_text(audit_page.html(Audits({"a.tflite": audit(model)}, {}, {"a.tflite": model}, {})), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(path.as_uri())
    assert page.evaluate("document.querySelector('details').getBoundingClientRect().top") < 4 * 844
    assert page.evaluate("[...document.querySelectorAll('nav a, summary')].every(e => e.offsetHeight >= 44)")
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    sizes = page.evaluate("[...document.querySelectorAll('.cell[width]')].map(e => e.getBoundingClientRect().width)")
    assert sizes and min(sizes) >= 24
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")
    page.close()


def test_crops_are_the_computed_pixels(audits: Audits) -> None:
    crop = next(crop for crop in audits.sample_crops.values() if not isinstance(crop, str))
    images = {
        attrs["alt"]: np.asarray(Image.open(io.BytesIO(base64.b64decode((attrs["src"] or "").split(",")[1]))))
        for tag, attrs in tags(audit_page.html(audits))
        if tag == "img"
    }
    assert set(images) == {
        "low resolution", "bicubic", "difference: bicubic", "this file, on this machine's CPU",
        "emulated: SM0", "difference: emulated: SM0", "emulated: SM1", "difference: emulated: SM1",
    }  # fmt: skip
    np.testing.assert_array_equal(images["low resolution"][::2, ::2], crop.lr[:, :, 0])
    result = np.round(crop.result[:, :, 0]).astype(np.uint8)
    np.testing.assert_array_equal(images["this file, on this machine's CPU"], result)
    np.testing.assert_array_equal(images["emulated: SM0"], result)
    assert not images["difference: emulated: SM0"].any()
    assert (images["difference: emulated: SM1"] == audit_page.AMPLIFICATION).all()


def test_the_page_without_models() -> None:
    page = audit_page.html(Audits({}, {}, {}, {}))
    assert "0 models" in page
    tags(page)


def test_a_large_graph_is_not_drawn() -> None:
    make = GraphBuilder()
    y = make.input((1, 4, 4, 1))
    for _ in range(MAX_NODES + 1):
        y = make.unary("RELU", y)
    model = tflite.write(make.graph(y))
    page = audit_page.html(Audits({"large.tflite": audit(model)}, {}, {"large.tflite": model}, {}))
    assert f"{MAX_NODES + 1} nodes is not drawn" in page and "<svg" not in page


def test_a_real_audit_becomes_a_page(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite.write(plain_network("int8")))
    page = audit_page.html(audit_all([tmp_path], sample_crops=True))
    assert page.count("<img") == 4 and "model.tflite" in page


def test_a_bundled_model_is_compared_with_its_float_counterpart() -> None:
    page = audit_page.html(audit_all([zoo.tflite("ecbsr-m4c8-x2", "int8")], sample_crops=True))
    this_file = "this file, on this machine's CPU"
    assert [attrs["alt"] for tag, attrs in tags(page) if tag == "img"] == [
        "low resolution", "fp32, on this machine", "bicubic", "difference: bicubic", this_file,
        f"difference: {this_file}",
    ]  # fmt: skip
    assert "difference from\nthe fp32 model&#39;s result" in page


@pytest.mark.parametrize("width", [360, 1100])
def test_the_table_of_many_files_is_on_the_first_screen_and_links_to_each(
    browser: Any, audits: Audits, tmp_path: Path, width: int
) -> None:
    models = {f"model{number}.tflite": audits.models["rank6.tflite"] for number in range(30)}
    many = Audits(dict.fromkeys(models, audits.by_path["rank6.tflite"]), {"x": "x is truncated"}, models, {})
    path = tmp_path / "audit.html"
    path.write_text(audit_page.html(many), encoding="utf-8")
    page, _ = opened(browser, path, width, "light")
    assert page.locator("table").first.bounding_box()["y"] < 600
    for number in (1, 29):
        page.get_by_role("link", name=f"model{number}.tflite", exact=True).click()
        top = page.get_by_role("heading", name=f"model{number}.tflite", exact=True).bounding_box()["y"]
        assert 0 <= top < 100
    headings = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(e => e.tagName)")
    assert headings == ["H1"] + ["H2"] * 31


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
def test_in_a_browser(browser: Any, audits: Audits, tmp_path: Path, width: int, scheme: str) -> None:
    path = tmp_path / "audit.html"
    path.write_text(audit_page.html(audits), encoding="utf-8")
    page, requests = opened(browser, path, width, scheme)
    assert [url for url in requests if url != path.as_uri() and not url.startswith("data:")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    shown = page.evaluate("[...document.querySelectorAll('[data-at]')].map(e => [e.dataset.at, e.textContent])")
    document = json.loads(json.dumps(audits.to_json()))
    assert_figures_are_those_of_the_file(shown, document)
    places = {pointer for pointer, _ in shown}
    for index, file in enumerate(document["files"]):
        for name in file["audit"]:
            assert f"/files/{index}/audit/{name}/partitions" in places
        for soc, report in file.get("npu", {}).get("qualcomm", {}).items():
            known = report["read_mb"] is not None
            for name in ("taken", "partitions", "read_mb", "write_mb", "spill_mb"):
                assert (f"/files/{index}/npu/qualcomm/{soc}/{name}" in places) == known
    assert_nothing_is_cut_off(page)
    page.close()
