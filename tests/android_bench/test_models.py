"""Reading models: names, sizes, precision and recipe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import android_bench
from android_bench import models
from ecbsr_mobile import tflite
from ecbsr_mobile.tflite import recipe, xnnpack_probe
from tests.helpers import upscalers
from tests.helpers.int16_models import int16x8_network
from tests.helpers.networks import photo
from tests.helpers.tflite_models import plain_network


def test_default_sizes_are_the_fixed_size_or_the_standard_sizes(tmp_path: Path) -> None:
    fixed = plain_network(size=(20, 12))
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.write(fixed))
    assert models.read_models([path])["m"].default_sizes() == ((20, 12),)
    path.write_bytes(tflite.write(_dynamic(fixed)))
    assert models.read_models([path])["m"].default_sizes() == ((480, 270), (640, 360), (960, 540), (1280, 720))


def _dynamic(graph: tflite.Graph) -> tflite.Graph:
    tensors = [
        replace(t, shape=(1, 1, 1, t.shape[3]), signature=(1, -1, -1, t.shape[3]))
        if t.data is None and len(t.shape) == 4
        else t
        for t in graph.tensors
    ]
    return replace(graph, tensors=tuple(tensors))


@pytest.mark.parametrize("stale", upscalers.STALE)
def test_at_its_own_size_a_file_is_measured_as_an_app_loads_it(stale: str, tmp_path: Path) -> None:
    graph = upscalers.with_stale_shapes(upscalers.DOUBLING["4-D shuffle"](), stale)
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.write(graph))
    (row,) = android_bench.bench([path], rounds=1, runs=1).results
    measured = xnnpack_probe.probe(path.read_bytes())
    assert (row.nodes_delegated, row.nodes_total) == (len(measured.nodes), measured.total)


def test_models_of_the_same_name_get_unique_names(tmp_path: Path, files: dict[str, Path]) -> None:
    paths = [tmp_path / folder / "m.tflite" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(files["float"].read_bytes())
    names = list(models.read_models([*paths, paths[0]]))
    assert names == ["a/m", "b/m", "a/m#2"]


def test_precision_is_read_from_the_graph() -> None:
    assert models.precision_of(plain_network()) == "fp32"
    assert models.precision_of(plain_network("int8")) == "int8"
    assert models.precision_of(int16x8_network(photo(1))) == "int16x8"
    half = plain_network()
    tensors = [
        replace(t, data=t.data.astype(np.float16), dtype=np.dtype(np.float16)) if t.data is not None else t
        for t in half.tensors
    ]
    assert models.precision_of(replace(half, tensors=tuple(tensors))) == "fp16"


@pytest.mark.parametrize("text", [b'{"loss": {"psnr_drop_db": NaN}}', b'{"loss": 1e999}', b"[", b"\xff", b"[]"])
def test_a_recipe_that_is_not_json_is_no_recipe(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.write(tflite.with_metadata(plain_network(), recipe.NAME, text)))
    info = models.read_models([path])["m"].info()
    assert info["recipe"] is None
    json.dumps(info, allow_nan=False)


def test_the_recipe_in_the_file_is_part_of_the_results(tmp_path: Path) -> None:
    content = {"model": "ecbsr-m4c16-x2", "loss": {"psnr_drop_db": 0.07}}
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.write(tflite.with_metadata(plain_network(), recipe.NAME, json.dumps(content).encode())))
    results = android_bench.bench([path], rounds=1, runs=1)
    assert results.models["m"]["recipe"] == content
