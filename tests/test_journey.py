"""A user's whole way: from weights of another implementation to files, an audit, latencies and an upscaled image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from ecbsr_mobile import ECBSR, Picture, images, zoo
from tests.helpers.commands import call

FILE_KEYS = {
    "path", "format", "precision", "target", "size", "bytes", "sha256", "operators", "input", "output",
    "max_abs_error", "psnr_drop_db", "fidelity_db", "audit",
}  # fmt: skip
MODEL_KEYS = {"name", "blocks", "channels", "scale", "colors", "activation", "parameters"}
ROW_KEYS = {
    "model", "precision", "device", "delegate", "threads", "size", "status", "median_ms", "ci95_ms", "p95_ms", "fps",
    "runs", "nodes_delegated", "nodes_total", "note",
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the original layout: RGB, x3, values in [0, 255], nearly nearest-neighbor."""
    torch.manual_seed(0)
    net = ECBSR(1, 8, 3, 3)
    for block in net.blocks:
        for parameter in block.parameters():
            parameter.data.mul_(0.5)
        block.conv3x3.bias.data.mul_(100)
    path = tmp_path_factory.mktemp("weights") / "model x3.pth"
    torch.save(net.state_dict(), path)
    return path


@pytest.mark.slow
def test_journey(weights: Path, tmp_path: Path) -> None:
    formats, sizes = ("--onnx", "--tflite", "--fp32", "--int8"), ("--size", "64x48,50x31")
    options = [*formats, *sizes, "--finetune", "40", "--max-drop", "40", "--json"]
    result = call("ecbsr-export", weights, *options, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "assuming" in result.stderr
    assert "where bicubic gives" in result.stderr  # it is not trained
    document = json.loads(result.stdout)
    assert document["schema"] == 1
    assert set(document["model"]) >= MODEL_KEYS
    assert document["model"]["name"] == "ecbsr-m1c8-rgb-x3"
    assert all(set(file) >= FILE_KEYS for file in document["files"])
    files = {(f["format"], f["precision"], tuple(f["size"] or ())): Path(f["path"]) for f in document["files"]}
    assert sorted(files.values()) == sorted((tmp_path / "out").iterdir())
    int8 = files["tflite", "int8", (50, 31)]
    detail = Interpreter(str(int8)).get_input_details()[0]
    assert tuple(detail["shape"]) == (1, 31, 50, 3)
    assert detail["dtype"] == np.int8

    audited = json.loads(call("ecbsr-audit", int8, files["tflite", "fp32", (64, 48)], "--json").stdout)
    assert [file["recipe"]["precision"] for file in audited["files"]] == ["int8", "fp32"]
    assert all(file["audit"]["xnnpack"]["partitions"] == 1 for file in audited["files"])

    timed = call(
        "ecbsr-bench", int8, "--device", "host", "--size", "32x24,40x30", "--rounds", "2", "--runs", "3", "--json"
    )
    assert timed.returncode == 0, timed.stderr
    rows = json.loads(timed.stdout)["results"]
    assert [row["size"] for row in rows] == [[32, 24], [40, 30]]
    assert all(set(row) >= ROW_KEYS and row["status"] == "ok" for row in rows)
    assert all(row["nodes_delegated"] == row["nodes_total"] for row in rows)

    images.write(Picture(images.read(zoo.pictures()[0]).rgb()[:40, :60]), tmp_path / "in.png")
    assert call("ecbsr-upscale", tmp_path / "in.png", tmp_path / "up.png", "--model", int8).returncode == 0
    assert images.read(tmp_path / "up.png").size == (180, 120)
    scored = json.loads(call("ecbsr-eval", int8, "--data", tmp_path, "--json").stdout)
    assert scored["scale"] == 3
