"""What names do not say: whether the image is added, and the slope of a fixed LeakyReLU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from ecbsr_mobile import EcbsrError, UsageError, load, save
from tests.helpers.checkpoints import Chain, quietly, saved, some_net

NAMES = {
    "compact": ("body.{}.{}", "body.{}.{}"),
    "plain": ("convs.{}.{}", "acts.{}.{}"),
    "conv3x3": ("backbone.{}.conv3x3.{}", "backbone.{}.act.{}"),
    "conv and act": ("backbone.{}.conv.{}", "backbone.{}.act.{}"),
    "pairs": ("backbone.{}.0.{}", "backbone.{}.1.{}"),
    "direct": ("backbone.{}.{}", "backbone.{}.{}"),
}


def state_of(network: Chain, layout: str) -> dict[str, torch.Tensor]:
    if layout in ("compact", "direct"):  # the layers of a list in turn
        container = NAMES[layout][0].partition(".")[0]
        return {name.replace("layers", container): value for name, value in network.state_dict().items()}
    return network.named(*NAMES[layout])


def agrees(path: Path, network: Chain, **options: object) -> bool:
    x = torch.rand(1, 3, 11, 13)
    return torch.allclose(quietly(path, value_range=1, **options)(x), network(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", list(NAMES))
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("activation", [nn.ReLU, partial(nn.PReLU, 8), partial(nn.PReLU, 1)])
def test_the_answer_to_gray_tells_whether_the_image_is_added(
    tmp_path: Path, layout: str, skip: bool, activation: Callable[[], nn.Module]
) -> None:
    torch.manual_seed(0)
    network = Chain(activation, skip).answering()
    (tmp_path / "w.pth").write_bytes(saved(state_of(network, layout)))
    with pytest.warns(UserWarning, match=r"image is added.*--no-skip" if skip else r"no skip connection.*--skip"):
        load(tmp_path / "w.pth")
    assert agrees(tmp_path / "w.pth", network)


@pytest.mark.parametrize("name", ["net", "layers", "features", "model", "main", "convs", "backbone", "generator.net"])
@pytest.mark.parametrize("activation", [nn.ReLU, partial(nn.PReLU, 8), partial(nn.PReLU, 1)])
@pytest.mark.parametrize("beside", [{}, {"total_ops": torch.ones(1)}, {"loss.vgg.0.weight": torch.ones(4, 3, 3, 3)}])
def test_a_list_of_layers_of_any_name(
    tmp_path: Path, name: str, activation: Callable[[], nn.Module], beside: dict[str, torch.Tensor]
) -> None:
    network = Chain(activation, True)
    state = {key.replace("layers", name): value for key, value in network.state_dict().items()}
    (tmp_path / "w.pth").write_bytes(saved(state | beside))
    assert agrees(tmp_path / "w.pth", network, residual=True)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Conv2d(8, 12, 3)],
        [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3)],
        [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 12, 3)],
        [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(8, 12)],
        [nn.Conv2d(3, 12, 3)],
    ],
)
def test_lists_of_other_layers(tmp_path: Path, layers: list[nn.Module]) -> None:
    state = {f"net.{name}": value for name, value in nn.Sequential(*layers).state_dict().items()}
    (tmp_path / "w.pth").write_bytes(saved(state))
    with pytest.raises(EcbsrError, match=r"net\.0\.weight.*known layout"):
        load(tmp_path / "w.pth")


@pytest.mark.parametrize("skip", [False, True])
def test_whether_the_image_is_added_can_be_stated(tmp_path: Path, skip: bool) -> None:
    network = Chain(nn.ReLU, skip)  # of random weights, whose answer says nothing
    (tmp_path / "w.pth").write_bytes(saved(state_of(network, "compact")))
    assert agrees(tmp_path / "w.pth", network, residual=skip)
    save(quietly(tmp_path / "w.pth", residual=skip), tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=f"records residual {skip}"):
        load(tmp_path / "w.safetensors", residual=not skip)


def test_blocks_with_branches_have_the_image_added_without_a_note(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(saved(some_net().state_dict()))
    with pytest.warns(UserWarning) as noted:
        assert load(tmp_path / "w.pth").architecture.residual
    assert "image" not in str(noted[0].message)


@pytest.mark.parametrize("layout", ["compact", "plain", "pairs", "direct"])
@pytest.mark.parametrize("slope", [0.01, 0.2])
def test_the_slope_of_a_fixed_leaky_relu(tmp_path: Path, layout: str, slope: float) -> None:
    network = Chain(partial(nn.LeakyReLU, slope), True)
    (tmp_path / "w.pth").write_bytes(saved(state_of(network, layout)))
    with pytest.warns(UserWarning, match=r"ReLU \(else slope, --slope\)"):
        load(tmp_path / "w.pth")
    assert agrees(tmp_path / "w.pth", network, slope=slope)
    assert agrees(tmp_path / "w.pth", network, slope=slope, activation="leaky")
    assert not agrees(tmp_path / "w.pth", network)


@pytest.mark.parametrize(
    ("activation", "options", "message"),
    [
        (nn.ReLU, {"activation": "leaky"}, r"no slopes.*--slope"),
        (nn.ReLU, {"activation": "relu", "slope": 0.1}, "activation relu.*leave out slope"),
        (nn.ReLU, {"slope": 1.5}, "slope 1.5 is not between 0 and 1"),
        (partial(nn.PReLU, 8), {"slope": 0.1}, "slopes of its own"),
    ],
)
def test_slopes_that_do_not_suit_the_file(
    tmp_path: Path, activation: Callable[[], nn.Module], options: dict[str, object], message: str
) -> None:
    (tmp_path / "w.pth").write_bytes(saved(state_of(Chain(activation, True), "compact")))
    with pytest.raises(UsageError, match=message):
        quietly(tmp_path / "w.pth", **options)
