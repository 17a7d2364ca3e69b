from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest

from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.tflite import recipe
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
        b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}",
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


BROKEN = [b'{"loss": NaN}', b'{"loss": 1e400}', b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}"]


@pytest.fixture
def broken(tmp_path: Path) -> list[Path]:
    """Models whose recipe cannot be read."""
    paths = [tmp_path / f"{number}.tflite" for number in range(len(BROKEN))]
    for path, text in zip(paths, BROKEN, strict=True):
        path.write_bytes(tflite.write(stored(text)))
    return paths


def test_an_audit_of_models_with_broken_recipes(broken: list[Path]) -> None:
    result = call("ecbsr-audit", *broken, "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    assert [file["recipe"] for file in document["files"]] == [None] * len(BROKEN)


@pytest.mark.slow
@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the host bench runs on Linux on x86-64"
)
def test_a_bench_of_models_with_broken_recipes(broken: list[Path]) -> None:
    options = ("--device", "host", "--size", "32x24", "--rounds", "2", "--runs", "2", "--json")
    result = call("ecbsr-bench", *broken, *options)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout, parse_constant=pytest.fail)
    assert [model["recipe"] for model in document["models"].values()] == [None] * len(BROKEN)
