"""Models for the page: patched to any size they are the resized file, and what LiteRT.js cannot run is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from android_bench.models import read_models
from android_bench.web_page.models import PageModel, page_model
from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import Graph, recipe
from tests.helpers.upscalers import DOUBLING, bundled_in_0_255, dilated, globally_pooled, pooled, strided

REFUSED = {
    "NCHW": "channels, height, width",
    "NCHW luma": "channels, height, width",
    "NCHW to NHWC": "channels, height, width",
    "dynamic NCHW": "channels, height, width",
    "int8 without a scale": "have no quantization",
    "int16": "stored as INT16",
    "int16 in 0..255": "stored as INT16",
    "int32 without a scale": "stored as INT32",
    "uint8 to float": "stored as UINT8 and FLOAT32",
    "float to int8": "stored as FLOAT32 and INT8",
}


def made(graph: Graph, folder: Path, name: str = "some model", records_range: bool = True) -> PageModel:
    path = folder / f"{name}.tflite"
    path.write_bytes(tflite.write(recipe.write(graph, {"range": [0, 1]}) if records_range else graph))
    (model,) = read_models([path]).values()
    return page_model(model, 0)


def patched(model: PageModel, width: int, height: int) -> bytes:
    """What the page does with the file."""
    words = np.frombuffer(model.content, "<i4").copy()
    for word, a, b, c in model.description["shapes"]:
        words[word] = a * width + b * height + c
    return words.tobytes()


def run(content: bytes, image: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("name", sorted(set(DOUBLING) - set(REFUSED)))
def test_a_patched_file_doubles_pixels_at_any_size(name: str, tmp_path: Path, random: np.random.Generator) -> None:
    model = made(DOUBLING[name](), tmp_path)
    stored = model.description["input"]
    for width, height in ((50, 31), (7, 13), (1, 1)):
        image = random.integers(0, 256, (1, height, width, 3), np.uint8)
        given = image if stored["dtype"] == "uint8" else (image / np.float32(255)).astype(np.float32)
        result = run(patched(model, width, height), given)
        assert np.array_equal(result, given.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_what_the_page_cannot_run_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match=reason) as refusal:
        made(DOUBLING[name](), tmp_path)
    assert str(refusal.value).startswith(f"{tmp_path / 'some model.tflite'}: ")


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (strided(), "modulo 2"),
        (pooled(), "modulo 2"),
        (globally_pooled(by_mean=True), "depend on the whole image"),
        (globally_pooled(by_mean=False), "depend on the whole image"),
    ],
)
def test_results_that_depend_on_the_tile_are_refused(graph: Graph, reason: str, tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match=reason):
        made(graph, tmp_path)


def test_a_range_that_is_not_recorded_is_found(tmp_path: Path) -> None:
    model = made(bundled_in_0_255(), tmp_path, records_range=False)
    assert model.description["input"]["white"] == (255.0,)
    assert f"{model.description['name']}: values in [0, 255] are assumed" in " ".join(model.notes)
    assert "--range" not in " ".join(model.notes)  # the command has no such option


def test_the_receptive_field_is_known(tmp_path: Path) -> None:
    assert made(dilated(), tmp_path).description["radius"] == 6


@pytest.mark.parametrize("name", ["ecbsr-m4c8-x2", "ecbsr-m4c16-rgb-x3"])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_bundled_model_is_the_resized_file(name: str, precision: str, random: np.random.Generator) -> None:
    (model,) = read_models([zoo.tflite(name, precision)]).values()
    page = page_model(model, 3)
    size = (37, 29)
    image = random.integers(0, 256, (1, size[1], size[0], page.description["colors"]), np.uint8)
    if precision == "fp32":
        given = (image / np.float32(255)).astype(np.float32)
        assert np.array_equal(run(patched(page, *size), given), run(model.resized(size), given))
        assert page.description["webgpu"] and page.description["note"] == ""
    else:
        signed = run(model.resized(size), (image ^ 0x80).view(np.int8))
        assert np.array_equal(run(patched(page, *size), image), signed.view(np.uint8) ^ 0x80)
        assert not page.description["webgpu"] and "2 QUANTIZE nodes more" in page.description["note"]
    assert page.file == f"3-{name}-{precision}.tflite"
    assert "path" not in page.description["info"]


def test_names_are_safe_in_addresses(tmp_path: Path) -> None:
    assert made(DOUBLING["depth to space"](), tmp_path, "a b#?é").file == "0-a-b-.tflite"
