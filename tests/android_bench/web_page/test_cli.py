"""The command that writes the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from android_bench.web_page import cli
from ecbsr_mobile import zoo
from ecbsr_mobile.errors import UsageError
from tests.android_bench.web_page.test_litert_js import node_modules
from tests.helpers.commands import call_here, refused


def test_it_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    modules, out = node_modules(tmp_path / "node_modules"), tmp_path / "page"
    arguments = ["--litert-js", str(modules), str(zoo.tflite("ecbsr-m4c8-x2")), "--out"]
    assert cli.main([*arguments, str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["folder"], document["models"]) == (str(out), ["ecbsr-m4c8-x2-int8"])
    assert document["files"]["index.html"] == (out / "index.html").stat().st_size
    assert cli.main([*arguments, str(tmp_path / "second")]) == 0
    output = capsys.readouterr()
    assert output.out == f"{tmp_path / 'second'}: ecbsr-m4c8-x2-int8\n"
    assert f"python3 -m http.server --directory {tmp_path / 'second'}" in output.err
    with pytest.raises(UsageError, match="is not empty"):
        cli.main([*arguments, str(out)])


def test_what_is_refused(tmp_path: Path) -> None:
    page = ("ecbsr page", "--out", tmp_path / "page")
    refused(call_here("ecbsr page"), 2, "--out")
    refused(call_here(*page, "no-such-model"), 1, "no-such-model: no such file, nor a bundled model")
    refused(call_here(*page, zoo.weights(zoo.DEFAULT)), 1, "safetensors")
    refused(call_here(*page, "--litert-js", tmp_path / "none"), 1, "no such folder")
    assert not list(tmp_path.iterdir())


def test_names_of_bundled_files(tmp_path: Path) -> None:
    modules = node_modules(tmp_path / "node_modules")
    names = ["ecbsr-m4c8-x2", "ecbsr-m4c8-x2-fp32"]
    result = call_here("ecbsr page", "--litert-js", modules, "--out", tmp_path / "page", "--json", *names)
    assert json.loads(result.stdout)["models"] == ["ecbsr-m4c8-x2-int8", "ecbsr-m4c8-x2-fp32"]
