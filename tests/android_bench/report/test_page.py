"""The report page in a real browser: every figure equals that of `results.json`, and the page fits every screen."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from android_bench.config import Case
from android_bench.report import page as report_page
from android_bench.results import aggregate, baseline, serialize, types
from android_bench.results.types import Check, Core, DeviceInfo, Energy, OperatorTime, Results, Run, State, Tool
from ecbsr_mobile import html
from tests.helpers.pages import (
    EVIL,
    LONG,
    assert_figures_are_those_of_the_file,
    assert_nothing_is_cut_off,
    at,
    opened,
    tags,
)  # fmt: skip

ENERGIES = {
    "ok": Energy(46.81, (46.25, 47.38), 1170.0, 3510.0, "fuel gauge"),
    "partial": Energy(source="power rails", note="no figure: the phone is <powered>"),
}


def session() -> Results:
    """Rows of every status, names that are markup, and every optional part."""
    rows = []
    for model, precision in ((EVIL, "int8"), (LONG, "fp32")):
        for size in ((480, 270), (1920, 1080), (33, 17)):
            for number, status in enumerate(types.STATUSES):
                device, delegate = (
                    ("host", "cpu") if status == "ok" else ("R58M", ("gpu", "nnapi:some-npu")[number % 2])
                )
                case = Case(model, precision, device, delegate, number + 1, size)
                base = size[0] * size[1] / 40_000 + number
                runs = [
                    Run(
                        case,
                        k,
                        status,
                        "a note",
                        base + k / 9,
                        base + k / 5,
                        nodes_delegated=5,
                        nodes_total=8,
                        partitions=2,
                    )
                    for k in range(1, 8)
                ]
                check = Check(3.25, 51.5) if status == "partial" else Check(note="not compared: no word")
                profile = (OperatorTime("CONV_2D", 6, 3.625, 0.75), OperatorTime("ADD", 2, 1.25, 0.25))
                energy = ENERGIES.get(status)
                rows.append(aggregate.row(case, runs, 8, check, profile if status == "ok" else (), energy))
    states = tuple(State(k * 7.5, 30 + k / 3, 35 + k / 2, k % 2, 80, ("schedutil",), (1800, 3000)) for k in range(12))
    phone = DeviceInfo(
        name="R58M",
        kind="phone",
        model="Maker & <Model>",
        soc="Chip 1",
        system="Android 14 (API 34)",
        fingerprint="maker/model/model:14/UP1A.231005.007/1234567890123456789:user/release-keys",
        abis=("arm64-v8a", "armeabi-v7a"),
        cores=(Core(0, 1800), Core(1, 3000)),
        tool=Tool("tflite", "nightly", "ab" * 32, 5_000_000),
        notes=("the battery saver is on",),
    )
    recipe = {"model": "ecbsr-m4c16-x2", "loss": {"psnr_drop_db": 0.067, "set": "Set14"}, "sizes": [[960, 540]]}
    return Results(
        results=tuple(rows),
        devices={"host": DeviceInfo("host", "host", "A CPU"), "R58M": phone},
        models={EVIL: {"precision": "int8", "operators": {"CONV_2D": 7}, "sha256": "cd" * 32, "recipe": recipe}},
        states={"R58M": states},
        settings={"rounds": 8, "iterations": 20},
        started="2026-01-02T03:04:05+00:00",
        failures={"R58M": "R58M did not come back <soon>"},
    )


@pytest.fixture(scope="module")
def results() -> Results:
    return session()


def test_the_page_is_well_formed_and_self_contained(results: Results) -> None:
    page = report_page.html(results, baseline.compare(results, results, 1.05))
    elements = tags(page)
    assert not [tag for tag, _ in elements if tag in ("script", "img", "iframe", "object", "base", "form")]
    links = [attrs.get(name) for _, attrs in elements for name in ("href", "src", "action") if attrs.get(name)]
    assert links[0] == "data:,"
    ids = {attrs["id"] for _, attrs in elements if "id" in attrs}
    assert len(links) > 5 and {link[1:] for link in links[1:] if link} <= ids, "a link leads nowhere"
    assert all(link and link.startswith("#") for link in links[1:])
    assert "url(" not in page and "@import" not in page and "http" not in page


def test_the_page_of_an_empty_session() -> None:
    page = report_page.html(Results((), {}))
    tags(page)
    assert "no device" in page and "Nothing was timed" in page


def test_problems_stand_at_the_top(results: Results) -> None:
    page = report_page.html(results)
    answer, problems = page.index('class="answer"'), page.index('id="problems"')
    latency = page.index('id="latency1"')
    assert answer < latency < problems < page.index("<summary>Side by side") < page.index("<summary>All rows")
    top = page[problems : page.index("</section>", problems)]
    for status in types.STATUSES:
        assert (f">{status}<" in top) == (status != "ok")
    assert "did not come back &lt;soon&gt;" in top


def test_energy_is_a_column_where_it_was_measured(results: Results) -> None:
    page = report_page.html(results)
    assert "mJ an image" in page and ">fuel gauge<" in page
    assert "; energy: no figure: the phone is &lt;powered&gt;" in page
    without = replace(results, results=tuple(replace(row, energy=None) for row in results.results))
    assert "mJ" not in report_page.html(without)


def test_text_is_readable_in_both_schemes() -> None:
    css = (Path(html.__file__).parent / "base.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        colors = dict(re.findall(r"--([\w]+): (#[0-9a-f]{6})", block))
        for name in ("ink", "soft", "good", "warn", "bad", "s0", "s1", "s2", "s3"):
            assert _contrast(colors[name], colors["card"]) >= 4.5, name


def _contrast(first: str, second: str) -> float:
    """WCAG 2.1's contrast ratio."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
