"""The command that writes the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from android_bench.web_page import cli
from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError, UsageError
from tests.android_bench.web_page.test_litert_js import node_modules


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


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 2 and "--out" in capsys.readouterr().err
    for model, message in (("no-such-model", "no-such-model"), (str(zoo.weights(zoo.DEFAULT)), "safetensors")):
        with pytest.raises(EcbsrError, match=message):
            cli.main([model, "--out", str(tmp_path / "page")])
    assert not list(tmp_path.iterdir())
