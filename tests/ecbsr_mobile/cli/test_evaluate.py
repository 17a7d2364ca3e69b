"""`ecbsr-eval`: several models beside each other, and the gate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from ecbsr_mobile import zoo
from ecbsr_mobile.tflite import write
from tests.helpers import upscalers
from tests.helpers.commands import call_here, refused
from tests.helpers.tflite_models import GraphBuilder

NAMES = ("ecbsr-m4c16-x2", "ecbsr-m6c16-relu-x2", "ecbsr-m4c16-x4")
MODELS = [str(zoo.tflite(name)) for name in NAMES]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "two ä"
    folder.mkdir()
    for number, path in enumerate(zoo.pictures()[:2]):
        with Image.open(path) as picture:
            picture.convert("RGB").crop((40, 40, 136, 112)).save(folder / f"{number}.png")
    return folder


def test_several_models_are_compared_with_the_first_of_their_scale(data: Path) -> None:
    each = [json.loads(call_here("ecbsr-eval", model, "--data", data, "--json").stdout) for model in MODELS]
    result = call_here("ecbsr-eval", *MODELS, "--data", data, "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert [model["file"] for model in document["models"]] == MODELS
    for model, alone in zip(document["models"], each, strict=True):
        assert alone["sets"] == alone["models"][0]["sets"]
        assert model["sets"][0]["each"] == alone["sets"][0]["each"]
    first, second, other = (model["sets"][0] for model in document["models"])
    assert second["psnr_difference"] == second["psnr"] - first["psnr"] != 0
    assert (first["psnr_difference"], other["psnr_difference"]) == (0, 0)

    table = call_here("ecbsr-eval", *MODELS, "--data", data).stdout
    for path, scores in zip(MODELS, (first, second, other), strict=True):
        (line,) = (line for line in table.splitlines() if path in line)
        assert f"{scores['psnr']:.2f}" in line
    assert f"{second['psnr_difference']:+.2f}" in table
    rows = call_here("ecbsr-eval", *MODELS, "--data", data, "--each").stdout.splitlines()
    assert sum(line.startswith(tuple(MODELS)) for line in rows) == 9


def test_bicubic_is_that_of_others(data: Path) -> None:
    """The bicubic of MATLAB, by Pillow, whose filter is the same but for rounding; PSNR of luma by scikit-image."""
    (scores,) = json.loads(call_here("ecbsr-eval", MODELS[0], "--data", data, "--json").stdout)["sets"]
    for number, score in enumerate(scores["each"]):
        with Image.open(data / f"{number}.png") as picture:
            small = picture.resize((48, 36), Image.Resampling.BICUBIC)
            larger = small.resize((96, 72), Image.Resampling.BICUBIC)
            weights = np.array([65.481, 128.553, 24.966]) / 255
            high, low = (np.round(16 + np.asarray(each) @ weights)[2:-2, 2:-2] for each in (picture, larger))
        assert score["bicubic_psnr"] == pytest.approx(peak_signal_noise_ratio(high, low, data_range=255), abs=0.1)


def test_a_gate_on_psnr(data: Path) -> None:
    (scores,) = json.loads(call_here("ecbsr-eval", MODELS[0], "--data", data, "--json").stdout)["sets"]
    below, above = scores["psnr"] - 0.01, scores["psnr"] + 0.01
    assert call_here("ecbsr-eval", MODELS[0], "--data", data, "--min-psnr", below).returncode == 0
    for more in ((), ("--json",)):
        result = call_here("ecbsr-eval", MODELS[0], "--data", data, "--min-psnr", above, *more)
        assert result.returncode == 1
        assert f"{MODELS[0]} gives {scores['psnr']:.3f} dB on two ä: less than --min-psnr {above:g}" in result.stderr
        assert result.stdout  # the result is still printed
    refused(call_here("ecbsr-eval", MODELS[0], "--data", data, "--min-psnr", "nan"), 2, "not a number of decibels")


def test_folders_may_be_given_in_parts_and_a_gate_is_about_all(data: Path, tmp_path: Path) -> None:
    Image.effect_noise((64, 48), 100).save(tmp_path / "noise.png")  # which no model predicts
    result = call_here("ecbsr-eval", MODELS[0], "--data", tmp_path, "--data", data, "--min-psnr", "25", "--json")
    assert [each["folder"] for each in json.loads(result.stdout)["sets"]] == [str(tmp_path), str(data)]
    assert result.returncode == 1 and f"dB on {tmp_path.name}: less than" in result.stderr


def test_an_unreadable_image_is_named_once(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "set")
    (tmp_path / "set" / "broken.png").write_bytes(b"x")
    result = call_here("ecbsr-eval", *MODELS[:2], "--data", tmp_path / "set")
    assert result.returncode == 1
    assert result.stderr.count("broken.png") == 1


def test_a_model_that_does_not_enlarge_is_not_compared_with_bicubic(data: Path, tmp_path: Path) -> None:
    make = GraphBuilder()
    path = tmp_path / "blur.tflite"
    path.write_bytes(write(make.graph(upscalers.copying(make, make.input((1, 32, 48, 3)), 1))))
    result = call_here("ecbsr-eval", path, "--data", data)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_note_on_a_tflite_names_the_options_that_it_can_honor(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "nearest.tflite"
    path.write_bytes(write(upscalers.DOUBLING["nearest"]()))
    assert "misread (--range)" in call_here("ecbsr-eval", path, "--data", data).stderr
