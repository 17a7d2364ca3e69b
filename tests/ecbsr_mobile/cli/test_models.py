"""`ecbsr models`: the table, the cards and the JSON give the stored figures."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ecbsr_mobile import zoo
from ecbsr_mobile.zoo import cards
from tests.helpers.commands import call_here
from tests.helpers.paths import ROOT

_DOCUMENTS = ("recipes", "training_pictures")


def models(*arguments: object) -> subprocess.CompletedProcess[str]:
    return call_here("ecbsr models", *arguments)


def test_the_table_has_every_model_and_fits_80_columns() -> None:
    result = models()
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in lines if re.match(r"ecbsr-\S+  ", line)}
    assert set(rows) == set(zoo.names())
    for name, model in zoo.figures().items():
        kilobytes, gmacs, *psnrs, loss, time = rows[name]
        assert int(kilobytes) == round(zoo.tflite(name).stat().st_size / 1000)
        assert float(gmacs) == pytest.approx(model["gmacs_720p"], abs=0.051)
        assert list(map(float, psnrs)) == pytest.approx([s["fp32"][0] for s in model["sets"].values()], abs=0.0051)
        scores = model["sets"]["Set14"]
        assert float(loss) == pytest.approx(scores["fp32 of 8-bit input"][0] - scores["int8"][0], abs=0.0051)
        measured = zoo.times()["times"].get(re.sub("-real|-free", "", name))
        assert time == "-" if measured is None else float(time) == pytest.approx(measured[0], abs=0.0051)
    for target, pair in zoo.RECOMMENDED.items():
        for name in pair:
            assert any(target in line and line.endswith(f": {name}") for line in lines)
    for text in ("Apache-2.0", "BSDS500", zoo.times()["machine"].split()[0]):
        assert text in result.stdout


def test_json_is_the_same() -> None:
    document = json.loads(models("--json").stdout)
    assert set(document["models"]) == set(zoo.names())
    model = document["models"]["ecbsr-m4c16-x2"]
    assert model["quality"]["Set5"]["fp32"] == zoo.figures()["ecbsr-m4c16-x2"]["sets"]["Set5"]["fp32"]
    assert model["relative_time"]["ratio"] == zoo.times()["times"]["ecbsr-m4c16-x2"][0]
    assert model["bytes"]["int8"] == zoo.tflite("ecbsr-m4c16-x2").stat().st_size
    assert set(json.loads(models("ecbsr-m4c8-x2", "--json").stdout)["models"]) == {"ecbsr-m4c8-x2"}


def test_the_card_of_one_is_read_in_a_terminal() -> None:
    result = models("ecbsr-m4c16-x2")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("# ecbsr-m4c16-x2\n")
    assert max(map(len, result.stdout.splitlines())) <= 80
    scores = zoo.figures()["ecbsr-m4c16-x2"]["sets"]["Set5"]
    figures = ["{:.2f} / {:.4f}".format(*scores[kind]) for kind in ("fp32", "int8")]
    for text in (*figures, "10,100 parameters", "ecbsr upscale", "Apache-2.0", "CC BY-SA 4.0"):
        assert text in result.stdout


def test_cards_say_which_model_is_for_compressed_pictures() -> None:
    table = models().stdout
    for real, clean in zoo.for_real_pictures().items():
        assert any("compressed pictures" in line and line.endswith(real) for line in table.splitlines())
        cards_of_both = [" ".join(models(name).stdout.split()) for name in (real, clean)]
        assert f"for clean ones take {clean}." in cards_of_both[0]
        ours, others = (zoo.figures()[name]["compressed"] for name in (real, clean))
        for text, psnrs in ours.items():
            quality = text.removeprefix("jpeg:")
            row = f"| {quality} | {psnrs['bicubic']:.2f} | {others[text]['int8']:.2f} | {psnrs['int8']:.2f} |"
            assert all(row in printed for printed in cards_of_both)


def test_the_models_for_compressed_pictures_are_never_worse_than_bicubic_on_them() -> None:
    for real, clean in zoo.for_real_pictures().items():
        figures, others = (zoo.figures()[name]["compressed"] for name in (real, clean))
        for text, psnrs in figures.items():
            assert min(psnrs["int8"], psnrs["fp32"]) > psnrs["bicubic"], text
        assert figures["jpeg:50"]["int8"] > 0.3 + max(figures["jpeg:50"]["bicubic"], others["jpeg:50"]["int8"])


def test_cards_for_hubs_are_written_once(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the front matter is not read")
    result = models("--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert {path.stem for path in tmp_path.iterdir()} == set(zoo.names())
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        _, front, body = text.split("---\n", 2)
        document: dict[str, Any] = yaml.safe_load(front)
        assert document["license"] == "apache-2.0" and {"psnr", "ssim"} == set(document["metrics"])
        assert document["datasets"] == [name.lower() for name in cards.card(path.stem).trained_on]
        (index,) = document["model-index"]
        assert index["name"] == path.stem
        for result_, (name, scores) in zip(index["results"], zoo.figures()[path.stem]["sets"].items(), strict=True):
            assert result_["dataset"]["name"] == name
            assert [metric["value"] for metric in result_["metrics"]] == [*scores["fp32"], *scores["int8"]]
        assert body.lstrip().startswith(f"# {path.stem}\n")
    before = (tmp_path / "ecbsr-m4c8-x2.md").read_bytes()
    again = models("--out", tmp_path)
    assert again.returncode == 2 and "exists" in again.stderr and "--overwrite" in again.stderr
    assert models("--out", tmp_path, "--overwrite").returncode == 0
    assert (tmp_path / "ecbsr-m4c8-x2.md").read_bytes() == before


@pytest.mark.parametrize("name", zoo.names())
def test_what_a_card_tells_to_type_names_what_is_there(name: str) -> None:
    card = cards.card(name)
    text = card.markdown()
    assert f"--model {name}" in text and f"ecbsr export {name} " in text
    for other in re.findall(r"ecbsr-m\d+c\d+[a-z0-9-]*", text):
        assert other in zoo.names()


def test_training_images_are_those_of_the_model_card() -> None:
    text = (zoo.FOLDER / "README.md").read_text(encoding="utf-8")
    training = text.partition("## Training")[2].partition("\n\n| model |")[0]
    assert all(name in training for card in cards.cards() for name in card.trained_on)


def test_the_card_states_the_terms_of_the_pictures_in_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ecbsr-m6c16-leaky-real-x2"
    recipes, pictures = (tomllib.loads((zoo.FOLDER / f"{each}.toml").read_text()) for each in _DOCUMENTS)
    assert cards.card(name).trained_on == ("BSDS500", "T91", "CLIC", "CID22", "free_pictures")
    printed = " ".join(models(name).stdout.split())
    for data_set, terms in pictures["sets"].items():
        assert f"- {data_set}: {terms['terms']}" in printed
    assert "The terms of BSDS500 and T91 do not grant commercial use of the pictures." in printed

    changed = [{**stage, "pictures": "free"} for stage in recipes[name]]
    documents = {
        "recipes.toml": {**recipes, name: changed},
        "training_pictures.toml": {**pictures, "mixes": {**pictures["mixes"], "free": ["CLIC", "CID22"]}},
    }
    monkeypatch.setattr(cards, "_document", documents.__getitem__)
    assert cards.card(name).trained_on == ("CLIC", "CID22")
    assert cards.card("ecbsr-m4c16-x2").trained_on == ("BSDS500", "T91", "CLIC", "CID22")
    text = cards.card(name).markdown()
    assert "The terms of all of these pictures allow commercial use." in " ".join(text.split())
    assert "BSDS500" not in text and "- clic\n- cid22\n" in text


def test_a_model_that_is_being_added_is_told_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known, new, folder = "ecbsr-m4c16-x2", "ecbsr-m4c16-real-x2", tmp_path / "zoo"
    shutil.copytree(zoo.FOLDER, folder, ignore=shutil.ignore_patterns("pictures", "drawings"))
    shutil.copy(folder / f"{known}.safetensors", folder / f"{new}.safetensors")
    for module, name, path in ((zoo, "FOLDER", ""), (cards, "FOLDER", ""), (zoo, "FIGURES", "figures.json")):
        monkeypatch.setattr(module, name, folder / path)

    def says(text: str) -> None:
        cards._document.cache_clear()
        for arguments in ((), (new,)):
            result = models(*arguments)
            assert (result.returncode, result.stdout) == (1, "")
            assert new in result.stderr and text in result.stderr
        assert models(known).returncode == 0

    says(f"has no figures yet; measure it: make zoo-check MODELS={new} WRITE=--write")
    figures = json.loads(zoo.FIGURES.read_text())
    zoo.FIGURES.write_text(json.dumps(figures | {new: figures["ecbsr-m6c16-leaky-real-x2"]}))
    says("has no recipe yet")
    with (folder / "recipes.toml").open("a") as file:
        file.write(f'[[{new}]]\nstage = "1"\npictures = "photos"\n')
    says(f"is missing; write it: make zoo MODELS={new}")
    cards._document.cache_clear()


def test_the_terms_in_the_docs_are_those_of_the_cards() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    table = [line.strip("| ").split(" | ") for line in text.partition("## License of the weights")[2].splitlines()]
    stated = {cells[0]: cells[1:] for cells in table if len(cells) == 4}
    for card in cards.cards():
        for each in card.picture_terms:
            allowed = "yes" if each.commercial else "not granted"
            assert stated[each.name] == [each.terms, allowed, f"<{each.source}>"]