def test_figures_marks_and_layout_in_a_browser(
    browser: Any, results: Results, tmp_path: Path, width: int, scheme: str
) -> None:
    path = tmp_path / "report.html"
    compared = baseline.compare(results, earlier(results), 1.05)
    path.write_text(report_page.html(results, compared), encoding="utf-8")
    page, requests = opened(browser, path, width, scheme)
    assert [url for url in requests if url not in (path.as_uri(), "data:,")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"
    red, *_ = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert (red > 128) == (scheme == "light")
    document = json.loads(json.dumps(serialize.document(results, compared)))
    shown = page.evaluate("[...document.querySelectorAll('[data-at]')].map(e => [e.dataset.at, e.textContent])")
    assert_figures_are_those_of_the_file(shown, document)
    _assert_the_file_is_shown(shown, document)
    _assert_no_other_number_is_shown(page.evaluate(OTHER_TEXT), document)
    _assert_marks_stand_where_the_axis_says(page.evaluate(MARKS), document)
    assert_nothing_is_cut_off(page)
    page.close()


def test_a_phone_shows_the_answer_and_the_latency_before_four_screens(browser: Any, tmp_path: Path) -> None:
    results = session()
    rows = [row for row in results.results if row.model == LONG and row.size != (33, 17)][:12]
    path = tmp_path / "report.html"
    path.write_text(report_page.html(replace(results, results=tuple(rows))), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(path.as_uri())
    assert page.evaluate("document.querySelector('details').getBoundingClientRect().top") < 4 * 844
    assert page.evaluate("[...document.querySelectorAll('nav a, summary')].every(e => e.offsetHeight >= 44)")
    assert page.evaluate("[...document.querySelectorAll('.light')].every(e => /[●◐✕?]/.test(e.textContent))")
    page.close()


def earlier(results: Results) -> Results:
    """The same rows a little faster, and some without a figure."""
    rows = [
        replace(row, median_ms=round(row.median_ms / 1.25, 4), ci95_ms=None if index % 2 else row.ci95_ms)
        if row.median_ms and index % 3
        else replace(row, median_ms=None, status="failed")
        for index, row in enumerate(results.results)
    ]
    return replace(results, results=tuple(rows))


def _assert_the_file_is_shown(shown: list[list[str]], document: Any) -> None:
    places = {pointer for pointer, _ in shown}
    for index, row in enumerate(document["results"]):
        assert (f"/results/{index}/median_ms" in places) == (row["median_ms"] is not None)
        assert (f"/results/{index}/ci95_ms/1" in places) == (row["ci95_ms"] is not None)
        measured = row["energy"] is not None and row["energy"]["mj"] is not None
        assert (f"/results/{index}/energy/mj" in places) == (f"/results/{index}/energy/ci95_mj/1" in places) == measured
    for index, comparison in enumerate(document["baseline"]):
        assert (f"/baseline/{index}/ratio" in places) == (comparison["ratio"] is not None)
    for part in ("battery_celsius", "skin_celsius", "thermal_status"):
        extremes = {max(range(12), key=lambda k, part=part: document["states"]["R58M"][k][part])}
        assert all(f"/states/R58M/{k}/{part}" in places for k in extremes)


OTHER_TEXT = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest("[data-at], .axis, .ends")) texts.push(walker.currentNode.data);
  return texts;
}"""


def _assert_no_other_number_is_shown(texts: list[str], document: Any) -> None:
    numbers = re.compile(r"\d+(?:\.\d+)?")
    # 95 % intervals, 60 and 30 frames per second
    known = {*numbers.findall(json.dumps(document)), "95", "60", "30", "16.7", "33.3"}
    assert [text for text in texts if not known.issuperset(numbers.findall(text))] == []


MARKS = """() => {
  const box = (e) => e.getBoundingClientRect(), middle = (e) => (box(e).left + box(e).right) / 2;
  const line = (track) => ({
    at: track.nextElementSibling.querySelector("[data-at]").dataset.at,
    track: [box(track).left, box(track).right],
    dot: [...track.querySelectorAll(".dot")].map(middle),
    range: [...track.querySelectorAll(".range, .share")].map((e) => [box(e).left, box(e).right]),
  });
  return [...document.querySelectorAll(".plot")].map((plot) => ({
    axis: [...plot.querySelectorAll(".axis:not(.rates) span")].map((e) => [Number(e.textContent), middle(e)]),
    lines: [...plot.querySelectorAll(".track")].map(line),
  }));
}"""


def _assert_marks_stand_where_the_axis_says(plots: list[dict[str, Any]], document: Any) -> None:
    seen = set()
    for plot in plots:
        for line in plot["lines"]:
            pointer, what = line["at"].rsplit("/", 1)
            row, (left, right) = at(document, pointer), line["track"]
            seen.add(what)
            if what == "ms":
                ((_, end),) = line["range"]
                assert end == pytest.approx(left + (right - left) * row["share"], abs=1.5)
                continue
            (low, start), (high, end) = plot["axis"][0], plot["axis"][-1]

            def place(
                value: float, low: float = low, start: float = start, high: float = high, end: float = end
            ) -> float:
                return start + (end - start) * math.log(value / low) / math.log(high / low)

            assert line["dot"] == [pytest.approx(place(row["median_ms"]), abs=1.5)]
            limits = [min(max(place(limit), left), right) for limit in row["ci95_ms"]]
            assert line["range"] == [pytest.approx(limits, abs=1.5)]
    assert seen == {"median_ms", "ms"}
