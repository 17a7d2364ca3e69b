from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ecbsr_mobile import zoo
from export import recipe, tflite
from tests.helpers.commands import call


def stored(text: bytes) -> tflite.Graph:
    return tflite.with_metadata(tflite.read(zoo.tflite("ecbsr-m4c8-x2", "int8")), recipe.NAME, text)


def test_a_recipe_is_read_as_it_was_written() -> None:
    graph = tflite.read(zoo.tflite("ecbsr-m4c8-x2", "int8"))
    written = recipe.write(graph, {"precision": "int8", "loss": {"psnr_db": 33.25}, "size": [48, 32]})
    data = tflite.write(written)
    expected = {"schema": 1, "precision": "int8", "loss": {"psnr_db": 33.25}, "size": [48, 32]}
    assert recipe.read(tflite.read(data)) == expected
    assert data == tflite.write(recipe.write(graph, dict(reversed(expected.items()))))


@pytest.mark.parametrize(
    "text",
    [
        b'{"loss": NaN}',
        b'{"loss": -Infinity}',
        b'{"loss": 1e400}',
        b'{"loss": -1' + b"0" * 400 + b"}",
        b'{"loss": 1' + b"0" * 5000 + b"}",
        b'{"name": "\xff"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'["a list"]',
        b'"text"',
        b"null",
        b"{",
        b"",
    ],
)
def test_what_is_no_strict_json_object_is_no_recipe(text: bytes) -> None:
    assert recipe.read(stored(text)) is None


@pytest.mark.parametrize("text", [b'{"loss": NaN}', b'{"loss": 1e400}', b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}"])
def test_commands_read_a_model_with_a_broken_recipe(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(tflite.write(stored(text)))
    audited = call("ecbsr-audit", path, "--json")
    assert audited.returncode == 0, audited.stderr
    assert json.loads(audited.stdout)["files"][0]["recipe"] is None
    if sys.platform == "linux":
        timed = call("ecbsr-bench", path, "--device", "host", "--size", "32x24", "--rounds", "2", "--runs", "2",
            "--json")  # fmt: skip
        assert timed.returncode == 0, timed.stderr
        assert json.loads(timed.stdout, parse_constant=pytest.fail)["models"]["model"]["recipe"] is None
