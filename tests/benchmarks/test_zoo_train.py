"""Recipes of the bundled models: each belongs to its weights, and a replay takes every stage from the one before."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_bytes

from ecbsr_mobile import EcbsrError, Picture, Settings, UsageError, images, load, zoo
from ecbsr_mobile.cli.train import _values, parser

TINY = "--steps 2 --batch 2 --patch 8 --validate-every 1 --device cpu --threads 1"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the names of all data sets, each image 40x40."""
    import training_folders

    folder = tmp_path_factory.mktemp("pictures")
    mix = training_folders.MIXES["varied"]
    names = [f"{name}_{number}" for name, use in mix.items() for number in range(use.validation + 1)]
    names = [name for name in names if not name.startswith("graphics")]
    names += [f"cid22_{name}" for name in training_folders.GRAPHICS]
    rgb = images.read(zoo.pictures()[0]).rgb()
    for number, name in enumerate(names):
        images.write(Picture(rgb[number : number + 40, 2 * number : 2 * number + 40]), folder / f"{name}.png")
    return folder


def _training_pictures() -> dict[str, Any]:
    return tomllib.loads((zoo.FOLDER / "training_pictures.toml").read_text(encoding="utf-8"))


def _settings(arguments: list[str]) -> Settings:
    places = ["--data", ".", "--val", ".", "--out", "new"]
    return Settings(**_values(vars(parser().parse_args([*places, *arguments])), None))


def test_every_bundled_model_has_a_recipe_for_its_network() -> None:
    import zoo_train

    recipes = zoo_train.recipes()
    assert set(zoo.names()) <= set(recipes)
    for name, (first, *_) in recipes.items():
        architecture = _settings(first.arguments(0)).architecture
        assert architecture.name == zoo.of_same_network(name)
        if name in zoo.names():
            assert load(name).architecture == architecture


def test_every_stage_is_a_training_that_ecbsr_train_takes() -> None:
    import zoo_train

    for name, stages in zoo_train.recipes().items():
        int8 = [stage.stage.startswith("int8") for stage in stages]
        assert int8 == sorted(int8), name
        assert len({stage.stage for stage in stages}) == len(stages)
        for stage in stages:
            settings = _settings(stage.arguments(7))
            assert settings.seed == stage.seed + 7
            assert (settings.int8 == "single") == stage.stage.startswith("int8")
            assert (settings.degrade is not None) == ("-real" in name)
            assert stage.pictures in _training_pictures()["mixes"]
            assert (stage.step is None) == (stage.val is None) == (name not in zoo.names())
            assert stage.step is None or stage.step <= settings.steps


@pytest.mark.parametrize("kind", ["photos", "graphics", "varied", "free"])
def test_the_data_sets_of_a_mix_are_those_in_its_folder(kind: str, pictures: Path, tmp_path: Path) -> None:
    import training_folders

    stated = _training_pictures()
    training_folders.main([str(pictures), str(tmp_path / "out"), "--mix", kind])
    stems = [path.stem.partition("-")[2].partition("_")[0] for path in (tmp_path / "out" / "train").iterdir()]
    names = {"BSDS500": "bsds", "free_pictures": "free"}
    assert {names.get(name, name.lower()) for name in stated["mixes"][kind]} == set(stems)
    assert set(stated["mixes"][kind]) <= set(stated["sets"])


@pytest.mark.slow
def test_a_replay_takes_each_stage_from_the_one_before_and_continues(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import zoo_train

    command = ["ecbsr-m4c8-x2", "--data", str(pictures), "--out", str(tmp_path), "--options", TINY, "--plus-seed", "1"]
    zoo_train.main(command)
    stages = zoo_train.recipes()["ecbsr-m4c8-x2"]
    runs = [tmp_path / "ecbsr-m4c8-x2+1" / stage.stage.replace(" ", "-") for stage in stages]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ecbsr-m4c8-x2+1, stage")]
    for run, stage, line in zip(runs, stages, lines, strict=True):
        saved = torch.load(run / "last.ckpt", weights_only=True)
        assert (saved["step"], saved["settings"]["seed"]) == (2, stage.seed + 1)
        assert f"stage {stage.stage}: {saved['report']['best_psnr']:.3f} dB, bundled {stage.val:.3f} dB" in line
    result = tmp_path / "ecbsr-m4c8-x2+1.safetensors"
    before = result.read_bytes()
    assert before == (runs[-1] / "best.safetensors").read_bytes()
    float_weights = load(
        runs[-3] / "best.safetensors"
    )  # int8 training keeps them, and starts from the int8 weights before
    for run in runs[-2:]:
        net = load(run / "best.safetensors")
        assert list(net.int8) == ["single"]
        for ours, expected in zip(net.convs, float_weights.convs, strict=True):
            torch.testing.assert_close(ours.weight, expected.weight, rtol=0, atol=0)

    log = json.loads((runs[0] / "log.jsonl").read_text().splitlines()[-1])
    shutil.rmtree(runs[-1])
    zoo_train.main(command)
    torch.testing.assert_close(load_bytes(result.read_bytes()), load_bytes(before), rtol=0, atol=0)
    assert json.loads((runs[0] / "log.jsonl").read_text().splitlines()[-1]) == log


def test_models_without_a_recipe_and_folders_without_the_images(pictures: Path, tmp_path: Path) -> None:
    import zoo_train

    with pytest.raises(UsageError, match=r"no recipe for 'ecbsr-m4c16-x5'; use one of ecbsr-m4c16-x2, .*did you mean"):
        zoo_train.main(["ecbsr-m4c16-x5", "--data", str(pictures)])
    (tmp_path / "few").mkdir()
    shutil.copy(pictures / "t91_0.png", tmp_path / "few")
    with pytest.raises(EcbsrError, match="only 0 images are of 'bsds'; at least 16 are needed"):
        zoo_train.main(["ecbsr-m4c8-x2", "--data", str(tmp_path / "few"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out" / "photos").exists()


@pytest.mark.slow
def test_models_beside_each_other_train_for_a_time_and_for_int8_later(pictures: Path, tmp_path: Path) -> None:
    import zoo_train

    models = ["ecbsr-m4c8-x2", "ecbsr-m4c16-x4"]
    options = ["--data", str(pictures), "--out", str(tmp_path), "--minutes", "0.02", "--float", "--options"]
    tiny = TINY.replace("--steps 2", "").replace("--validate-every 1", "--validate-every 1000")
    zoo_train.main([*models, *options, tiny])
    for model in models:
        assert (tmp_path / f"{model}.log").read_text().count(f"{model}, stage ") == 3
        saved = torch.load(tmp_path / model / "1" / "last.ckpt", weights_only=True)
        assert 0 < saved["step"] <= saved["settings"]["steps"] != 50_000
        assert not load(tmp_path / f"{model}.safetensors").int8
    (tmp_path / models[1] / "1" / "last.ckpt").write_bytes(b"")
    with pytest.raises(EcbsrError, match=rf"^{models[1]}: failed; see .*log, then repeat the command"):
        zoo_train.main([*models, *options, tiny])
