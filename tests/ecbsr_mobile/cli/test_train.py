"""`ecbsr-train`: which settings a run gets, and what it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ecbsr_mobile import evaluate
from ecbsr_mobile.cli.train import main
from ecbsr_mobile.training.loop import saved_settings
from ecbsr_mobile.training.settings import PRESETS
from ecbsr_mobile.upscaling import open_model
from tests.helpers.commands import call, call_here, refused

pytestmark = pytest.mark.slow

SMALL = ("--blocks", "1", "--channels", "4", "--patch", "8", "--batch", "4", "--threads", "1", "--device", "cpu")


def test_a_preset_is_recorded_options_change_it_and_resume_needs_none(
    train_images: Path, val_images: Path, tmp_path: Path
) -> None:
    places = ("--data", train_images, "--val", val_images, "--out", tmp_path)
    options = (*SMALL, "--steps", "6", "--validate-every", "3")
    first = call_here("ecbsr-train", *places, *options, "--preset", "quick", "--minutes", "1e-9")
    assert first.returncode == 0, first.stderr
    assert "the time is over after step 1 of 6; to continue, add --resume" in first.stderr
    settings = saved_settings(tmp_path)
    assert settings is not None
    given = {"blocks": 1, "channels": 4, "patch": 8, "batch": 4, "steps": 6, "validate_every": 3, "preset": "quick"}
    assert {name: settings[name] for name in (*PRESETS["quick"], *given)} == {**PRESETS["quick"], **given}
    assert settings["lr"] == 5e-3  # SOAP's

    refused(call_here("ecbsr-train", *places, "--resume", "--steps", "7"), 2, "steps 6, not 7")
    resumed = call_here("ecbsr-train", *places, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert saved_settings(tmp_path) == settings
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["step"] == 6


def test_the_loss_is_shown_from_the_first_step_and_bicubic_beside_each_result(
    train_images: Path, val_images: Path, tmp_path: Path
) -> None:
    places = ("--data", train_images, "--val", val_images, "--out", tmp_path)
    result = call("ecbsr-train", *places, *SMALL, "--steps", "12", "--validate-every", "6")
    assert result.returncode == 0, result.stderr
    lines = result.stderr.splitlines()
    assert [re.sub(r"loss [\d.]+", "loss L", line) for line in lines if line.startswith("loss")] == [
        "loss L at step 1", "loss L at step 10",
    ]  # fmt: skip
    bicubic = evaluate(open_model("ecbsr-m4c8-x2"), val_images)[0].bicubic_psnr
    assert "note: this is less than bicubic; train longer" in result.stderr  # after 12 steps
    validations = [line for line in lines if line.startswith("step ")]
    assert len(validations) == 2
    assert all(f"bicubic {bicubic:.3f} dB" in line for line in (*validations, result.stdout))


def test_validation_images_that_are_trained_on_are_noted(train_images: Path, val_images: Path, tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    first = next(iter(sorted(train_images.iterdir())))
    (tmp_path / "val" / "linked.png").symlink_to(first)
    for path in val_images.iterdir():
        (tmp_path / "val" / path.name).symlink_to(path)
    options = (*SMALL, "--steps", "1", "--validate-every", "1")
    for val, noted in ((tmp_path / "val", True), (val_images, False)):
        result = call_here(
            "ecbsr-train", "--data", train_images, "--val", val, "--out", tmp_path / str(noted), *options
        )
        assert result.returncode == 0, result.stderr
        assert (f"{val}: contains training images ({first.name})" in result.stderr) == noted


@pytest.mark.parametrize(
    ("option", "values", "meant"),
    [
        ("--threads", ("0", "-1", "1025", "100000", "all"), "a number of threads, 1 to 1024"),
        ("--minutes", ("0", "-1", "nan", "inf", "soon"), "a number of minutes"),
    ],
)
def test_values_that_are_no_such_number(
    option: str, values: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in values:
        with pytest.raises(SystemExit) as ended:
            main(["--data", "d", "--val", "v", "--out", "o", f"{option}={value}"])
        assert ended.value.code == 2
        assert f"{value!r} is not {meant}" in capsys.readouterr().err


def test_a_result_of_a_training_that_diverged_needs_another_rate_and_not_more_steps(
    train_images: Path, val_images: Path, tmp_path: Path
) -> None:
    places = ("--data", train_images, "--val", val_images, "--out", tmp_path)
    result = call_here("ecbsr-train", *places, *SMALL, "--steps", "20", "--lr", "10")
    assert result.returncode == 0, result.stderr
    assert "note: this is less than bicubic; the training diverged: use a learning rate below 10.0" in result.stderr
