"""The networks of ECNUSR/ETDS against their definitions, for random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from ecbsr_mobile import EcbsrError, Settings, UsageError, load, save
from ecbsr_mobile.quantization.fake_quant import FakeQuantNet
from ecbsr_mobile.training.trainer import Trainer
from export.convert.onnx_builder import onnx_model
from tests.helpers import etds
from tests.helpers.checkpoints import quietly, saved
from tests.helpers.etds import State, clip, random_state

Definition = Callable[[State, torch.Tensor, int], torch.Tensor]


def chain(names: list[str], widths: list[int]) -> State:
    return random_state({name: (widths[index], widths[index + 1]) for index, name in enumerate(names)})


def etds_names(blocks: int) -> list[str]:
    return ["conv_first", *(f"backbone_convs.{index}" for index in range(blocks)), "conv_last"]


def dual(scale: int, kinds: tuple[str, ...]) -> State:
    wide, narrow, outputs = 8, 3, 3 * scale**2
    shapes = {"conv_first": (3, wide), "conv_residual_first": (3, narrow)}
    for index in range(2):
        shapes |= {f"backbone_convs.{index}": (wide, wide), f"residual_convs.{index}": (narrow, narrow)}
        shapes |= {f"{kind}.{index}": (narrow, wide) if "add" in kind else (wide, narrow) for kind in kinds}
    return random_state(shapes | {"conv_last": (wide, outputs), "conv_residual_last": (narrow, outputs)})


def slopes(count: int, channels: int) -> State:
    return {f"backbone.{index}.1.weight": torch.rand(channels) for index in range(count)}


def abpn_names(blocks: int) -> list[str]:
    inner = [f"backbone.{2 + index}.0" for index in range(blocks)]
    return ["backbone.0", *inner, f"backbone.{2 + blocks}", f"backbone.{4 + blocks}"]


def small_answers(state: State) -> State:
    """The state with a last layer like that of a trained network whose result is added to the image."""
    return {name: value * (0.02 if "conv_last" in name else 1) for name, value in state.items()}


# name, scale, state dict, definition, whether the definition clips
CASES: list[tuple[str, int, State, Definition, bool]] = [
    ("m2c8-rgb-relu-noskip", 2, chain(etds_names(2), [3, 8, 8, 8, 12]), etds.plain, False),
    ("m2c8-rgb-relu", 2, small_answers(chain(etds_names(2), [3, 8, 8, 8, 12])), etds.with_skip, False),
    ("m2c8-rgb-relu-noskip", 4, chain(etds_names(2), [3, 8, 8, 8, 48]) | clip(48, "conv_clip"), etds.converted, True),
    ("m2c8-rgb-relu-noskip", 3, chain(etds_names(2), [3, 8, 8, 8, 28]) | clip(28, "conv_clip"), etds.converted, True),
    ("m2c11-rgb-relu-noskip", 2, dual(2, ("add_residual_convs",)), etds.two_streams, False),
    ("m2c11-rgb-relu-noskip", 3, dual(3, ()), etds.two_streams, False),
    ("m2c11-rgb-relu-noskip", 4, dual(4, ("add_residual_convs", "advanced_residual_convs")), etds.two_streams, False),
    ("m1c8-rgb-noskip", 3, chain([f"backbone.{i}.0" for i in range(3)], [3, 8, 8, 28]) | slopes(2, 8)
        | clip(28, "backbone.3.0"), etds.ecbsr_converted, True),
    ("m3c14-rgb-relu", 2, chain(abpn_names(2), [3, 14, 14, 14, 12, 12]), etds.abpn, False),
    ("m2c27-rgb-relu", 3, chain(abpn_names(1), [3, 14, 14, 27, 27]), etds.abpn, False),
    ("m2c30-rgb-relu-noskip", 3, chain(abpn_names(1), [3, 16, 16, 30, 28]) | clip(28, "backbone.7"),
        etds.abpn_converted, True),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CASES)))
def test_definition(tmp_path: Path, number: int) -> None:
    name, scale, state, definition, clipped = CASES[number]
    x = torch.rand(1, 3, 9, 11)
    expected = definition(state, x, scale)
    (tmp_path / "w.pth").write_bytes(saved(state))
    with pytest.warns(UserWarning, match=r"values in \[0, 1\]"):
        net = load(tmp_path / "w.pth")
    assert net.name == f"ecbsr-{name}-x{scale}"
    result = net(x)
    if clipped:
        assert (expected == 0).any() or (expected == 1).any()
        result = result.clamp(0, 1)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_a_network_without_skip_everywhere(tmp_path: Path) -> None:
    """Saved, read again, as ONNX, and quantized."""
    _, scale, state, definition, _ = CASES[2]
    (tmp_path / "w.pth").write_bytes(saved(state))
    net = quietly(tmp_path / "w.pth")
    save(net, tmp_path / "w.safetensors")
    assert load(tmp_path / "w.safetensors").architecture == net.architecture
    x = torch.rand(1, 3, 9, 11)
    expected = definition(state, x, scale)
    session = onnxruntime.InferenceSession(onnx_model(net, (11, 9)).SerializeToString())
    (result,) = session.run(None, {"image": x.numpy()})
    np.testing.assert_allclose(result.clip(0, 1), expected, rtol=0, atol=1e-5)
    simulation = FakeQuantNet(net)
    simulation.observe(x)
    quantized = simulation(x).detach()
    torch.testing.assert_close(quantized * 255, (quantized * 255).round(), rtol=0, atol=1e-3)
    assert (quantized - expected).abs().max() < 0.05


BAD = {
    "more than clip": (CASES[2][2] | {"conv_clip.bias": torch.full((48,), 0.5)}, "does more than clip"),
    "a stream is missing": (
        {name: value for name, value in CASES[4][2].items() if "residual_convs.1" not in name},
        "residual_convs.1.weight",
    ),
    "streams that do not fit": (
        CASES[4][2] | {"residual_convs.0.weight": torch.zeros(4, 3, 3, 3), "residual_convs.0.bias": torch.zeros(4)},
        "12 outputs and block 2 11 inputs",
    ),
    "a layer more": (CASES[0][2] | {"upsampler.weight": torch.zeros(3, 3)}, "upsampler.weight"),
    "another network": ({"conv1.weight": torch.zeros(64, 3, 5, 5)}, "known layout"),
    "5x5": (CASES[0][2] | {"conv_first.weight": torch.zeros(8, 3, 5, 5)}, "3x3"),
    "widths too far apart": (chain([f"backbone.{i}.0" for i in range(6)], [3, 200, 2, 2, 2, 2, 12]), "channels wide"),
    "an activation at the end": (CASES[7][2] | {"backbone.3.1.weight": torch.zeros(28)}, "the last"),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_what_is_no_such_network(tmp_path: Path, kind: str) -> None:
    state, message = BAD[kind]
    (tmp_path / "w.pth").write_bytes(saved(state))
    with pytest.raises(EcbsrError, match=message) as raised:
        load(tmp_path / "w.pth")
    assert "\n" not in str(raised.value)


def test_a_clipping_network_has_range_1(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(saved(CASES[2][2]))
    with pytest.raises(UsageError, match="value range is 1"):
        load(tmp_path / "w.pth", value_range=255)


def test_training_does_not_start_from_a_network_without_skip(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(saved(CASES[0][2]))
    with pytest.raises(UsageError, match="no skip connection"):
        Trainer(Settings(), quietly(tmp_path / "w.pth"))
