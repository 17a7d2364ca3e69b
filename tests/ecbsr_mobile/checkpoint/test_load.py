"""Weights files of every layout against the outputs of the original code, and the messages about bad files."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ecbsr_mobile import EcbsrError, UsageError, load, save
from ecbsr_mobile.architecture import ACTIVATIONS, Activation
from ecbsr_mobile.quantization.fake_quant import FakeQuantNet, fold_steep_slopes
from tests.helpers.checkpoints import quietly, same, some_net
from tests.helpers.commands import environment
from tests.helpers.int8 import simulated

ORIGINALS = [
    ("official_m4c16_x4_y_idt_prelu", "ecbsr-m4c16-x4", 255, True),
    ("official_m4c8_x2_y_prelu", "ecbsr-m4c8-x2", 255, None),
    ("basicsr_rgb_m2c8_x2_prelu", "ecbsr-m2c8-rgb-x2", 1, None),
]


@pytest.mark.parametrize(("file", "name", "value_range", "identity"), ORIGINALS)
def test_original_outputs(checkpoints: Path, file: str, name: str, value_range: int, identity: bool | None) -> None:
    recorded = np.load(checkpoints / f"{file}.npz")
    with pytest.warns(UserWarning, match=rf"values in \[0, {value_range}\]"):
        net = load(checkpoints / f"{file}.pth", identity=identity)
    assert net.name == name
    output = net(torch.from_numpy(recorded["input"] / np.float32(value_range))).numpy() * value_range
    assert np.abs(output - recorded["output"]).max() <= 1e-5 * value_range


@pytest.mark.parametrize("identity", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_our_own_files_record_everything(tmp_path: Path, activation: Activation, identity: bool) -> None:
    net = some_net(activation, identity)
    for kind in (net, net.collapse()):
        save(kind, tmp_path / "w.safetensors", {"note": "x"})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert same(load(tmp_path / "w.safetensors"), net.collapse())


def test_an_unknown_activation_that_our_own_file_records_is_refused(tmp_path: Path) -> None:
    save(some_net("relu"), tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        metadata = file.metadata() | {"activation": "hardswish"}
    save_file(load_file(tmp_path / "w.safetensors"), tmp_path / "w.safetensors", metadata)
    with pytest.raises(UsageError, match="activation 'hardswish' is unknown"):
        load(tmp_path / "w.safetensors")


def test_identity_is_an_option(tmp_path: Path) -> None:
    torch.save(some_net(identity=True).state_dict(), tmp_path / "w.pth")
    assert same(quietly(tmp_path / "w.pth", identity=True, value_range=1), some_net(identity=True).collapse())
    assert not same(quietly(tmp_path / "w.pth", identity=False, value_range=1), some_net(identity=True).collapse())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "relu"}, "has the slopes of a prelu"),
        ({"activation": "leaky"}, "has the slopes of a prelu"),
        ({"value_range": 3}, "value range 3"),
    ],
)
def test_options_that_contradict_the_file(tmp_path: Path, options: dict[str, object], message: str) -> None:
    torch.save(some_net().state_dict(), tmp_path / "w.pth")
    with pytest.raises(UsageError, match=message):
        quietly(tmp_path / "w.pth", **options)


class Bomb:
    """Pickled as a call that creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def bad_files(folder: Path) -> dict[str, tuple[object, str]]:
    good = some_net().state_dict()
    damaged = {k: v.clone() for k, v in good.items()}
    damaged["backbone.1.conv3x3.bias"][2] = float("nan")
    narrow = dict(good) | {"backbone.1.conv1x1_3x3.k1": torch.zeros(16, 7, 3, 3)}
    return {
        "nan": (damaged, "backbone.1.conv3x3.bias.*not finite"),
        "foreign": ({"features.0.weight": torch.zeros(3, 3)}, "features.0.weight.*known layout"),
        "shapes": (narrow, "block 1 has inconsistent tensors"),
        "no-tensors": ({"epoch": 1}, "no state dict"),
        "a-list": ([1, 2], "no state dict"),
        "gap": ({k: v for k, v in good.items() if ".1." not in k}, r"blocks \[0, 2\]"),
        "two-names": (good | {"backbone.1.weight": torch.zeros(16, 16, 3, 3)}, "block 1 has several tensors"),
        "branch-missing": ({k: v for k, v in good.items() if "backbone.2.conv1x1_sbx" not in k}, "block 2"),
        "scale-5": ({**good, **{k: torch.zeros(25, *v.shape[1:]) for k, v in good.items() if k.startswith("backbone.2.")
                                and k.endswith(("weight", "bias")) and "3x3." in k and "1x1" not in k}}, "block 2|25"),
        "whole-model": (Bomb(folder / "executed"), "pickled code"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(bad_files(Path())))
def test_bad_contents(tmp_path: Path, kind: str) -> None:
    content, message = bad_files(tmp_path)[kind]
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(EcbsrError, match=message) as raised:
        load(tmp_path / "w.pth")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_at_any_place(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    if suffix == ".pth":
        torch.save(some_net().state_dict(), path)
    else:
        save(some_net(), path)
    data = path.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, *range(200, len(data), len(data) // 25)]:
        path.write_bytes(data[:length])
        with pytest.raises(EcbsrError) as raised:
            load(path)
        assert "\n" not in str(raised.value)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match="no such file"):
        load(tmp_path / "none.pth")
    with pytest.raises(EcbsrError, match="is a folder"):
        load(tmp_path)


def test_int8_weights_are_saved_and_loaded(tmp_path: Path) -> None:
    plain, path, image = some_net().collapse(), tmp_path / "w.safetensors", torch.rand(1, 1, 20, 24)
    simulation = FakeQuantNet(fold_steep_slopes(plain))
    simulation.observe(image)
    weights = simulation.weights()
    plain.int8 = {"single": weights}
    save(plain, path)
    loaded = load(path)
    assert set(loaded.int8) == {"single"}
    np.testing.assert_array_equal(simulated(loaded.int8["single"], image), simulated(weights, image))
    assert torch.equal(loaded(image), plain(image))
    plain.int8 = {"single": replace(weights, ranges=weights.ranges[:-1])}
    save(plain, path)
    with pytest.raises(EcbsrError, match=r"w\.safetensors: its int8 ranges do not fit"):
        load(path)


def test_the_same_weights_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    script = "import sys, ecbsr_mobile as e; e.save(e.load('ecbsr-m4c16-x2'), sys.argv[1], {'note': 'x'})"
    for number in range(3):  # the library's own order of keys changes from process to process
        path = str(tmp_path / f"{number}.safetensors")
        subprocess.run([sys.executable, "-c", script, path], check=True, env=environment())
    first, *others = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert others == [first, first]
    with safe_open(tmp_path / "0.safetensors", "np") as file:
        assert file.metadata()["note"] == "x"
        names = list(file.keys())
        assert names and all(np.isfinite(file.get_tensor(name)).all() for name in names)
