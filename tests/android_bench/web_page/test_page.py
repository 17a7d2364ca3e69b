"""The page in a real browser: its pixels are those of the Python package, and it asks no other host for anything."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from android_bench.results import stats
from ecbsr_mobile import upscale, zoo
from ecbsr_mobile.images import resize_bicubic
from tests.android_bench.web_page.conftest import MODELS
from tests.helpers.commands import call_here
from tests.helpers.pages import served

SMALL = {"270p": [96, 54], "360p": [64, 36]}
"""Sizes to measure at, smaller than the names say: the tests are not about time."""


@contextmanager
def opened(
    browser: Any, folder: Path, changed: dict[str, bytes] | None = None, silent: bool = True, **options: Any
) -> Iterator[tuple[Any, list[str]]]:
    """The page with the sample shown, and the paths that the server was asked for; nothing is on a `silent` console."""
    with served(folder, changed) as (address, asked):
        context = browser.new_context(**{"service_workers": "block", **options})
        page = context.new_page()
        noise: list[str] = []
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        context.on("request", lambda request: noise.append(request.url) if is_foreign(request.url, address) else None)
        page.goto(address)
        page.wait_for_selector("html[data-ready]", timeout=120_000)
        page.set_default_timeout(60_000)
        yield page, asked
        context.close()
        noise = [line for line in noise if line != "Service Worker registration blocked by Playwright"]
        assert not (silent and noise), noise


def is_foreign(url: str, address: str) -> bool:
    return not url.startswith((address, f"blob:{address}", "data:"))


@pytest.fixture(scope="module")
def app(browser: Any, site: Path) -> Iterator[Any]:
    """A page for the tests that choose all that they need on it."""
    with opened(browser, site) as (page, _):
        yield page


def shown(page: Any, which: str = "ours") -> np.ndarray:
    """The RGB pixels of one of the two pictures."""
    url = page.evaluate(f"document.querySelector('#compare .{which}').toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB"))


def choose(page: Any, path: Path, size: tuple[int, int]) -> None:
    page.set_input_files("#file", path)
    waits_for(page, f"{size[0]}×{size[1]} → ")


def waits_for(page: Any, text: str) -> None:
    page.wait_for_function("text => document.getElementById('state').textContent.includes(text)", arg=text)


def select(page: Any, model: str) -> None:
    """Choose a model, and wait for the picture by it."""
    before, index = page.text_content("#state"), str(list(MODELS).index(model))
    if page.input_value("#model") == index:
        return
    page.select_option("#model", index)
    page.wait_for_function(
        "text => ![text, 'Computing…'].includes(document.getElementById('state').textContent)", arg=before
    )


@pytest.fixture
def picture(tmp_path: Path, random: np.random.Generator) -> Any:
    """Makes a PNG with the pixels of a photo at a size, and some noise."""
    with Image.open(next(path for path in zoo.pictures() if path.stem == "coffee")) as image:
        photo = np.asarray(image.convert("RGB")).astype(int)

    def make(width: int, height: int) -> tuple[Path, np.ndarray]:
        tall = np.pad(
            photo, ((0, max(0, height - photo.shape[0])), (0, max(0, width - photo.shape[1])), (0, 0)), "wrap"
        )
        noisy = tall[:height, :width] + random.integers(-20, 21, (height, width, 3))
        pixels = noisy.clip(0, 255).astype(np.uint8)
        path = tmp_path / f"{width}x{height}.png"
        Image.fromarray(pixels).save(path)
        return path, pixels

    return make


@pytest.mark.parametrize("model", MODELS)
def test_pixels_are_those_of_python(app: Any, picture: Any, model: str) -> None:
    sizes = [(61, 47), (5, 3), (1, 1), (2, 33)]
    if model == "luma int8":
        sizes.append((700, 530))  # in tiles
    select(app, model)
    for size in sizes:
        path, pixels = picture(*size)
        choose(app, path, size)
        assert np.array_equal(shown(app), upscale(pixels, MODELS[model])), size
        scale = 3 if model == "rgb int8" else 2
        plain = resize_bicubic(pixels.astype(np.float64), (size[0] * scale, size[1] * scale)).clip(0, 255)
        assert np.abs(shown(app, "bicubic") - plain).max() < 0.51, size


def test_a_dropped_picture_and_the_saved_result(app: Any, picture: Any, tmp_path: Path) -> None:
    path, pixels = picture(40, 30)
    select(app, "luma int8")
    drop = """([name, content]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name, { type: 'image/png' }));
      const event = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
      return document.getElementById('compare').dispatchEvent(event);
    }"""
    assert app.evaluate(drop, ["my.picture.png", base64.b64encode(path.read_bytes()).decode()]) is False  # not opened
    waits_for(app, "40×30 → ")
    with app.expect_download() as download:
        app.click("#save")
    assert download.value.suggested_filename == "my.picture-ecbsr-m4c8-x2-int8.png"
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), upscale(pixels, MODELS["luma int8"]))


def test_a_browser_without_relaxed_simd(browser: Any, site: Path, litert_files: dict[str, bytes], picture: Any) -> None:
    check = b'"relaxedSimd": () => {'
    index = litert_files["index.js"]
    assert index.count(check) == 1
    changed = {"litert/index.js": index.replace(check, check + b" return Promise.resolve({ supported: false });")}
    with opened(browser, site, changed) as (page, asked):
        path, pixels = picture(61, 47)
        choose(page, path, (61, 47))
        assert np.array_equal(shown(page), upscale(pixels, MODELS["luma int8"]))
        assert "without relaxed SIMD" in page.text_content("#support")
        assert "litert/wasm/litert_wasm_compat_internal.wasm" in asked


def write_clip(clip: Path, photo: np.ndarray) -> None:
    """15 frames of 80x48 that pan over a photo."""
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"VP80"), 10, (80, 48))
    for shift in range(15):
        writer.write(np.ascontiguousarray(photo[shift : shift + 48, shift : shift + 80, ::-1]))
    writer.release()


def test_changes_at_once_leave_one_loop(app: Any, tmp_path: Path, picture: Any) -> None:
    """More than one would have more than one picture in work at a time."""
    path, photo = picture(96, 64)
    write_clip(tmp_path / "clip.webm", photo)
    select(app, "luma int8")
    app.set_input_files("#file", tmp_path / "clip.webm")
    waits_for(app, "frames a second shown")
    app.evaluate(
        """() => {
          const post = Worker.prototype.postMessage;
          const works = new Set();
          Object.assign(window, { most: 0, posted: 0 });
          Worker.prototype.postMessage = function (message, ...rest) {
            if (!this.counts) this.addEventListener('message', ({ data }) => works.delete(data.id));
            this.counts = true;
            works.add(message.id);
            Object.assign(window, { most: Math.max(most, works.size), posted: posted + 1 });
            return post.call(this, message, ...rest);
          };
          const select = document.getElementById('model');
          for (const index of [1, 2, 0]) { select.value = index; select.dispatchEvent(new Event('change')); }
        }"""
    )
    app.wait_for_function("() => posted > 20")
    assert app.evaluate("most") == 1
    choose(app, path, (96, 64))
    assert np.array_equal(shown(app), upscale(photo, MODELS["luma int8"]))


def test_a_result_can_be_saved_after_a_source_that_fails(app: Any, picture: Any) -> None:
    path, _ = picture(40, 30)
    select(app, "luma int8")
    choose(app, path, (40, 30))
    app.click("#camera")
    app.wait_for_selector("#state.failed")
    with app.expect_download() as download:
        app.click("#save")
    assert download.value.suggested_filename == "40x30-ecbsr-m4c8-x2-int8.png"
    choose(app, path, (40, 30))  # the same file again


def test_a_clip(app: Any, tmp_path: Path, picture: Any) -> None:
    _, photo = picture(96, 64)
    clip = tmp_path / "clip.webm"
    write_clip(clip, photo)
    select(app, "luma int8")
    app.set_input_files("#file", clip)
    waits_for(app, "frames a second shown")
    assert "80×48 → 160×96" in app.text_content("#state")
    assert "dropped" in app.text_content("#state")
    app.click("#pause")
    app.locator("#pause", has_text="Play").wait_for()
    select(app, "luma fp32")  # shows the frame at which the clip stands
    select(app, "luma int8")
    frame = app.evaluate(
        "() => { const video = document.getElementById('video'); const canvas = document.createElement('canvas');"
        "[canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];"
        "canvas.getContext('2d').drawImage(video, 0, 0); return canvas.toDataURL('image/png') }"
    )
    with Image.open(io.BytesIO(base64.b64decode(frame.partition(",")[2]))) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert np.abs(pixels.astype(int) - photo[7:55, 7:87]).mean() < 40  # a frame of the clip, not black
    assert np.array_equal(shown(app), upscale(pixels, MODELS["luma int8"]))
    app.click("#pause")
    app.click("#sample")
    waits_for(app, "384×264 → ")
    assert app.is_hidden("#pause")
    assert app.evaluate("document.getElementById('video').readyState") == 0


@pytest.mark.parametrize(
    ("name", "message"), [("no.png", "cannot read the file as a picture"), ("no.mp4", "cannot play the clip")]
)
def test_files_that_are_no_pictures(app: Any, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"nothing of that kind")
    app.set_input_files("#file", tmp_path / name)
    waits_for(app, message)


def test_a_model_that_does_not_load_is_no_dead_end(browser: Any, site: Path, picture: Any) -> None:
    (damaged,) = (f"models/{model['file']}" for model in json.loads((site / "page.json").read_text())["models"][:1])
    with opened(browser, site, {damaged: (site / damaged).read_bytes()[:3000]}, silent=False) as (page, _):
        waits_for(page, "The network could not run: ")
        path, pixels = picture(20, 10)
        page.select_option("#model", str(list(MODELS).index("luma fp32")))
        choose(page, path, (20, 10))
        assert np.array_equal(shown(page), upscale(pixels, MODELS["luma fp32"]))


def test_a_program_that_does_not_load_is_named(browser: Any, site: Path) -> None:
    with served(site, {"litert/wasm/litert_wasm_internal.js": b"throw new Error('no program');"}) as (address, _):
        page = browser.new_page(service_workers="block")
        page.goto(address)
        page.wait_for_selector("#start.failed", timeout=60_000)
        assert "This page cannot run here: LiteRT.js cannot be loaded: no program" in page.text_content("#start")
        page.close()


def test_a_picture_that_is_too_large_is_cut(app: Any) -> None:
    code = """async () => {
      const { readPicture } = await import('./sources.js');
      const canvas = new OffscreenCanvas(2600, 2600);
      Object.assign(canvas.getContext('2d'), { fillStyle: 'rgb(10, 200, 90)' }).fillRect(0, 0, 2600, 2600);
      const { width, height, rgba, note } = await readPicture(await canvas.convertToBlob(), 2);
      return [width, height, [...new Uint8Array(rgba, 0, 4)], note];
    }"""
    width, height, first, note = app.evaluate(code)
    assert (width, height, first) == (1448, 1448, [10, 200, 90, 255])
    assert "the middle of 2600×2600" in note


def test_tiles_cover_every_length(app: Any) -> None:
    code = """async () => {
      const { spans } = await import('./upscaler.js');
      const cases = [];
      for (const radius of [0, 1, 6, 200]) for (const length of [1, 2, 511, 512, 513, 514, 700, 1011, 1023, 4000, 8192])
        cases.push([radius, length, spans(length, radius)]);
      return cases;
    }"""
    cases = app.evaluate(code)
    for radius, length, spans in cases:
        assert {span["size"] for span in spans} == {spans[0]["size"]}
        assert [span["from"] for span in spans] == [0, *(span["to"] for span in spans[:-1])]
        assert spans[-1]["to"] == length
        for span in spans:
            assert 0 <= span["start"] <= length - span["size"]
            assert span["start"] == 0 or span["from"] - span["start"] >= radius
            assert span["start"] + span["size"] == length or span["start"] + span["size"] - span["to"] >= radius


def test_the_divider(browser: Any, site: Path) -> None:
    with opened(browser, site, viewport={"width": 390, "height": 800}, has_touch=True) as (page, _):
        divider, at = page.locator("[role=slider]"), "document.querySelector('[role=slider]').ariaValueNow"
        box = page.locator("#compare").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 30)
        page.mouse.up()
        assert page.evaluate(at) == "25"
        page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + 20)
        assert page.evaluate(at) == "80"
        divider.focus()
        for key, expected in (("ArrowLeft", "78"), ("PageUp", "88"), ("Home", "0"), ("End", "100")):
            divider.press(key)
            assert page.evaluate(at) == expected
        clip = page.evaluate("getComputedStyle(document.querySelector('#compare .ours')).clipPath")
        assert clip == "inset(0px 0px 0px 100%)"
        page.check("#actual")
        assert page.evaluate("document.querySelector('#compare').offsetWidth") == 768


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_screen(app: Any, width: int, scheme: str) -> None:
    app.set_viewport_size({"width": width, "height": 800})
    app.emulate_media(color_scheme=scheme)
    assert app.evaluate("document.documentElement.scrollWidth") <= width
    for box in (each.bounding_box() for each in app.locator("button:visible, select:visible, canvas").all()):
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    red, *_ = app.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (red > 200) == (scheme == "light")
    assert "missing: the browser offers no GPU" in app.text_content("#support")


def test_no_other_host_can_be_reached(browser: Any, site: Path) -> None:
    with served(site) as (address, _), served(site) as (foreign, asked):
        page = browser.new_page(service_workers="block")
        page.goto(address)
        page.wait_for_selector("html[data-ready]", timeout=120_000)
        ask = f"fetch({json.dumps(foreign)}, {{ mode: 'no-cors' }}).then(() => 'sent', (error) => error.name)"
        assert page.evaluate(ask) == "TypeError"
        assert page.workers[0].evaluate(ask) == "TypeError"
        blocked = (
            "new Promise((done) => { const i = new Image(); i.onload = i.onerror = ({ type }) => done(type); i.src = "
        )
        assert page.evaluate(f"{blocked} {json.dumps(foreign + 'sample.png')} }})") == "error"
        assert asked == []
        page.close()


def test_a_page_that_cannot_be_kept_says_so(browser: Any, site: Path) -> None:
    worker = (site / "sw.js").read_text().replace('"style.css"', '"no such file"')
    with opened(browser, site, {"sw.js": worker.encode()}, service_workers="allow", silent=False) as (page, _):
        page.wait_for_selector("html[data-offline]", timeout=120_000)
        assert "could not be kept (a file of it did not arrive)" in page.text_content("#support")


def test_offline_once_loaded_and_small(browser: Any, site: Path, picture: Any) -> None:
    path, pixels = picture(31, 22)
    context = browser.new_context()  # with its service worker
    page = context.new_page()
    with served(site) as (address, asked):
        page.goto(address)
        page.wait_for_selector("html[data-offline]", timeout=120_000)
        assert "works without a network" in page.text_content("#support")
        files = {path or "index.html" for path in asked}
        size = sum(len(gzip.compress((site / name).read_bytes(), 9)) for name in files)
        assert "litert/wasm/litert_wasm_internal.wasm" in files and len([n for n in files if n.endswith(".wasm")]) == 1
        assert size <= 4_000_000
    page.goto(address)  # the server is gone
    page.wait_for_selector("html[data-ready]", timeout=120_000)
    choose(page, path, (31, 22))
    assert np.array_equal(shown(page), upscale(pixels, MODELS["luma int8"]))
    page.goto(f"{address}index.html")
    page.wait_for_selector("html[data-ready]", timeout=120_000)
    context.close()


@pytest.fixture(scope="module")
def quick(site: Path) -> dict[str, bytes]:
    """The description of the page with small sizes and few runs."""
    document = json.loads((site / "page.json").read_text())
    document["sizes"] = SMALL
    document["protocol"] |= {"runs": 3, "warm_ups": 1}
    return {"page.json": json.dumps(document).encode()}


def measured(page: Any, tmp_path: Path) -> Path:
    page.click("#measure")
    with page.expect_download(timeout=120_000) as download:
        page.click("#download", timeout=120_000)
    path = tmp_path / "phone.json"
    download.value.save_as(path)
    return path


def test_the_statistics_are_those_of_the_bench(browser: Any, site: Path, quick: dict[str, bytes]) -> None:
    generator = random.Random(1)
    samples = [[generator.lognormvariate(2, 0.5) for _ in range(count)] for count in range(1, 30)]
    script = """async (samples) => {
      const { median, percentile, interval } = await import('./statistics.js');
      return samples.map((values) => [median(values), percentile(values, 0.95), interval(values)]);
    }"""
    with opened(browser, site, quick) as (page, _):
        found = page.evaluate(script, samples)
    for values, (middle, high, limits) in zip(samples, found, strict=True):
        assert [middle, high] == pytest.approx([np.median(values), np.quantile(values, 0.95)])
        expected = stats.interval(values)
        assert limits == (expected if expected is None else pytest.approx(expected, rel=1e-3)), len(values)


def test_milliseconds_for_the_bench(browser: Any, site: Path, quick: dict[str, bytes], tmp_path: Path) -> None:
    with opened(browser, site, quick) as (page, _):
        page.check("#models input[value='1']")
        path = measured(page, tmp_path)
        agent = page.evaluate("navigator.userAgent")
        table = page.locator("#rows tbody tr").all_text_contents()
    result = call_here("ecbsr-bench", "--import", path, "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    rows = document["results"]
    assert [(row["model"], row["size"]) for row in rows] == [
        (name, size) for name in ("ecbsr-m4c8-x2-int8", "ecbsr-m4c8-x2-fp32") for size in SMALL.values()
    ]
    assert len(table) == 4
    for row in rows:
        assert (row["device"], row["delegate"], row["status"], row["runs"]) == ("browser", "wasm", "ok", 6)
        assert row["ci95_ms"] == [min(row["run_ms"]), max(row["run_ms"])]
        assert row["ci95_ms"][0] <= row["median_ms"] <= row["ci95_ms"][1]
    device = document["devices"]["browser"]
    assert (device["kind"], device["system"]) == ("browser", agent)
    assert device["tool"]["version"] == "LiteRT.js 2.5.3, with relaxed SIMD"
    assert f"Measured in a browser: {agent}" in device["notes"]
    assert "WebGPU is missing" in " ".join(device["notes"])
    assert document["models"]["ecbsr-m4c8-x2-int8"]["recipe"]["precision"] == "int8"
    result = call_here("ecbsr-bench", "--import", path)
    assert f"browser: Measured in a browser: {agent}" in result.stderr
    result = call_here("ecbsr-bench", "--import", path, "--out", tmp_path / "report")
    assert agent in (tmp_path / "report" / "report.html").read_text()


def test_a_gpu_in_software_is_not_timed_as_one(
    gpu_browser: Any, site: Path, quick: dict[str, bytes], picture: Any, tmp_path: Path
) -> None:
    path, pixels = picture(31, 22)
    with opened(gpu_browser, site, quick) as (page, _):
        if "software" not in page.text_content("#support"):
            pytest.skip("this Chromium has no WebGPU in software")
        page.select_option("#accelerator", "webgpu")
        choose(page, path, (31, 22))
        assert "on the CPU (LiteRT.js runs this model on WebGPU not at all" in page.text_content("#state")
        select(page, "luma fp32")
        assert "on the CPU (WebGPU in software" in page.text_content("#state")
        difference = np.abs(shown(page).astype(int) - upscale(pixels, MODELS["luma fp32"]))
        assert (
            difference.max() <= 1 and (difference > 0).mean() < 0.001
        )  # within 5e-7, so that a half can round otherwise
        page.check("#models input[value='1']")
        page.uncheck("#accelerators input[value='wasm']")
        page.uncheck("#sizes input[value='270p']")
        document = json.loads(measured(page, tmp_path).read_text())
    by_precision = {row["precision"]: row for row in document["results"]}
    assert {row["delegate"] for row in document["results"]} == {"webgpu"}
    assert {row["median_ms"] for row in document["results"]} == {None}
    assert by_precision["fp32"]["status"] == "fallback" and "software" in by_precision["fp32"]["note"]
    assert by_precision["int8"]["status"] == "unsupported" and "on the CPU only" in by_precision["int8"]["note"]


def test_the_camera(gpu_browser: Any, site: Path, quick: dict[str, bytes]) -> None:
    with opened(gpu_browser, site, quick, permissions=["camera"]) as (page, _):
        page.click("#camera")
        waits_for(page, "frames a second shown")
        assert shown(page).std() > 20
        track = "document.getElementById('video').srcObject?.getTracks()[0].readyState"
        assert page.evaluate(track) == "live"
        page.evaluate("window.track = document.getElementById('video').srcObject.getTracks()[0]")
        page.click("#sample")
        waits_for(page, "384×264 → ")
        assert page.evaluate("window.track.readyState") == "ended"
