"""The before/after page: what it shows, how large it gets, and its divider in a real browser."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.feature import match_template

from ecbsr_mobile import Picture, images, zoo
from ecbsr_mobile.html.comparison import MAX_BYTES, MAX_SAMPLES, Sample, Sampler, page
from tests.helpers.commands import call_here, refused
from tests.helpers.pages import EVIL, LONG, opened, tags

MODEL = zoo.tflite("ecbsr-m4c16-x2")


def flat(value: int, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (value,) * 3).save(file, "JPEG")
    return file.getvalue()


def shown(html: bytes) -> list[NDArray[np.uint8]]:
    """The images of a page: the result and bicubic of each sample."""
    urls = [attributes["src"] or "" for tag, attributes in tags(html.decode()) if tag == "img"]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))) for url in urls]


@pytest.mark.parametrize("alpha", [False, True])
def test_a_page_shows_the_result_and_bicubic(tmp_path: Path, alpha: bool) -> None:
    path = next(path for path in zoo.pictures() if path.stem == "chelsea")
    with Image.open(path) as picture:
        small = picture.convert("RGBA" if alpha else "RGB").crop((40, 30, 240, 180))
    if alpha:
        small.putalpha(Image.linear_gradient("L").resize(small.size))
    small.save(tmp_path / "in.png")
    arguments = ("-o", tmp_path / "out.png", "--model", MODEL, "--compare", tmp_path / "page.html")
    assert call_here("ecbsr-upscale", tmp_path / "in.png", *arguments).returncode == 0
    with Image.open(tmp_path / "out.png") as larger:
        expected = larger.convert("RGBA")
    white = Image.new("RGBA", expected.size, "white")
    result, bicubic = shown((tmp_path / "page.html").read_bytes())
    difference = np.abs(np.asarray(Image.alpha_composite(white, expected).convert("RGB")) - result.astype(float))
    assert difference.mean() < 1.5  # JPEG
    on_white = Image.alpha_composite(white.resize(small.size), small.convert("RGBA")).convert("RGB")
    by_pillow = np.asarray(on_white.resize(expected.size, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(by_pillow - bicubic).mean() < 1.5
    assert np.abs(bicubic.astype(float) - result).mean() > 0.5
    refused(call_here("ecbsr-upscale", tmp_path / "in.png", *arguments, "--skip-existing"), 2, "page.html exists")


@pytest.mark.parametrize("corner", [(0, 0), (700, 500), (333, 177)])
def test_of_a_large_image_the_part_with_the_most_detail_is_shown(corner: tuple[int, int]) -> None:
    with Image.open(zoo.pictures()[0]) as picture:
        detailed = np.asarray(picture.convert("RGB"))[:200, :300]
    pixels = np.full((700, 1000, 3), 90, np.uint8)
    pixels[corner[1] : corner[1] + 200, corner[0] : corner[0] + 300] = detailed
    sampler = Sampler(Picture(pixels), 2)
    result = pixels.repeat(2, axis=0).repeat(2, axis=1)
    for top in range(0, 1400, 300):
        sampler.add(Picture(result[top : top + 300]))
    sample = sampler.sample("large")
    assert (sample.size, sample.larger, sample.shown) == ((1000, 700), (2000, 1400), (960, 720))
    after, before = shown(page([sample], "m", 1))
    assert after.shape == before.shape == (720, 960, 3)
    part = result[2 * corner[1] : 2 * corner[1] + 400, 2 * corner[0] : 2 * corner[0] + 600].mean(axis=2)
    assert match_template(after.mean(axis=2), part).max() > 0.99
    assert match_template(before.mean(axis=2), part).max() > 0.9  # the same part


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 700), (2000, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size_and_depth(size: tuple[int, int], dtype: type, random: np.random.Generator) -> None:
    pixels = random.integers(0, np.iinfo(dtype).max, (size[1], size[0], 1), dtype, endpoint=True)
    sampler = Sampler(Picture(pixels), 3)
    sampler.add(Picture(pixels.repeat(3, axis=0).repeat(3, axis=1)))
    after, before = shown(page([sampler.sample("a")], "m", 1))
    assert after.shape == before.shape == (min(3 * size[1], 720), min(3 * size[0], 960), 3)


def test_a_page_stays_small(random: np.random.Generator) -> None:
    """Noise is the worst case of JPEG."""
    noise = random.integers(0, 256, (360, 480, 3), np.uint8)
    sampler = Sampler(Picture(noise), 2)
    sampler.add(Picture(random.integers(0, 256, (720, 960, 3), np.uint8)))
    sample = sampler.sample("noise")
    assert max(len(sample.result), len(sample.bicubic)) <= MAX_BYTES
    assert len(page([sample] * MAX_SAMPLES, "m", 99)) < 20_000_000


def test_only_some_of_many_images_are_shown(tmp_path: Path) -> None:
    with Image.open(zoo.pictures()[0]) as picture:
        for number in range(MAX_SAMPLES + 1):
            picture.crop((number, 0, number + 20, 16)).save(tmp_path / f"{number:02}.png")
    result = call_here("ecbsr-upscale", tmp_path, "-o", tmp_path / "out", "--model", MODEL,
                       "--compare", tmp_path / "page.html", "--format", "jpg")  # fmt: skip
    assert result.returncode == 0, result.stderr
    html = (tmp_path / "page.html").read_bytes()
    assert len(shown(html)) == 2 * MAX_SAMPLES
    assert f"{MAX_SAMPLES} of {MAX_SAMPLES + 1} images are shown" in html.decode()


def test_a_page_has_the_name_of_one(tmp_path: Path) -> None:
    images.write(Picture(np.zeros((4, 4, 3), np.uint8)), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    refused(
        call_here("ecbsr-upscale", tmp_path / "a.png", "--compare", tmp_path / "a.png", "--overwrite"), 2, "NAME.html"
    )
    assert (tmp_path / "a.png").read_bytes() == before


def cut(box: Any) -> float:
    """Where the screenshot of a divided image changes from black to white, from 0 to 1; without label and handle."""
    pixels = np.asarray(Image.open(io.BytesIO(box.screenshot())).convert("L"))
    row = pixels[int(0.8 * len(pixels)), 2:-2] > 127  # without the border
    return float(np.argmax(row)) / len(row)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_the_divider_moves_by_mouse_touch_and_keyboard(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    size = (600, 400)
    samples = [Sample(name, (300, 200), size, size, flat(0, size), flat(255, size)) for name in (EVIL, LONG)]
    (tmp_path / "page.html").write_bytes(page(samples, LONG, 2))
    opened_page, requests = opened(browser, tmp_path / "page.html", width, scheme)
    assert [url for url in requests if not url.startswith("data:")] == [(tmp_path / "page.html").as_uri()]
    assert opened_page.evaluate("document.documentElement.scrollWidth") <= width
    box = opened_page.locator(".compare").first
    other = opened_page.locator(".compare").nth(1)
    place = box.bounding_box()
    assert place["x"] >= 0 and place["x"] + place["width"] <= width
    assert cut(box) == pytest.approx(0.5, abs=0.02)

    opened_page.mouse.move(place["x"] + 0.5 * place["width"], place["y"] + 100)
    opened_page.mouse.down()
    for share in (0.3, 0.2, 0.75):
        opened_page.mouse.move(place["x"] + share * place["width"], place["y"] + 150)
        assert cut(box) == pytest.approx(share, abs=0.02)
    opened_page.mouse.up()
    opened_page.mouse.move(place["x"] + 0.1 * place["width"], place["y"] + 100)
    assert cut(box) == pytest.approx(0.75, abs=0.02)  # released
    assert cut(other) == pytest.approx(0.5, abs=0.02)

    opened_page.keyboard.press("Home")  # the clicked divider has the focus
    opened_page.keyboard.press("ArrowRight")
    assert cut(box) == pytest.approx(0.01, abs=0.02)
    opened_page.keyboard.press("Tab")
    opened_page.keyboard.press("End")
    assert box.locator("input").input_value() == "1"
    assert other.locator("input").input_value() == "100"
    name = other.locator("input").get_attribute("aria-label")
    assert name and re.search("Divider.*bicubic", name)
    opened_page.close()

    context = browser.new_context(viewport={"width": width, "height": 800}, has_touch=True, color_scheme=scheme)
    touched = context.new_page()
    touched.goto((tmp_path / "page.html").as_uri())
    touched.touchscreen.tap(place["x"] + 0.3 * place["width"], place["y"] + 100)
    assert cut(touched.locator(".compare").first) == pytest.approx(0.3, abs=0.02)
    context.close()
